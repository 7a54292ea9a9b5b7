"""Measuring what is served: which command to run, what its output says, and whether that is good enough.

All of it is pure but `store`, which keeps results on the controller.

The tools are `vllm bench`, `lm_eval` and AISBench; playbooks/bench.yaml and eval.yaml run them. Source: the seed's
sections 7 and 8; issue 7.
"""

from __future__ import annotations
