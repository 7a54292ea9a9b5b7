#!/bin/sh
# Simulation of id: a lab host's user is not root, whoever runs the lab; under the simulated sudo it is.
[ "$1" != --version ] || { echo "id (GNU coreutils) (simulation of qcluster's lab)"; exit 0; }
real=/usr/bin/id
case ${QCLUSTER_LAB_USER-} in
root)
    case $* in
    -u | -g) echo 0 ;;
    -un | -gn) echo root ;;
    *) echo 'uid=0(root) gid=0(root) groups=0(root)' ;;
    esac
    ;;
*)
    if [ "$*" = -u ] && [ "$("$real" -u)" = 0 ]; then echo 1000; else exec "$real" "$@"; fi
    ;;
esac
