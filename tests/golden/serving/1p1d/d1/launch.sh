#!/usr/bin/env bash
# Dense: the template uses devices, port, rank (as index) and tp only.
cd "$(dirname "$0")" && exec python3 /vllm-workspace/vllm-ascend/examples/external_online_dp/launch_online_dp.py --dp-size 8 --tp-size 2 --dp-size-local 8 --dp-rank-start 0 --dp-address 10.0.0.2 --dp-rpc-port 12321 --vllm-start-port 7100
