#!/usr/bin/env bash
os_suffix=  # or -openeuler
docker run -d --name qcluster-1p1d --net=host --shm-size=16g \
  --device /dev/davinci0 \
  --device /dev/davinci1 \
  --device /dev/davinci2 \
  --device /dev/davinci3 \
  --device /dev/davinci4 \
  --device /dev/davinci5 \
  --device /dev/davinci6 \
  --device /dev/davinci7 \
  --device /dev/davinci8 \
  --device /dev/davinci9 \
  --device /dev/davinci10 \
  --device /dev/davinci11 \
  --device /dev/davinci12 \
  --device /dev/davinci13 \
  --device /dev/davinci14 \
  --device /dev/davinci15 \
  --device /dev/davinci_manager \
  --device /dev/devmm_svm \
  --device /dev/hisi_hdc \
  -e host_home="$HOME" \
  -v /usr/local/dcmi:/usr/local/dcmi \
  -v /usr/local/Ascend/driver/tools/hccn_tool:/usr/local/Ascend/driver/tools/hccn_tool \
  -v /usr/local/bin/npu-smi:/usr/local/bin/npu-smi \
  -v /usr/local/Ascend/driver/lib64/:/usr/local/Ascend/driver/lib64/ \
  -v /usr/local/Ascend/driver/version.info:/usr/local/Ascend/driver/version.info \
  -v /etc/ascend_install.info:/etc/ascend_install.info \
  -v /etc/hccn.conf:/etc/hccn.conf \
  -v /var/lib/qcluster/1p1d:/var/lib/qcluster/1p1d \
  -v /var/lib/qcluster/1p1d/cache:/root/.cache \
  -v "$HOME"/.cache/qcluster:"$HOME"/.cache/qcluster \
  --label qcluster.deployment=1p1d \
  --label qcluster.host=d1 \
  --label qcluster.ports='api=7100-7107 kv-handshake=36200-36215 hccl-host=60000-60031' \
  --label qcluster.npus=0-15 \
  quay.io/ascend/vllm-ascend:v0.23.0-a3"$os_suffix" sleep infinity
