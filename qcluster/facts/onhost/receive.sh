# shellcheck shell=bash disable=SC2034,SC2154,SC2329,SC2317  # lock.sh stands in front of this, and calls into it
# Get the files of a list from another host, each whole and with the right checksum, going on where it was cut off.
# What has arrived is served on by this host meanwhile. bash, because it can open a connection with nothing installed.
folder=$1 manifest=$2 peer=$3 list=$4 from=$5
lock=$folder.lock
part=$folder/.qcluster-part
misses=0 still=0 before='' told=''
mkdir -p "$part" "$(dirname "$list")" || exit 73
scratch=$(mktemp -d) || exit 73
keeper=
rounds=0
waiting() { moved; here; }
here() { # tell the other host now and then that somebody is still there: a checksum of many GB takes minutes
  rounds=$((rounds + 1))
  [ "$((rounds % 10))" -ne 0 ] || (ask here 0 && hang_up) 2>/dev/null
}
meanwhile() { # say how far it is; end a transfer in which nothing has moved for a minute
  now=$(du -sb "$folder" | cut -f1)
  moved
  here
  if [ "$now" = "$before" ]; then still=$((still + 1)); else still=0; fi
  before=$now
  if [ "$still" -ge 30 ] && [ -s "$scratch/cat" ]; then kill "$(cat "$scratch/cat")" 2>/dev/null; still=0; fi
}
moved() { [ ! -s "$scratch/total" ] || echo "bytes $(du -sb "$folder" | cut -f1) $(cat "$scratch/total")"; }
clean() {
  [ -z "$keeper" ] || kill "$keeper" 2>/dev/null
  release
  rm -rf "$scratch"
}
trap clean EXIT
trap 'exit 143' TERM INT HUP
hold
keep &
keeper=$!

ask() { # WHAT FIRST: the answer's body is on descriptor 3, its code in $status
  status=0
  read -r address port secret <"$peer" || return 1
  # the shell itself cannot give up on a host that does not answer
  # shellcheck disable=SC2016  # for the other bash to expand
  timeout 10 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$address" "$port" 2>/dev/null || return 1
  { exec 3<>"/dev/tcp/$address/$port"; } 2>/dev/null || return 1
  printf 'GET /%s HTTP/1.0\r\nAuthorization: Bearer %s\r\nRange: bytes=%s-\r\n\r\n' "$1" "$secret" "$2" >&3
  read -r -t 60 _ status _ <&3 || return 1
  while read -r -t 60 header <&3 && [ "${header%$'\r'}" ]; do :; done
}

hang_up() { exec 3<&- 3>&-; } 2>/dev/null

again() { # after an answer that was none: 69 where the other host is not to be reached, or has failed itself
  hang_up
  case $status in
    503)
      misses=0
      [ -n "$told" ] || echo "waiting: $from has not got everything yet"
      told=yes
      ;;
    410) echo "$from has not got them either"; exit 69 ;;
    *)
      misses=$((misses + 1))
      if [ "$misses" -ge 60 ]; then echo "$from cannot be reached (${address-} port ${port-}, answer $status)"; exit 69; fi
      ;;
  esac
  sleep 1
}

size_of() { stat -c %s "$1" 2>/dev/null || echo 0; }

get() { # NUMBER SUM SIZE NAME
  piece=$part/$2
  [ "$3" -ne 0 ] || : >"$piece"
  until [ "$(size_of "$piece")" -eq "$3" ]; do
    have=$(size_of "$piece")
    [ "$have" -le "$3" ] || { : >"$piece"; have=0; }
    if ask "$1" "$have" && { [ "$status" = 206 ] || { [ "$status" = 200 ] && [ "$have" = 0 ]; }; }; then
      cat <&3 >>"$piece" &
      echo "$!" >"$scratch/cat"
      wait "$!"
      : >"$scratch/cat"
      hang_up
      if [ "$(size_of "$piece")" -gt "$have" ]; then misses=0; else status=0 && again; fi
    else
      again
    fi
  done
  [ "$(sha256sum <"$piece")" = "$2  -" ] || { rm -f "$piece"; return 1; }
  mkdir -p "$(dirname "$folder/$4")" && mv -f "$piece" "$folder/$4"
}

whole() ( # whoever began this may have been cut off before it saw the end
  [ -s "$manifest" ] && cd "$folder" || exit 1
  while read -r _ size stamp name; do
    [ "$(stat -c '%s %Y' "$name" 2>/dev/null)" = "$size $stamp" ] || exit 1
  done <"$manifest"
)
if whole; then
  echo "already complete"
  ask "done" 0
  exit 0
fi
until ask list 0 && [ "$status" = 200 ]; do again; done
cat <&3 >"$scratch/list"
hang_up
awk '{ total += $2 } END { printf "%d\n", total }' "$scratch/list" >"$scratch/total"
total=$(cat "$scratch/total") have=$(du -sb "$folder" | cut -f1)
free=$(($(df -Pk "$folder" | tail -n 1 | tr -s ' ' | cut -d' ' -f4) * 1024))
if [ "$((total - have))" -gt "$free" ]; then
  echo "no space left: $((total - have)) bytes are wanted in $folder, $free are free"
  exit 74
fi
sed 's/^\([^ ]* [^ ]*\) /\1 - /' "$scratch/list" >"$list.new" && mv -f "$list.new" "$list"

number=0
while IFS=' ' read -r -u 4 sum size name; do
  case /$name/ in */../* | //*) echo "a name that leads out of the folder: $name"; exit 65 ;; esac
  if [ "$(size_of "$folder/$name")" != "$size" ] || [ "$(sha256sum 2>/dev/null <"$folder/$name")" != "$sum  -" ]; then
    get "$number" "$sum" "$size" "$name" || get "$number" "$sum" "$size" "$name" ||
      { echo "$name arrives damaged from $from"; exit 65; }
  fi
  printf '%s %s %s\n' "$sum" "$(stat -c '%s %Y' "$folder/$name")" "$name" >>"$scratch/manifest"
  number=$((number + 1))
done 4<"$scratch/list"
rm -rf "$part"
mkdir -p "$(dirname "$manifest")"
cp "$scratch/manifest" "$manifest.new" && mv -f "$manifest.new" "$manifest" || exit
ask "done" 0
hang_up
exit 0
