"""The parts of the simulated `vllm serve`: arguments, refusals, start-up log, API, KV transfer, data-parallel group."""
