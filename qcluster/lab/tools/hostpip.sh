#!/bin/sh
# Simulation of pip on a lab host: `show` and `install` of what a source installation needs; nothing is downloaded. What
# is installed is a file with its version in HOST/pip.
state=${QCLUSTER_LAB_ROOT:?}/pip
put() { mkdir -p "$state" && echo "$2" >"$state/$1" && echo "Successfully installed $1-$2"; }
case $1 in
--version) echo "pip 25.0 (simulation)" ;;
show)
    [ -s "$state/$2" ] || { echo "WARNING: Package(s) not found: $2" >&2; exit 1; }
    printf 'Name: %s\nVersion: %s\nSummary: (simulation)\n' "$2" "$(cat "$state/$2")"
    ;;
install)
    shift
    while [ "$1" = --extra-index-url ]; do shift 2; done
    case $1 in
    -e) put "$(cat "$2/.git/name")" "$(sed s/^v// "$2/.git/tag")" ;;
    git+*@v*) name=${1##*/} && put "${name%@*}" "${1##*@v}" ;;
    *==*) put "${1%==*}" "${1##*==}" ;;
    *) echo "ERROR: Could not find a version that satisfies the requirement $1" >&2; exit 1 ;;
    esac
    ;;
*) echo "ERROR: unknown command \"$1\" (simulation)" >&2; exit 1 ;;
esac
