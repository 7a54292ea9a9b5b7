#!/bin/sh
# Simulation of df: a lab host has a 4 TB disk of its own, empty enough, or full where a fault says so.
[ "$1" != --version ] || { echo "df (GNU coreutils) (simulation of qcluster's lab)"; exit 0; }
root=${QCLUSTER_LAB_ROOT:?df is a simulation and needs its lab}
used=629145600
[ ! -e "${root%/hosts/*}/faults/disk-full/${root##*/}" ] || used=4194303900
unit=1024
case " $* " in *" -B1 "* | *--block-size=1" "*) unit=1 ;; esac
case " $* " in
*--output=avail*) printf ' Avail\n%s\n' "$(((4194304000 - used) * 1024 / unit))"; exit 0 ;;
*" -T "* | *" -PT"* | *--output=fstype*) exec /bin/df "$@" ;;
esac
echo "Filesystem     1024-blocks      Used Available Capacity Mounted on"
printf '/dev/nvme0n1p2 %s %s %s %d%% /\n' "$((4194304000 * 1024 / unit))" "$((used * 1024 / unit))" \
    "$(((4194304000 - used) * 1024 / unit))" "$((used / 41943040))"
