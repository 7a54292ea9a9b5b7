# Read by npu-smi.sh: `npu-smi info -t WHAT`.
# shellcheck shell=sh disable=SC1090,SC2154

physical_of() { # CARD CHIP: sets physical, or ends
    if [ "$hardware" = a3 ]; then physical=$(($1 * 2 + ${2:-0})); else physical=$1; fi
    case " $npus " in
    *" $physical "*) place "$physical" ;;
    *) fail "Error parameter of -i: no NPU $1 on this server." ;;
    esac
}

show_health() {
    health "$physical"
    line 'Health Status' "$word"
    if [ "$word" = OK ]; then code=NA; else code=80E01801; fi
    line 'Error Code' "$code"
    line 'Error Information' "$([ "$word" = OK ] && echo NA || echo 'node type=hccs, sensor type=hardware, event=port link fault')"
}

show_common() {
    line 'NPU ID' "$npu"
    line 'Chip Count' "$chips_of_card"
    echo
    memory "$physical"
    line 'Chip ID' "$chip"
    line 'Memory Usage Rate(%)' 0
    line 'HBM Usage Rate(%)' $((used * 100 / 65536))
    line 'Aicore Usage Rate(%)' 0
    line 'Aicore Freq(MHZ)' 1800
    line 'Aicore curFreq(MHZ)' 800
    line 'Aicore Count' 24
    line 'Temperature(C)' 36
    line 'NPU Real-time Power(W)' 181.4
}

show_usages() {
    memory "$physical"
    line 'HBM Capacity(MB)' 65536
    line 'HBM Usage Rate(%)' $((used * 100 / 65536))
    for what in 'Aicore Usage Rate(%)' 'Aicpu Usage Rate(%)' 'Ctrlcpu Usage Rate(%)' \
        'DDR Bandwidth Usage Rate(%)' 'HBM Bandwidth Usage Rate(%)' 'NPU Utilization(%)'; do
        line "$what" 0
    done
}

show_card() {
    line 'NPU ID' "$npu"
    line 'Product Name' 'Simulated by the lab'
    line 'Model' NA
    line 'Manufacturer' Huawei
    line 'Serial Number' "LAB$index-$npu"
    line 'Software Version' "$software"
    line 'Firmware Version' "$firmware"
    line 'Compatibility' OK
    line 'Board ID' 0xb0
    line 'PCB ID' A
    line 'BOM ID' 1
    line 'PCIe Bus Info' "$(bus "$physical")"
    line 'Slot ID' 0
    line 'Class ID' NA
    line 'PCI Vendor ID' 0x19E5
    line 'PCI Device ID' 0xD802
    line 'Subsystem Vendor ID' 0x0200
    line 'Subsystem Device ID' 0x0100
    line 'Chip Count' "$chips_of_card"
}

show_chip() {
    line 'NPU ID' "$npu"
    [ "$hardware" != a3 ] || line 'NPU Name' Ascend910
    line 'Chip ID' "$chip"
    [ "$hardware" != a2 ] || line 'Chip Type' Ascend
    line 'Chip Name' "$name"
    line 'Chip Version' V1
    line 'Board ID' 0xb0
    line 'PCB ID' NA
    line 'BOM ID' 1
    line 'VDie ID' 00000000
    line 'NDie ID' NA
    line 'Chip Position ID' "$chip"
    line 'PCIe Bus Info' "$(bus "$physical")"
    line 'Firmware Version' "$firmware"
}

show_spod() {
    [ "$hardware" = a3 ] || fail 'This device does not support querying spod-info.'
    . "$root/lab/npu/$physical"
    pod=0
    ! has superpod-wrong "$me" || { pod=1; [ ! -s "$faults/superpod-wrong/$me" ] || read -r pod <"$faults/superpod-wrong/$me"; }
    line SDID "$sdid"
    line 'Super Pod Size' 384
    line 'Super Pod ID' "$pod"
    line 'Server Index' $((index % 48))
}

show_topo() {
    if [ "$hardware" = a3 ]; then word=Phy-ID; else word=NPU; fi
    printf '\t  '
    for one in $npus; do printf ' %-10s' "$word$one"; done
    [ "$hardware" = a3 ] || printf ' %s' 'CPU Affinity'
    echo
    for one in $npus; do topo_row "$one"; done
    printf '\nLegend:\n\n  X    = Self\n  SYS  = Path traversing PCIe and NUMA nodes\n  HCCS = Connection traversing HCCS.\n'
}

topo_row() {
    printf '%-10s' "$word$1"
    for other in $npus; do
        if [ "$other" = "$1" ]; then how=X; elif [ "$hardware:$((other / 2))" = "a3:$(($1 / 2))" ]; then how=SIO; else how=HCCS; fi
        printf ' %-10s' "$how"
    done
    node=$(($1 / 2))
    [ "$hardware" = a3 ] || printf ' %d-%d' $((node * 48)) $((node * 48 + 47))
    echo
}

detail() { # WHAT CARD CHIP
    firmware=7.5.0.1.129
    physical_of "$2" "$3"
    case $1 in
    health) show_health ;;
    common) show_common ;;
    usages) show_usages ;;
    board) if [ -n "$3" ]; then show_chip; else show_card; fi ;;
    spod-info) show_spod ;;
    topo) show_topo ;;
    *) fail "This device does not support querying $1." ;;
    esac
}
