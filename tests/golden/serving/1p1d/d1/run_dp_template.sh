#!/usr/bin/env bash
# $1 devices, $2 port, $3 dp size, $4 dp rank, $5 dp address, $6 dp rpc port, $7 tp size
local_ip=10.0.0.2
# The interface that holds local_ip
nic_name=$(ip -o -4 addr show | awk -v ip="$local_ip" '$4 ~ "^"ip"/" {print $2; exit}')
unset http_proxy https_proxy ftp_proxy
export PYTORCH_NPU_ALLOC_CONF="expandable_segments:True"
export OMP_PROC_BIND="false"
export OMP_NUM_THREADS="1"
export TASK_QUEUE_ENABLE="1"
export VLLM_ENGINE_READY_TIMEOUT_S="1800"
export LD_LIBRARY_PATH="/usr/local/lib:$LD_LIBRARY_PATH"
export VLLM_HOST_IP="$local_ip"
export HCCL_IF_IP="$local_ip"
export GLOO_SOCKET_IFNAME="$nic_name"
export TP_SOCKET_IFNAME="$nic_name"
export HCCL_SOCKET_IFNAME="$nic_name"
export HCCL_OP_EXPANSION_MODE="AIV"
export HF_HUB_OFFLINE="1"
export TRANSFORMERS_OFFLINE="1"
for jemalloc in "/usr/lib/$(uname -m)-linux-gnu/libjemalloc.so.2" "/usr/lib64/libjemalloc.so.2"; do
  if [ -e "$jemalloc" ]; then export LD_PRELOAD="$jemalloc"; fi
done
export HCCL_BUFFSIZE="1024"
export ASCEND_RT_VISIBLE_DEVICES="$1"
exec vllm serve "${host_home:-$HOME}"/.cache/qcluster/Eco-Tech/Qwen3.5-27B-w8a8-mtp \
  --host 0.0.0.0 \
  --port "$2" \
  --tensor-parallel-size "$7" \
  --served-model-name qwen3.5 \
  --seed 1024 \
  --trust-remote-code \
  --no-enable-prefix-caching \
  --speculative-config '{"enforce_eager":true,"method":"qwen3_5_mtp","num_speculative_tokens":3}' \
  --quantization ascend \
  --max-num-seqs 16 \
  --max-model-len 32768 \
  --max-num-batched-tokens 2048 \
  --gpu-memory-utilization 0.91 \
  --compilation-config '{"cudagraph_mode":"FULL_DECODE_ONLY"}' \
  --additional-config '{"enable_cpu_binding":true,"recompute_scheduler_enable":true}' \
  --no-disable-hybrid-kv-cache-manager \
  --kv-transfer-config '{"engine_id":"'"d1-decode-$4"'","kv_connector":"MooncakeConnectorV1","kv_connector_extra_config":{"decode":{"dp_size":1,"tp_size":2},"prefill":{"dp_size":1,"tp_size":2}},"kv_port":'"\"$((36200 + $4 * 2))\""',"kv_role":"kv_consumer"}'
