#!/bin/sh
# Simulation of Huawei's npu-smi: the tables of 24/25 and of 26, A2 and A3, from the lab's state.
# LAB/hosts/HOST/lab/use/NPU/PID says what a simulated engine holds: "NAME MB STARTED".
# shellcheck disable=SC1091,SC2154
root=${QCLUSTER_LAB_ROOT:?npu-smi is a simulation and needs its lab}
faults=${root%/hosts/*}/faults
me=${root##*/}
. "$root/lab/host"

has() { # FAULT KEY
    [ -e "$faults/$1/$2" ]
}

line() { # LABEL VALUE
    printf '\t%-30s : %s\n' "$1" "$2"
}

fail() {
    echo "$1"
    exit 1
}

bus() { # PHYSICAL: its PCI address
    case $hardware in
    a2) set -- "$1" C1 C2 81 82 01 02 41 42 ;;
    *) set -- "$1" 9D 9F 99 9B 95 97 91 93 8D 8F 89 8B 85 87 81 83 ;;
    esac
    shift $(($1 % ($# - 1) + 1))
    echo "0000:$1:00.0"
}

place() { # PHYSICAL: sets npu, chip, name
    if [ "$hardware" = a3 ]; then
        npu=$(($1 / 2)) chip=$(($1 % 2)) name=Ascend910
    else
        npu=$1 chip=0 name=910B3
    fi
}

health() { # PHYSICAL: sets word
    word=OK
    ! has npu-health "$me:$1" || read -r word <"$faults/npu-health/$me:$1"
}

idle() { # PHYSICAL: HBM that the driver itself holds
    case $hardware:$chip in
    a2:*) used=$((3440 + $1)) ;;
    *:0) used=$((3403 + npu * 6)) ;;
    *) used=$((3188 + npu * 2)) ;;
    esac
}

lives() { # PID [STARTED]: runs, and is no zombie, and no other process that got the same number since
    [ -e "/proc/$1/stat" ] && read -r stat <"/proc/$1/stat" || return 1
    case $stat in *") Z "*) return 1 ;; esac
    [ -n "$2" ] || return 0
    started=$2
    # shellcheck disable=SC2086  # words, of which the 20th after the name is the start time
    set -- ${stat##*) }
    [ "${20}" = "$started" ]
} 2>/dev/null

memory() { # PHYSICAL: sets used, from what lives on the die
    idle "$1"
    for held in "$root/lab/use/$1"/*; do
        began=
        read -r _ mb began 2>/dev/null <"$held" || continue
        lives "${held##*/}" "$began" && used=$((used + mb))
    done
    if has npu-busy "$me:$1"; then used=$((used + 49105)); fi
}

new_layout() {
    case $software in 2[6-9].*) return 0 ;; *) return 1 ;; esac
}

rule() { # A line of the frame, of character $1
    pad=$1
    if new_layout; then width=70; else width=52; fi
    printf '+---------------------------+---------------+%s+\n' "$(printf '%*s' "$width" '')" | tr ' -' "$pad$pad"
}

full_rule() {
    if new_layout; then width=114; else width=96; fi
    printf '+%s+\n' "$(printf '%*s' "$width" '')" | tr ' ' -
}

frames() { # the four lines that repeat, made once
    thin=$(full_rule)
    dashes=$(rule -)
    doubles=$(rule '=')
    if new_layout; then
        wide="| %-5s %-19s | %-13s | %-20s %-23s %-23s |\n"
        chips="| %-5s %-19s | %-13s | %-20s %-5s/ %-17s%-5s/ %-17s|\n"
        process="| %-7s %-17s | %-13s | %-18s | %-21s | %-23s |\n"
        none="| %-112s |\n"
    else
        wide="| %-5s %-19s | %-13s | %-11s %-17s %-20s |\n"
        chips="| %-5s %-19s | %-13s | %-11s %-5s/ %-11s%-5s/ %-14s|\n"
        process="| %-7s %-17s | %-13s | %-24s | %-23s |%.0s\n"
        none="| %-94s |\n"
    fi
}

table_head() {
    echo "$thin"
    if new_layout; then
        printf '| npu-smi %-35s Version: %-59s |\n' "$software" "$software"
        third='Power(W)             Temp(C)                 Hugepages-Usage(page)   '
        fourth='AICore(%)            Memory-Usage(MB)        HBM-Usage(MB)           '
    else
        printf '| npu-smi %-24s Version: %-52s |\n' "$software" "$software"
        third='Power(W)    Temp(C)           Hugepages-Usage(page)'
        fourth='AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        '
    fi
    echo "$dashes"
    if [ "$hardware" = a3 ]; then second=Phy-ID; else second=''; fi
    printf '| NPU   Name                | Health        | %s|\n' "$third"
    printf '| Chip  %-19s | Bus-Id        | %s|\n' "$second" "$fourth"
    echo "$doubles"
}

table_row() { # PHYSICAL
    place "$1"
    health "$1"
    memory "$1"
    if [ "$chip" = 1 ]; then power=- after=$doubles; else power=1$((75 + npu)).$((npu % 10)) after=$thin; fi
    if [ "$hardware" = a3 ]; then second=$1; else second='' after=$doubles; fi
    # shellcheck disable=SC2059
    printf "$wide" "$npu" "$name" "$word" "$power" $((34 + $1 % 4)) '0    / 0'
    # shellcheck disable=SC2059
    printf "$chips" "$chip" "$second" "$(bus "$1")" 0 0 0 "$used" 65536
    echo "$after"
}

process_rows() { # PHYSICAL: prints those on one die
    place "$1"
    for held in "$root/lab/use/$1"/*; do
        began=
        read -r title mb began 2>/dev/null <"$held" || continue
        lives "${held##*/}" "$began" || continue
        # shellcheck disable=SC2059
        printf "$process" "$npu" "$chip" "${held##*/}" "$title" "$mb" NA
    done
    if has npu-busy "$me:$1"; then
        # shellcheck disable=SC2059
        printf "$process" "$npu" "$chip" 166929 '' 49105 NA
    fi
}

newline='
'

process_table() {
    echo "$dashes"
    if new_layout; then
        echo '| NPU     Chip              | Process id    | Process name       | Process memory(MB)    | Process id in container |'
    else
        echo '| NPU     Chip              | Process id    | Process name             | Process memory(MB)      |'
    fi
    echo "$doubles"
    last='' rows=''
    for physical in $npus; do
        place "$physical"
        [ "$npu" = "$last" ] || end_card
        last=$npu
        text=$(process_rows "$physical")
        [ -z "$text" ] || rows="$rows$text$newline"
    done
    end_card
}

end_card() { # closes the rows of card $last; without any, says so
    [ -n "$last" ] || return 0
    if [ -n "$rows" ]; then
        printf '%s' "$rows"
    else
        # shellcheck disable=SC2059
        printf "$none" "No running processes found in NPU $last"
    fi
    echo "$doubles"
    rows=''
}

cards() { # the card ids, each once
    seen=''
    for physical in $npus; do
        place "$physical"
        case " $seen " in *" $npu "*) ;; *) seen="$seen $npu" ;; esac
    done
    echo "$seen"
}

list() {
    # shellcheck disable=SC2046
    set -- $(cards)
    line 'Total Count' $#
    for card in "$@"; do
        echo
        line 'NPU ID' "$card"
        line 'Chip Count' "$chips_of_card"
    done
}

map() {
    if [ "$hardware" = a3 ]; then
        printf '\t%-30s %-30s %-30s %-30s %s\n' 'NPU ID' 'Chip ID' 'Chip Logic ID' 'Chip Phy-ID' 'Chip Name'
    else
        printf '\t%-30s %-30s %-30s %s\n' 'NPU ID' 'Chip ID' 'Chip Logic ID' 'Chip Name'
    fi
    logic=0
    for physical in $npus; do
        place "$physical"
        if [ "$hardware" = a3 ]; then
            printf '\t%-30s %-30s %-30s %-30s %s\n' "$npu" "$chip" "$logic" "$physical" Ascend910
            [ "$chip" = 0 ] || printf '\t%-30s %-30s %-30s %-30s %s\n' "$npu" 2 - - Mcu
        else
            printf '\t%-30s %-30s %-30s %s\n' "$npu" "$chip" "$logic" 'Ascend 910B3'
            printf '\t%-30s %-30s %-30s %s\n' "$npu" 1 - Mcu
        fi
        logic=$((logic + 1))
    done
}

. "${root%/hosts/*}/npu-smi-details.sh"

[ "$1" != -v ] || { echo "npu-smi version: $software (simulation of qcluster's lab)"; exit 0; }
[ "$1" = info ] || fail "Error parameter: use npu-smi info"
shift
if [ "$hardware" = a3 ]; then chips_of_card=2; else chips_of_card=1; fi
[ -n "$npus" ] || fail "There is no NPU card on this server."
frames
if [ $# -eq 0 ]; then
    table_head
    for physical in $npus; do table_row "$physical"; done
    process_table
    exit 0
fi
ask='' card=0 die=''
while [ $# -gt 0 ]; do
    case $1 in
    -l) list; exit 0 ;;
    -m) map; exit 0 ;;
    -t) ask=$2; shift ;;
    -i) card=$2; shift ;;
    -c) die=$2; shift ;;
    *) fail "Error parameter of $1" ;;
    esac
    shift
done
detail "$ask" "$card" "$die"
