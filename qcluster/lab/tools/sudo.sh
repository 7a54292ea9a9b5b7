#!/bin/sh
# Simulation of sudo: the command runs as the user the lab runs as; `id` then says root.
root=${QCLUSTER_LAB_ROOT:?sudo is a simulation and needs its lab}
faults=${root%/hosts/*}/faults
user=root
while [ $# -gt 0 ]; do
    case $1 in
    -V | --version) echo "Sudo version 1.9.13 (simulation of qcluster's lab)"; exit 0 ;;
    -u | --user) user=$2; shift ;;
    -p | --prompt | -g | -C | -D | -r | -t) shift ;;
    --) shift; break ;;
    -*) : ;;
    *=*) export "${1?}" ;;
    *) break ;;
    esac
    shift
done
if [ -e "$faults/sudo-password/${root##*/}" ]; then
    echo 'sudo: a password is required' >&2
    exit 1
fi
[ $# -gt 0 ] || exit 0
QCLUSTER_LAB_USER=$user SUDO_USER=$(id -un)
export QCLUSTER_LAB_USER SUDO_USER
exec "$@"
