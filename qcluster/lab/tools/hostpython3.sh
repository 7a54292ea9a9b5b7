#!/bin/sh
# The host's own python3: a real interpreter, without the detour that some machines put in front of it. Where a fault has
# put a firewall in the way, the interpreter's sockets meet it too (walled/sitecustomize.py).
for wall in "${QCLUSTER_LAB_ROOT%/hosts/*}/faults/firewall/${QCLUSTER_LAB_ROOT##*/}":*; do
    [ ! -e "$wall" ] || export PYTHONPATH="@TOOLS@/walled"
done
case "${1-} ${3-}" in # what pip has installed can be imported
"-c mooncake.engine") [ ! -e "$QCLUSTER_LAB_ROOT/pip/mooncake-transfer-engine-npu" ] || export PYTHONPATH="@TOOLS@/inside" ;;
esac
case "${1-} ${2-}" in "-m pip") shift 2; exec pip "$@" ;; esac
case ${1-} in
*/load_balance_proxy*server_example.py) # a source installation (`container_runtime: host`) has the example too
    name=${1##*/}
    shift
    exec "${QCLUSTER_LAB_ROOT%/hosts/*}/image/$name" "$@"
    ;;
esac
exec @PYTHON@ "$@"
