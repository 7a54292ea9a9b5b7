# shellcheck shell=sh
# Serve a folder's files to another host for the time it takes: with the host's python3, else in a container of the image.
dir=$1 folder=$2 list=$3 address=$4 image=$5 job=$6 idle=$7 times=$8 sweep=$9 code=${10}
umask 077
mkdir -p "$dir" "$job" "$folder"
rm -f "$dir/port"
printf '%s' "$code" >"$dir/serve.py"
od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"$dir/token"
set -- "$dir/serve.py" "$folder" "$list" "$dir" "$address" "$job" "$idle" "$times"
trap '[ -z "$sweep" ] || rm -rf "$sweep"' EXIT # what was made only to be sent
trap 'kill "$!" 2>/dev/null; exit 143' TERM
if command -v python3 >/dev/null; then
  python3 "$@" &
  wait "$!"
  exit
fi
box=qcluster-serve-$(printf '%s' "$dir" | sha256sum | cut -c1-12)
docker rm -f "$box" >/dev/null 2>&1
set -- "$image" python3 "$@"
seen=
for place in "$folder" "$(dirname "$list")" "$dir" "$job"; do
  case $seen in *"|$place|"*) continue ;; esac
  seen="$seen|$place|"
  set -- -v "$place:$place" "$@"
done
docker run --rm --name "$box" --net=host --entrypoint "" "$@" &
wait "$!"
