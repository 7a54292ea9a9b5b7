#!/usr/bin/env bash
# Rendered by qcluster: the engine p1-prefill-0 (prefill), NPUs 0,1.
# Values with a $NAME see the environment that the image and CANN's set_env.sh have set.
export PYTORCH_NPU_ALLOC_CONF="expandable_segments:True"
export OMP_PROC_BIND="false"
export OMP_NUM_THREADS="1"
export TASK_QUEUE_ENABLE="1"
export VLLM_ENGINE_READY_TIMEOUT_S="1800"
export LD_LIBRARY_PATH="/usr/local/lib:$LD_LIBRARY_PATH"
export VLLM_HOST_IP="10.0.0.1"
export HCCL_IF_IP="10.0.0.1"
export GLOO_SOCKET_IFNAME="eth0"
export TP_SOCKET_IFNAME="eth0"
export HCCL_SOCKET_IFNAME="eth0"
export HCCL_OP_EXPANSION_MODE="AIV"
export HF_HUB_OFFLINE="1"
export TRANSFORMERS_OFFLINE="1"
[ ! -e "/usr/lib/aarch64-linux-gnu/libjemalloc.so.2" ] || export LD_PRELOAD="/usr/lib/aarch64-linux-gnu/libjemalloc.so.2"
export HCCL_BUFFSIZE="1024"
export ASCEND_RT_VISIBLE_DEVICES="0,1"
exec vllm serve /root/.cache/qcluster/Eco-Tech/Qwen3.5-27B-w8a8-mtp \
  --host 0.0.0.0 \
  --port 7100 \
  --tensor-parallel-size 2 \
  --served-model-name qwen3.5 \
  --seed 1024 \
  --trust-remote-code \
  --no-enable-prefix-caching \
  --speculative-config '{"enforce_eager":true,"method":"qwen3_5_mtp","num_speculative_tokens":3}' \
  --quantization ascend \
  --max-num-seqs 4 \
  --max-model-len 32768 \
  --max-num-batched-tokens 16384 \
  --gpu-memory-utilization 0.95 \
  --enforce-eager \
  --additional-config '{"enable_cpu_binding":true,"enable_flashcomm1":true}' \
  --no-disable-hybrid-kv-cache-manager \
  --kv-transfer-config '{"engine_id":"p1-prefill-0","kv_connector":"MooncakeConnectorV1","kv_connector_extra_config":{"decode":{"dp_size":1,"tp_size":2},"prefill":{"dp_size":1,"tp_size":2}},"kv_port":"36000","kv_role":"kv_producer"}'
