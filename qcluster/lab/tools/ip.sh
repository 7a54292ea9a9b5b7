#!/bin/sh
# Simulation of iproute2's ip: a lab host has lo, one NIC that holds its address, and docker0. Read-only.
# shellcheck disable=SC1091,SC2154
root=${QCLUSTER_LAB_ROOT:?ip is a simulation and needs its lab}
fault=${root%/hosts/*}/faults/mtu/${root##*/}
. "$root/lab/host"
nic=enp67s0f0 mtu=1500
[ ! -e "$fault" ] || read -r mtu <"$fault"

one_line=no json=no what='' device='' target=''
while [ $# -gt 0 ]; do
    case $1 in
    -o | -oneline) one_line=yes ;;
    -j | -json) json=yes ;;
    -V) echo "ip utility, iproute2-6.1.0 (simulation of qcluster's lab)"; exit 0 ;;
    -*) : ;;
    a | addr | address) what=addr ;;
    l | link) what='link' ;;
    r | route) what=route ;;
    get) target=$2 ;;
    dev) device=$2; shift ;;
    show | list | up | to) : ;;
    *) [ "$what" = route ] || device=$1 ;;
    esac
    shift
done

wanted() { # IFNAME
    [ -z "$device" ] || [ "$device" = "$1" ]
}

address_of() { # NUMBER IFNAME ADDRESS/LEN SCOPE
    wanted "$2" || return 0
    if [ "$one_line" = yes ]; then
        printf '%s: %s    inet %s scope %s %s\\       valid_lft forever preferred_lft forever\n' "$1" "$2" "$3" "$4" "$2"
    else
        link_of "$1" "$2" "$mtu"
        printf '    inet %s scope %s %s\n       valid_lft forever preferred_lft forever\n' "$3" "$4" "$2"
    fi
}

link_of() { # NUMBER IFNAME MTU
    wanted "$2" || return 0
    end='\n    '
    [ "$one_line" = no ] || end='\\    '
    # shellcheck disable=SC2059
    printf "%s: %s: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu %s qdisc mq state UP mode DEFAULT group default qlen 1000$end" "$1" "$2" "$3"
    printf 'link/ether 02:00:00:00:%02x:01 brd ff:ff:ff:ff:ff:ff\n' "$index"
}

case $device in '' | lo | docker0 | "$nic") : ;; *) echo "Device \"$device\" does not exist." >&2; exit 1 ;; esac
if [ "$json" = yes ]; then
    printf '[{"ifindex":2,"ifname":"%s","mtu":%s,"operstate":"UP","addr_info":[{"family":"inet","local":"%s","prefixlen":24}]}]\n' "$nic" "$mtu" "$address"
    exit 0
fi
case $what in
addr)
    address_of 1 lo 127.0.0.1/8 host
    address_of 2 "$nic" "$address/24" global
    address_of 3 docker0 172.17.0.1/16 global
    ;;
link)
    link_of 1 lo 65536
    link_of 2 "$nic" "$mtu"
    link_of 3 docker0 1500
    ;;
route)
    if [ -n "$target" ]; then
        printf '%s dev %s src %s uid 1000\n    cache mtu %s\n' "$target" "$nic" "$address" "$mtu"
    else
        printf 'default via 127.0.1.254 dev %s\n' "$nic"
    fi
    ;;
*) echo 'Usage: ip [ OPTIONS ] OBJECT { COMMAND | help }' >&2; exit 255 ;;
esac
