#!/bin/sh
# Simulation of sysctl for the two settings that matter here; the rest is the machine's own.
[ "$1" != --version ] || { echo "sysctl from procps-ng (simulation of qcluster's lab)"; exit 0; }
root=${QCLUSTER_LAB_ROOT:?sysctl is a simulation and needs its lab}
bare=no status=0
for word in "$@"; do
    case $word in
    -n) bare=yes; continue ;;
    -*) continue ;;
    esac
    name=${word%%=*}
    path=$root/proc/sys/$(echo "$name" | tr . /)
    if [ "$word" != "$name" ] && [ -e "$path" ]; then
        echo "${word#*=}" >"$path"
    elif [ ! -e "$path" ]; then
        path=/proc/sys/$(echo "$name" | tr . /)
    fi
    [ -r "$path" ] || { echo "sysctl: cannot stat $path: No such file or directory" >&2; status=255; continue; }
    [ "$bare" = yes ] || printf '%s = ' "$name"
    cat "$path"
done
exit "$status"
