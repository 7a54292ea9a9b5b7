#!/bin/sh
# Becomes one host: run inside its network namespace and a mount and UTS namespace of its own
# (`ip netns exec NS unshare -m -u sh host.sh NAME ADDRESS FOLDER REGISTRY SIM PROJECT`). SIM holds the simulated NPU
# tools, which run the code in PROJECT. Prints `ready` once sshd and dockerd answer.
# Everything it changes is on tmpfs layers that vanish with the namespace; `pivot_root`, because under `chroot`
# a `docker exec` would land in the machine's own root.
set -eu
name=$1 address=$2 folder=$3 registry=$4 sim=$5 project=$6

mount --make-rprivate /
mkdir -p "$folder/layers" "$folder/root"
mount -t tmpfs -o size=3g layers "$folder/layers"
mkdir "$folder/layers/upper" "$folder/layers/work"
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/layers/upper,workdir=$folder/layers/work" "$folder/root"
cd "$folder/root"

mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs cgroups sys/fs/cgroup
for controller in cpu cpuacct cpuset memory devices freezer blkio pids; do
    mkdir "sys/fs/cgroup/$controller"
    mount -t cgroup -o "$controller" "$controller" "sys/fs/cgroup/$controller" || rmdir "sys/fs/cgroup/$controller"
done
mount -t tmpfs run run
mount -t tmpfs tmp tmp
mount -t tmpfs dev dev
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts dev/pts
mount -t tmpfs shm dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
while read -r device major minor; do mknod -m 666 "dev/$device" c "$major" "$minor"; done <<EOF
null 1 3
zero 1 5
full 1 7
random 1 8
urandom 1 9
tty 5 0
davinci_manager 1 3
devmm_svm 1 3
hisi_hdc 1 3
EOF
npu=0
while [ "$npu" -lt 16 ]; do
    mknod -m 666 "dev/davinci$npu" c 1 3
    npu=$((npu + 1))
done
mkdir -p var/lib/docker .old
mount -t tmpfs -o size=2g docker var/lib/docker

# The NPUs are simulated: the driver's tools, its files, and what they say come from SIM, shared by all hosts.
# Their code is this checkout's, wherever that lies.
mkdir -p ".$project"
mount --bind "$project" ".$project"
mkdir -p ".$sim" usr/local/bin usr/local/dcmi usr/local/Ascend/driver/tools usr/local/Ascend/driver/lib64
mount --bind "$sim" ".$sim"
for tool in npu-smi hccn_tool modelscope; do
    printf '#!/bin/sh\nQCLUSTER_LAB_ROOT=%s/hosts/%s exec %s/bin/%s "$@"\n' "$sim" "$name" "$sim" "$tool" >"usr/local/bin/$tool"
    chmod +x "usr/local/bin/$tool"
done
cp usr/local/bin/hccn_tool usr/local/Ascend/driver/tools/hccn_tool
cp "$sim/hosts/$name/etc/hccn.conf" "$sim/hosts/$name/etc/ascend_install.info" etc/
cp "$sim/hosts/$name/usr/local/Ascend/driver/version.info" usr/local/Ascend/driver/version.info

mkdir -p etc/qcluster-test
cp "${0%/*}/docker.sh" etc/qcluster-test/docker.sh
cp "$folder/../host_key" etc/qcluster-test/host_key
cp "$folder/../id_ed25519.pub" etc/qcluster-test/authorized_keys
chmod 600 etc/qcluster-test/host_key
pivot_root . .old
umount -l /.old
rmdir /.old

hostname "$name"
mkdir -p /run/sshd /root/.ssh
# the start-up files of this machine's root are not part of a host (one of them waits a minute for a lock)
rm -f /root/.bashrc /root/.bash_profile /root/.profile
ip link set lo up
/usr/sbin/sshd -o "ListenAddress=$address" -o Port=22 -o PidFile=/run/sshd.pid -o MaxStartups=100:30:200 \
    -o PermitRootLogin=yes -o PasswordAuthentication=no -o AuthorizedKeysFile=/etc/qcluster-test/authorized_keys \
    -o StrictModes=no -h /etc/qcluster-test/host_key
sh /etc/qcluster-test/docker.sh "$registry"
echo ready
# The parent ends this host by ending this process: everything that it started goes with it.
trap 'kill $(cat /run/docker.pid /run/sshd.pid) 2>/dev/null; exit 0' TERM INT
while :; do sleep 3600 & wait $!; done
