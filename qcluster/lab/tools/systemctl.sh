#!/bin/sh
# Simulation of systemctl: docker runs, firewalld only where a fault says so.
root=${QCLUSTER_LAB_ROOT:?systemctl is a simulation and needs its lab}
faults=${root%/hosts/*}/faults
me=${root##*/}
[ "$1" != --version ] || { echo "systemd 252 (simulation of qcluster's lab)"; exit 0; }
verb=$1
shift
quiet=no
for unit in "$@"; do
    case $unit in
    -q | --quiet) quiet=yes; continue ;;
    docker | docker.service) if [ -e "$faults/docker-down/$me" ]; then state=inactive; else state=active; fi ;;
    firewalld | firewalld.service) if [ -e "$faults/firewalld/$me" ] || ls "$faults/firewall/$me":* "$faults/firewall"/*:"$me" >/dev/null 2>&1; then state=active; else state=inactive; fi ;;
    *) state=inactive ;;
    esac
    [ "$verb" = is-active ] || { echo "simulated: systemctl $verb $unit does nothing" >&2; exit 1; }
    [ "$quiet" = yes ] || echo "$state"
done
[ "$state" = active ] || exit 3
