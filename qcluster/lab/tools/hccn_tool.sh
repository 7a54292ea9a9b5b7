#!/bin/sh
# Simulation of Huawei's hccn_tool: formats and exit codes of the driver's own source, answers from the lab's state.
# Plain sh with builtins, since one check calls it hundreds of times.
# shellcheck disable=SC1090,SC1091,SC2154
root=${QCLUSTER_LAB_ROOT:?hccn_tool is a simulation and needs its lab}
lab=${root%/hosts/*}
me=${root##*/}
faults=$lab/faults
. "$root/lab/host"

fail() { # EXIT TEXT
    echo "$2" >&2
    exit "$1"
}

has() { # FAULT KEY
    [ -e "$faults/$1/$2" ]
}

value() { # FAULT KEY DEFAULT: the fault's argument
    found=$3
    [ ! -s "$faults/$1/$2" ] || read -r found <"$faults/$1/$2"
}

forget() { # an address with its mask, as the device has it; or another NPU's where addresses are given twice
    ip='' mask='' gateway=''
}

device() { # NPU: its network, with what is broken about it
    [ -e "$root/lab/npu/$1" ] || fail 4 "The device is not exist!"
    . "$root/lab/npu/$1"
    [ -d "$faults" ] || return 0
    if has duplicate-ip "$me:$1"; then
        value duplicate-ip "$me:$1" ""
        other=$(sed -n 's/^\(ip\|vnic\)=/&/p' "$lab/hosts/${found%:*}/lab/npu/${found#*:}")
        eval "$other"
    fi
    has ip-missing "$me:$1" && forget
    has gateway-missing "$me:$1" && gateway=''
    has vnic-missing "$me:$1" && vnic=''
    return 0
}

link_state() { # NPU
    link=UP
    if has link-down "$me:$1" || has roce-down "$me"; then link=DOWN; fi
}

show_lldp() {
    link_state "$npu"
    [ "$link" = UP ] || return 0
    printf 'Chassis ID TLV\n\tMAC: 00:e0:fc:00:%02x:01\nPort ID TLV\n\tIfname: %s\n' "$index" "$ifname"
    printf 'Time to Live TLV\n\t120\nSystem Name TLV\n\tleaf-%d\nEnd of LLDPDU TLV\n' "$((index % 4 + 1))"
}

show_health() {
    link_state "$npu"
    found=Success
    [ "$link" = UP ] || found='Receive timeout'
    has net-health "$me:$npu" && value net-health "$me:$npu" Fault
    echo "net health status: $found"
}

show_tls() {
    has permission "$me" && fail 12 "permission denied: pls check this cmd run permission."
    has tls-off "$me" && tls=$((1 - tls))
    echo "dev_id:$npu, tls switch[$tls](0:disable, 1:enable), tls preconfigured[1](0:non-preset, 1:preset), tls alarm time threshold[60]days"
    echo "dev_id:$npu, [pub cert] info: (simulation)"
}

show_optical() {
    link_state "$npu"
    if [ "$hardware" = a3 ] && has roce-down "$me"; then fail 1 "Optical module is not present."; fi
    printf 'present                   : present\nTemperature               : 46 C\n'
    printf 'Vcc                       : 3301.30 mV\nTx Power0                 : 1.0461 mW\nRx Power0                 : 0.9932 mW\n'
}

show_vnic() {
    [ "$hardware" = a3 ] || fail 13 "The command is not supported on this product."
    if [ -z "$vnic" ]; then
        printf 'vnic link status: DOWN\n'
    else
        printf 'vnic link status: UP\nvnic ipaddr: %s\nvnic netmask: 255.255.255.0\n' "$vnic"
    fi
}

show_ip() {
    [ -n "$ip" ] || fail 13 "Get ipconf failed, because no ip was preset there!"
    printf 'ipaddr:%s\nnetmask:%s\n' "$ip" "$mask"
}

show_gateway() {
    [ -n "$gateway" ] || fail 2 "Get gateway failed, because no gateway was preset there!"
    echo "default gateway:$gateway, Iface:eth$npu"
}

show_netdetect() {
    [ -n "$gateway" ] || fail 1 "Get netdetect failed, because no netdetect was preset there!"
    echo "netdetect addr: $gateway"
}

# How many packets of $count get lost between this NPU and the owner of address $1; -1: nobody owns it.
route() { # ADDRESS PLANE
    lost=0
    [ -e "$lab/fabric/$1" ] || { lost=-1; return 0; }
    read -r to to_npu <"$lab/fabric/$1"
    if broken "$2"; then
        lost=$count
    elif has loss "$to:$to_npu"; then
        lossy
    fi
}

broken() { # PLANE
    has npu-source "$me:$npu" || has npu-target "$to:$to_npu" || has host-fabric "$me" || has host-fabric "$to" ||
        has host-pair "$me:$to" || has plane "$1" || has vnic-missing "$to:$to_npu" && [ "$1" = hccs ] ||
        { [ "$1" = roce ] && roce_broken; }
}

roce_broken() {
    has roce-down "$me" || has roce-down "$to" || has link-down "$me:$npu" || has link-down "$to:$to_npu" ||
        has ip-missing "$me:$npu" || has ip-missing "$to:$to_npu"
}

lossy() { # every third packet to that NPU, counted over all calls on this host
    seen=$root/lab/lost.$to.$to_npu
    before=0
    [ ! -e "$seen" ] || read -r before <"$seen"
    echo "$((before + count))" >"$seen"
    lost=$(((before + count + 2) / 3 - (before + 2) / 3))
}

percent() { # LOST OF
    printf '%d.%02d%%' "$(($1 * 100 / $2))" "$(($1 * 10000 / $2 % 100))"
}

ping_roce() {
    [ -n "$ip" ] || fail 13 "Get ipconf failed, because no ip was preset there!"
    echo "device $npu PING $target"
    route "$target" roce
    [ "$lost" -ge 0 ] || { echo "Destination Host Unreachable"; exit 29; }
    seq=0
    while [ "$seq" -lt "$count" ]; do
        if [ "$seq" -lt "$lost" ]; then
            echo "recv time out seq=$seq"
        else
            printf 'recv seq=%d,time=0.%03d000ms\n' "$seq" "$((90 + (npu * 7 + to_npu * 3 + seq * 5) % 40))"
        fi
        seq=$((seq + 1))
    done
    printf '%d packets transmitted, %d received, ' "$count" "$((count - lost))"
    percent "$lost" "$count"
    printf ' packet loss\n'
    [ "$lost" -eq 0 ] || exit 29
}

ping_hccs() {
    [ "$hardware" = a3 ] || fail 13 "The command is not supported on this product."
    has permission "$me" && fail 12 "permission denied: pls check this cmd run permission."
    route "$target" hccs
    [ -n "$vnic" ] && [ "$lost" -ge 0 ] || { lost=$count; to_npu=0; }
    printf 'device %s PING %s\n\n' "$npu" "$target"
    seq=0
    while [ "$seq" -lt "$count" ]; do
        if [ "$seq" -lt "$lost" ]; then
            echo "This pkt check recv msg fail!"
        else
            echo "This pkt ping success!"
            printf 'recv seq %d, time = %s, L1 plane check result = 0x0\n' "$seq" "$(hccs_time)"
        fi
        seq=$((seq + 1))
    done
    printf '%d packets transmitted, %d received, ' "$count" "$((count - lost))"
    percent "$lost" "$count"
    printf ' packets loss\n'
    if [ "$lost" -lt "$count" ]; then
        micro=$(hccs_time)
        printf 'max time %s\nmin time %s\naverage time %s\nTP95 time %s\n' "$micro" "$micro" "$micro" "$micro"
    fi
    [ "$lost" -eq 0 ] || exit 1
}

hccs_time() {
    printf '%d.%03dus' "$((9 + (npu * 7 + to_npu * 3) % 13))" "$(((npu * 211 + to_npu * 97) % 1000))"
}

set_value() { # a setter's words: only what the documents use
    case $what:$1 in
    -tls:enable) echo "tls=$2" >>"$root/lab/npu/$npu" ;;
    -ip:address) printf 'ip=%s\nmask=%s\n' "$2" "${4:-255.255.255.0}" >>"$root/lab/npu/$npu" ;;
    -gateway:gateway) echo "gateway=$2" >>"$root/lab/npu/$npu" ;;
    *) fail 4 "Command parameters error." ;;
    esac
    echo "Cmd executed successfully!"
}

probe_words() {
    target='' count=3
    while [ $# -gt 1 ]; do
        case $1 in
        address) target=$2 ;;
        cnt) count=$2 ;;
        pkt | interval | timeout | sdid) : ;;
        *) fail 4 "Command parameters error." ;;
        esac
        shift 2
    done
    [ -n "$target" ] || fail 4 "Command parameters error."
    [ ! -e "$faults/slow-fabric/$me" ] || { value slow-fabric "$me" 1; sleep "$found"; }
}

answer() {
    if [ "$verb" = -s ]; then
        set_value "$@"
        return
    fi
    case $what in
    -link) link_state "$npu"; echo "link status: $link" ;;
    -lldp) show_lldp ;;
    -net_health) show_health ;;
    -netdetect) show_netdetect ;;
    -gateway) show_gateway ;;
    -ip) show_ip ;;
    -vnic) show_vnic ;;
    -tls) show_tls ;;
    -optical) show_optical ;;
    -ping) probe_words "$@"; ping_roce ;;
    -hccs_ping) probe_words "$@"; ping_hccs ;;
    *) fail 4 "Command parameters error." ;;
    esac
}

refuse() { # what goes wrong before the tool does anything
    has hang "$me" && exec sleep 86400
    if [ -e "$faults/busy/$me" ]; then
        value busy "$me" always
        case $found in
        always) fail 11 "hccn_tool is busy, please try again." ;;
        0) : ;;
        *) echo "$((found - 1))" >"$faults/busy/$me"; fail 11 "hccn_tool is busy, please try again." ;;
        esac
    fi
}

case $1 in
-v | --version) echo "hccn_tool (simulation of qcluster's lab)"; exit 0 ;;
-i) : ;;
*) fail 4 "Command parameters error." ;;
esac
npu=$2 what=$3 verb=$4
case $npu in '' | *[!0-9]*) fail 4 "invalid id" ;; esac
[ $# -ge 4 ] || fail 4 "Command parameters error."
shift 4
exec 9>>"$root/lab/hccn.lock"
flock -n 9 || fail 11 "hccn_tool is busy, please try again."
[ ! -d "$faults" ] || refuse
device "$npu"
if [ -e "$faults/truncated/$me" ]; then
    text=$(answer "$@")
    printf '%s' "${text%"${text#????????????}"}"
    value truncated "$me" tool
    if [ "$found" = script ]; then # the caller, past the `timeout` that may stand between
        read -r _ comm _ up _ <"/proc/$PPID/stat"
        case $comm in *timeout*) kill -9 "$up" ;; *) kill -9 "$PPID" ;; esac
    fi
    exit 0
fi
answer "$@"
