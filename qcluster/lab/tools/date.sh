#!/bin/sh
# The machine's date, off by the seconds that the fault clock-skew gives this lab host.
[ "$1" != --version ] || { echo "date (GNU coreutils) (simulation of qcluster's lab)"; exit 0; }
root=${QCLUSTER_LAB_ROOT:?date is a simulation and needs its lab}
fault=${root%/hosts/*}/faults/clock-skew/${root##*/}
skew=0
[ ! -e "$fault" ] || read -r skew <"$fault"
for word in "$@"; do
    case $word in -d | --date* | -d* | -r) exec /bin/date "$@" ;; esac
done
[ "$skew" != 0 ] || exec /bin/date "$@"
exec /bin/date -d "$skew seconds" "$@"
