"""What the TCP check runs on hosts: POSIX sh, and two small programs for any Python 3 (the host's or the image's)."""

LISTENER = """\
import socket, sys, time
kept = []
for port in sys.argv[3:]:
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        one.bind((sys.argv[1], int(port)))
        one.listen(512)
        kept.append(one)
        print(port, "ok")
    except OSError as error:
        print(port, "in-use" if error.errno == 98 else error)
print("ready", flush=True)
time.sleep(float(sys.argv[2]))
"""
"""Holds the ports; the kernel completes the handshakes. Any Python 3 runs it."""

LISTEN = r"""
address=$1; seconds=$2; image=$3; program=$4; shift 4
# Nobody listens here longer than somebody reads there: a controller that is gone, however and whenever it went, ends
# it all. So the first word to nobody must not end this shell before its listeners.
trap '' PIPE HUP
folder=$(mktemp -d "${TMPDIR:-/tmp}/qcluster-listen.XXXXXX")
name=
if command -v python3 >/dev/null; then
  timeout -k 1 "$seconds" python3 -c "$program" "$address" "$seconds" "$@" >"$folder/said" 2>&1 </dev/null &
  held=$!
elif [ -n "$image" ] && docker image inspect "$image" >/dev/null 2>&1; then
  name=qcluster-listen-$$
  timeout -k 1 "$seconds" docker run --rm --net=host --name "$name" "$image" \
    python3 -c "$program" "$address" "$seconds" "$@" >"$folder/said" 2>&1 </dev/null &
  held=$!
elif command -v nc >/dev/null; then
  held=
  for port in "$@"; do
    timeout -k 1 "$seconds" nc -l -k "$address" "$port" >/dev/null 2>&1 </dev/null &
    held="$held $!"
  done
  sleep 0.3
  for port in "$@"; do echo "$port ok"; done >"$folder/said"
  echo ready >>"$folder/said"
else
  rm -rf "$folder"
  frame listen/ports 0 'ready none'
  frame listen/handle 0 none
  held=none
fi
if [ "$held" != none ]; then
  tries=0
  until grep -q '^ready' "$folder/said" || [ "$tries" -ge 100 ]; do tries=$((tries + 1)); sleep 0.05; done
  frame listen/ports 0 "$(cat "$folder/said")" 2>/dev/null
  frame listen/handle 0 "$folder $name $held" 2>/dev/null
  ticks=$((seconds * 5)); read=yes
  while [ -e "$folder" ] && [ "$ticks" -gt 0 ]; do
    frame listen/alive 0 '' 2>/dev/null || { read=; break; }
    ticks=$((ticks - 1))
    sleep 0.2
  done
  rm -rf "$folder"
  kill $held 2>/dev/null
  [ -z "$name" ] || docker rm -f "$name" >/dev/null 2>&1
  wait
  [ -n "$read" ] || exit 0
fi
"""
"""Runs until its folder is gone, nobody reads what it says, or the time is over."""

UNLISTEN = r"""
folder=$1; shift
rm -rf "$folder"
for one in "$@"; do
  case $one in
    qcluster-listen-*) docker rm -f "$one" >/dev/null 2>&1;;
    *) kill "$one" 2>/dev/null;;
  esac
done
tries=0
for one in "$@"; do # the ports are free when this is over
  while kill -0 "$one" 2>/dev/null && [ "$tries" -lt 40 ]; do tries=$((tries + 1)); sleep 0.05; done
done
frame unlisten 0 ended
"""

CONNECTOR = """\
import errno, selectors, socket, sys, time
limit, lines = float(sys.argv[1]), [line.split() for line in sys.argv[2].split(",") if line]
todo = [(host, address, port) for host, address, *ports in lines for port in ports]
pick = selectors.DefaultSelector()
words = {errno.ECONNREFUSED: "refused", errno.EHOSTUNREACH: "unreachable", errno.ENETUNREACH: "unreachable"}
def start(host, address, port):
    one = socket.socket()
    one.setblocking(False)
    code = one.connect_ex((address, int(port)))
    pick.register(one, selectors.EVENT_WRITE, (host, port, time.monotonic() + limit))
while todo or pick.get_map():
    while todo and len(pick.get_map()) < 200:
        try:
            start(*todo[0])
        except OSError as error:
            print(todo[0][0], todo[0][2], "error", error)
        todo.pop(0)
    for key, _ in pick.select(0.05):
        host, port, _ = key.data
        code = key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        print(host, port, words.get(code, errno.errorcode.get(code, code)) if code else "ok")
        pick.unregister(key.fileobj)
        key.fileobj.close()
    for key in [key for key in pick.get_map().values() if key.data[2] < time.monotonic()]:
        print(*key.data[:2], "timeout")
        pick.unregister(key.fileobj)
        key.fileobj.close()
"""

CONNECT = r"""
seconds=$1; own=$2; image=$3; program=$4; todo=$5
by_nc() { # one try a port, thirty at a time
  at_once=0
  printf '%s\n' "$todo" | tr , '\n' | {
    while read -r host address ports; do
      for port in $ports; do
        try "$host" "$address" "$port" &
        at_once=$((at_once + 1))
        [ $((at_once % 30)) -ne 0 ] || wait
      done
    done
    wait
  }
}
try() {
  why=$(timeout -k 1 $((seconds + 1)) nc -z -v -w "$seconds" "$2" "$3" 2>&1 </dev/null); rc=$?
  case $rc:$why in
    0:*) word=ok;;
    *refused*) word=refused;;
    *'No route'*|*unreachable*) word=unreachable;;
    *) word=timeout;;
  esac
  echo "$1 $3 $word"
}
# nc is trusted only where it sees a port of this host that is known to be open
if command -v nc >/dev/null && [ -n "$own" ] && nc -z -w 1 ${own% *} ${own#* } >/dev/null 2>&1 </dev/null; then
  said=$(by_nc); how=nc
elif command -v python3 >/dev/null; then
  said=$(python3 -c "$program" "$seconds" "$todo" 2>&1 </dev/null); how=python3
elif [ -n "$image" ] && docker image inspect "$image" >/dev/null 2>&1; then
  said=$(docker run --rm --net=host "$image" python3 -c "$program" "$seconds" "$todo" 2>&1 </dev/null); how=image
else
  said=; how=none
fi
frame connect/how 0 "$how"
frame connect/ports 0 "$said"
"""
