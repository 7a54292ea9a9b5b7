#!/usr/bin/env bash
# Rendered by qcluster. Runs the engines of qcluster-small on p1:
# each in a session and process group of its own, with its own log and exit-code file.
# Stop it with SIGTERM: it passes the signal on to every group and waits. Ask for one engine again with
#   touch /var/lib/qcluster/small/qcluster-small/run/NAME.restart
here=$(cd "$(dirname "$0")" && pwd)
run=/var/lib/qcluster/small/qcluster-small/run
names=(p1-prefill-0 p1-prefill-1)
logs=(/var/lib/qcluster/small/logs/p1-prefill-0.log /var/lib/qcluster/small/logs/p1-prefill-1.log)
moe=no
grace=3
total=2
stopping=no

load_environment() {
  # Images set these in ~/.bashrc only, which no command under `docker run` reads; a missing file is not an error.
  local file
  for file in /usr/local/Ascend/ascend-toolkit/set_env.sh /usr/local/Ascend/nnal/atb/set_env.sh; do
    # shellcheck disable=SC1090
    if [ -r "$file" ]; then . "$file"; fi
  done
  export LD_LIBRARY_PATH="/usr/local/Ascend/ascend-toolkit/latest/python/site-packages:/usr/local/lib:${LD_LIBRARY_PATH-}"
  # CANN's own logs (plog): here they outlive the container, and `qcluster doctor` finds them.
  export ASCEND_PROCESS_LOG_PATH=${ASCEND_PROCESS_LOG_PATH:-/var/lib/qcluster/small/ascend}
  # A proxy for the internet would also catch the requests between the engines.
  unset http_proxy https_proxy ftp_proxy all_proxy HTTP_PROXY HTTPS_PROXY FTP_PROXY ALL_PROXY
  if [ -r /var/lib/qcluster/small/qcluster-small/api_key ]; then
    VLLM_API_KEY=$(cat /var/lib/qcluster/small/qcluster-small/api_key)
    export VLLM_API_KEY
  fi
}

start() { # $1: which engine, counted from 0
  local name=${names[$1]} log=${logs[$1]}
  mkdir -p "$(dirname "$log")"
  if [ -s "$log" ]; then mv -f "$log" "$log.1"; fi
  rm -f "$run/$name.exit" "$run/$name.restart"
  (
    setsid bash "$here/$name.sh" >"$log" 2>&1 </dev/null &
    group=$!
    echo "$log" >"$run/$name.out" # by what it writes to, the group is known again
    echo "$group" >"$run/$name.pid"
    { wait "$group"; } 2>/dev/null # bash would say "Killed"
    code=$?
    # What the engine left behind (workers under other titles) belongs to its group.
    kill -KILL -- "-$group" 2>/dev/null
    echo "$code" >"$run/$name.exit.new"
    mv -f "$run/$name.exit.new" "$run/$name.exit"
  ) &
}

signal() { # $1: signal, $2: name
  [ -e "$run/$2.exit" ] || kill "-$1" -- "-$(cat "$run/$2.pid" 2>/dev/null)" 2>/dev/null
}

alive() { # the number of engines that run
  local count=0 name
  for name in "${names[@]}"; do
    [ -e "$run/$name.exit" ] || count=$((count + 1))
  done
  echo "$count"
}

end() { # the engines named: SIGTERM, then after the grace time SIGKILL
  local name left=$((grace * 10))
  for name in "$@"; do signal TERM "$name"; done
  for name in "$@"; do
    while [ ! -e "$run/$name.exit" ] && [ "$left" -gt 0 ]; do
      sleep 0.1
      left=$((left - 1))
    done
    signal KILL "$name"
    while [ ! -e "$run/$name.exit" ]; do sleep 0.1; done
  done
}

again() { # engines for which a restart was asked: all of them end before the first starts
  local i asked=() ending=()
  for i in "${!names[@]}"; do
    if [ -e "$run/${names[$i]}.restart" ]; then asked+=("$i") ending+=("${names[$i]}"); fi
  done
  end "${ending[@]}"
  for i in "${asked[@]}"; do start "$i"; done
}

mkdir -p "$run"
readlink "/proc/$$/fd/1" >"$run/entry.out"
echo $$ >"$run/entry.pid"
trap 'stopping=yes' TERM INT
load_environment
for i in "${!names[@]}"; do start "$i"; done
while [ "$stopping" = no ] && [ "$(alive)" -gt 0 ]; do
  again
  # The ranks of one data-parallel group wait for each other: when one is dead the rest would only hang.
  if [ "$moe" = yes ] && [ "$(alive)" -lt "$total" ]; then break; fi
  sleep 1 &
  wait $!
done
end "${names[@]}"
rm -f "$run/entry.pid"
[ "$stopping" = yes ]
