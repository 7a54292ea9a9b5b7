#!/bin/sh
# The python3 of a simulated image: knows Mooncake and the proxy example by name, and is a real interpreter otherwise.
tools=${0%/*}
tag=${QCLUSTER_LAB_IMAGE##*:}
words=" $* "
case $words in
*load_balance_proxy*server_example.py*)
    for script in "$@"; do
        case $script in *load_balance_proxy*) shift; exec "$tools/${script##*/}" "$@" ;; esac
        shift
    done
    ;;
*import\ *mooncake* | *import\ *vllm_ascend* | *import\ *vllm* | *import\ *torch_npu* | *version\(*vllm*)
    if [ -e "${QCLUSTER_LAB_ROOT%/hosts/*}/faults/no-mooncake/${QCLUSTER_LAB_ROOT##*/}" ]; then
        echo "ModuleNotFoundError: No module named 'mooncake'" >&2
        exit 1
    fi
    version=${tag#v}
    version=${version%%-*}
    case $words in *print* | *version*) echo "${version:-0.23.0}" ;; esac
    exit 0
    ;;
esac
exec @PYTHON@ "$@"
