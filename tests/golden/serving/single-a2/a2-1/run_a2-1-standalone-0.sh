#!/usr/bin/env bash
local_ip=10.0.0.1
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
export HF_HUB_OFFLINE="1"
export TRANSFORMERS_OFFLINE="1"
for jemalloc in "/usr/lib/$(uname -m)-linux-gnu/libjemalloc.so.2" "/usr/lib64/libjemalloc.so.2"; do
  if [ -e "$jemalloc" ]; then export LD_PRELOAD="$jemalloc"; fi
done
export HCCL_BUFFSIZE="512"
export ASCEND_RT_VISIBLE_DEVICES="0,1,2,3,4,5,6,7"
exec vllm serve "${host_home:-$HOME}"/.cache/qcluster/Eco-Tech/Qwen3.5-27B-w8a8-mtp \
  --host 0.0.0.0 \
  --port 8000 \
  --data-parallel-size 4 \
  --tensor-parallel-size 2 \
  --served-model-name qwen3.5 \
  --seed 1024 \
  --trust-remote-code \
  --no-enable-prefix-caching \
  --speculative-config '{"enforce_eager":true,"method":"qwen3_5_mtp","num_speculative_tokens":3}' \
  --quantization ascend \
  --gpu-memory-utilization 0.90 \
  --compilation-config '{"cudagraph_mode":"FULL_DECODE_ONLY"}' \
  --additional-config '{"enable_cpu_binding":true}' \
  --max-num-seqs 32 \
  --max-num-batched-tokens 16384 \
  --max-model-len 133000
