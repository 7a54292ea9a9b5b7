#!/bin/sh
# Install the Debian packages that the tests drive. Needs root and apt; without them it says what is missing.
set -eu

packages="openssh-server sudo tmux groff-base systemd zsh fish"
[ "${QCLUSTER_TEST_BROWSER:-1}" = 1 ] && packages="$packages chromium chromium-driver fonts-noto-cjk"
[ "${QCLUSTER_TEST_DOCKER:-0}" = 1 ] && packages="$packages docker.io docker-registry iproute2 iputils-ping"
if [ "${QCLUSTER_TEST_VLLM:-0}" = 1 ]; then
    packages="$packages g++ libnuma1"
    # torch compiles a few kernels against the Python that runs them
    headers='import os, sysconfig; raise SystemExit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))'
    "${PYTHON:-python3}" -c "$headers" || packages="$packages python3-dev"
fi

missing() {
    for package in $packages; do
        dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || printf '%s ' "$package"
    done
}

command -v dpkg-query >/dev/null || { echo "not a Debian system: install these yourself: $packages" >&2; exit 0; }
absent=$(missing)
[ -z "$absent" ] && exit 0
if [ "$(id -u)" -ne 0 ]; then
    echo "missing Debian packages (install them as root): $absent" >&2
    exit 0
fi
apt-get update -qq
# shellcheck disable=SC2086  # a list of words
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $absent >/dev/null
