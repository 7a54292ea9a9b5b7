#!/bin/sh
# Simulation of git on a lab host: `clone` of vllm-ascend gives a folder with the proxies' programs; nothing is downloaded.
while [ "$1" = -c ]; do shift 2; done
case $1 in
clone)
    shift
    while [ $# -gt 2 ]; do
        [ "$1" != --branch ] || tag=$2
        shift
    done
    name=${1##*/}
    case $tag in
    v[0-9]* | main) ;;
    *) echo "fatal: Remote branch $tag not found in upstream origin" >&2; exit 128 ;;
    esac
    examples=$2/examples/disaggregated_prefill_v1
    mkdir -p "$2/.git" "$examples" && echo "$tag" >"$2/.git/tag" && echo "${name%.git}" >"$2/.git/name" || exit
    for program in load_balance_proxy_server_example load_balance_proxy_layerwise_server_example; do
        echo "# (simulation)" >"$examples/$program.py"
    done
    ;;
-C)
    [ -e "$2/.git/tag" ] || { echo "fatal: not a git repository" >&2; exit 128; }
    case "$3 $4" in
    "tag --points-at") cat "$2/.git/tag" ;;
    "rev-parse --abbrev-ref") echo HEAD ;;
    "rev-parse --short") echo 0123abc ;;
    esac
    ;;
esac
