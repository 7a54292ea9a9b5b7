#!/bin/sh
# Simulation of ss: the sockets that listen on this lab host's own address, from the kernel's table.
# shellcheck disable=SC1091,SC2154
. "${QCLUSTER_LAB_ROOT:?ss is a simulation and needs its lab}/lab/host"
header=yes
for word in "$@"; do
    case $word in
    -V | --version) echo "ss utility, iproute2-6.1.0 (simulation of qcluster's lab)"; exit 0 ;;
    --*) [ "$word" != --no-header ] || header=no ;;
    -*H*) header=no ;;
    esac
done
[ "$header" = no ] || echo 'State  Recv-Q Send-Q Local Address:Port Peer Address:Port Process'
awk -v own="$address" '
function number(text,   value, i) {
    value = 0
    for (i = 1; i <= length(text); i++) value = value * 16 + index("0123456789ABCDEF", substr(text, i, 1)) - 1
    return value
}
FNR > 1 && $4 == "0A" {
    split($2, part, ":")
    text = number(substr(part[1], 7, 2)) "." number(substr(part[1], 5, 2)) "." number(substr(part[1], 3, 2)) "." number(substr(part[1], 1, 2))
    if (text == own) printf "LISTEN 0      128    %s:%d 0.0.0.0:*\n", text, number(part[2])
}' /proc/net/tcp
