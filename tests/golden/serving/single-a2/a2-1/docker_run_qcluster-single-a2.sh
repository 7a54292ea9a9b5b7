#!/usr/bin/env bash
os_suffix=  # or -openeuler
docker run -d --name qcluster-single-a2 --net=host --shm-size=16g \
  --device /dev/davinci0 \
  --device /dev/davinci1 \
  --device /dev/davinci2 \
  --device /dev/davinci3 \
  --device /dev/davinci4 \
  --device /dev/davinci5 \
  --device /dev/davinci6 \
  --device /dev/davinci7 \
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
  -v /var/lib/qcluster/single-a2:/var/lib/qcluster/single-a2 \
  -v /var/lib/qcluster/single-a2/cache:/root/.cache \
  -v "$HOME"/.cache/qcluster:"$HOME"/.cache/qcluster \
  --label qcluster.deployment=single-a2 \
  --label qcluster.host=a2-1 \
  --label qcluster.ports='api=8000 hccl-host=60000-60031' \
  --label qcluster.npus=0-7 \
  quay.io/ascend/vllm-ascend:v0.23.0"$os_suffix" sleep infinity
