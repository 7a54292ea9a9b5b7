#!/bin/sh
# Simulation of pip inside a simulated image: `pip show` of what the image holds.
image=${QCLUSTER_LAB_IMAGE:-x:v0.23.0}
version=${image##*:v}
version=${version%%-*}
[ "$1" = show ] || { echo "pip (simulation of qcluster's lab): only show is known" >&2; exit 1; }
shift
for name in "$@"; do
    case $name in
    vllm | vllm-ascend) printf 'Name: %s\nVersion: %s\nSummary: (simulation)\n' "$name" "$version" ;;
    mooncake*) printf 'Name: %s\nVersion: 0.3.11.post1\nSummary: (simulation)\n' "$name" ;;
    -*) : ;;
    *) echo "WARNING: Package(s) not found: $name" >&2; exit 1 ;;
    esac
done
