# shellcheck shell=sh
# Serve a folder's files to another host for the time it takes: with the host's python3, else in a container of the image.
dir=$1 folder=$2 list=$3 address=$4 image=$5 job=$6 idle=$7 code=$8
umask 077
mkdir -p "$dir" "$job" "$folder"
rm -f "$dir/port"
printf '%s' "$code" >"$dir/serve.py"
od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"$dir/token"
set -- "$dir/serve.py" "$folder" "$list" "$dir" "$address" "$job" "$idle"
if command -v python3 >/dev/null; then exec python3 "$@"; fi
box=qcluster-serve-$(printf '%s' "$dir" | sha256sum | cut -c1-12)
docker rm -f "$box" >/dev/null 2>&1
exec docker run --rm --name "$box" --net=host --entrypoint "" -v "$folder:$folder:ro" -v "$(dirname "$list"):$(dirname "$list")" \
  -v "$dir:$dir" -v "$job:$job" "$image" python3 "$@"
