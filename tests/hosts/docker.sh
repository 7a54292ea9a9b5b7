#!/bin/sh
# This host's Docker engine: started, and waited for until it answers; or stopped with everything that runs in it.
# Usage (inside a host): docker.sh REGISTRY | docker.sh stop
set -eu
pid=/run/docker.pid
if [ "$1" = stop ]; then
    kill "$(cat "$pid")"
    tries=300
    while [ -e "$pid" ]; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || { echo "dockerd does not end" >&2; exit 1; }
        sleep 0.1
    done
    exit 0
fi
dockerd --bridge=none --iptables=false --ip-forward=false --ip-masq=false --insecure-registry "$1" \
    --pidfile "$pid" --exec-opt native.cgroupdriver=cgroupfs >>/var/log/dockerd.log 2>&1 </dev/null &
tries=200
until docker version >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || { tail -n 20 /var/log/dockerd.log; exit 1; }
    sleep 0.1
done
