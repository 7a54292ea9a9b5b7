# shellcheck shell=sh disable=SC2154  # lock.sh stands in front of this
# Download what is missing, one download at a time, and write the manifest. A file that differs from an earlier manifest
# is fetched again: a hub's tool may not notice that its own file has changed (modelscope before 1.38 does not).
path=$1 manifest=$2 how=$3 id=$4 image=$5 cache=$6 after=$7 reread=$8 listing=$9
lock=$path.lock
if [ "$how" = path ]; then lock=$manifest.lock; fi # a folder that was given is left as it is
box=qcluster-weights-$(printf '%s' "$path" | sha256sum | cut -c1-12)
work=
mkdir -p "$(dirname "$lock")" "$(dirname "$manifest")" || exit 73
scratch=$(mktemp -d) || exit 73

moved() { [ ! -d "$path" ] || echo "bytes $(du -sb "$path" | cut -f1) $(cat "$scratch/total" 2>/dev/null)"; }
waiting() { moved; }
meanwhile() { moved; }
clean() {
  [ -z "$work" ] || kill "$work" 2>/dev/null
  [ -z "$keeper" ] || kill "$keeper" 2>/dev/null
  release
  rm -rf "$scratch"
}
keeper=
trap clean EXIT
trap 'exit 143' TERM INT HUP
hold
keep &
keeper=$!

run() { # in the background, so that a signal ends it and not the other way round
  "$@" &
  work=$!
  wait "$work"
  code=$?
  work=
  return "$code"
}

boxed() { # a command in the image that the engines will use
  if [ "$(id -u)" != 0 ]; then set -- --user "$(id -u):$(id -g)" -e HOME="$cache" "$image" "$@"; else set -- "$image" "$@"; fi
  docker run --rm -i --name "$box" --net=host --entrypoint "" \
    -v "$(dirname "$path"):$(dirname "$path")" -v "$cache:$cache" \
    -e MODELSCOPE_CACHE -e HF_HOME -e MODELSCOPE_ENDPOINT -e MODELSCOPE_DOMAIN -e MODELSCOPE_API_TOKEN \
    -e MODELSCOPE_DOWNLOAD_TOTAL_TIMEOUT -e HF_ENDPOINT -e HF_TOKEN -e REQUESTS_CA_BUNDLE \
    -e http_proxy -e https_proxy -e no_proxy "$@"
}

image_is_there() {
  [ -n "$image" ] || { echo "neither $1 nor an image to run it in"; return 1; }
  told=
  until docker image inspect "$image" >/dev/null 2>&1; do
    code=$(cat "$after/exit" 2>/dev/null)
    case $code in
      '') [ -d "$after" ] || { echo "the image that holds $1 is not there: $image"; return 1; } ;;
      0) ;;
      *) echo "the image that holds $1 could not be had"; return 1 ;;
    esac
    [ -n "$told" ] || echo "waiting for the image that holds $1"
    told=yes
    sleep 2
  done
  docker rm -f "$box" >/dev/null 2>&1 # what a killed job has left under this name
  return 0
}

choose() { # the hub's tool: the host's own, else the image's
  case $how in
    modelscope) tools=modelscope ;;
    *) tools='hf huggingface-cli' ;;
  esac
  for tool in $tools; do
    if command -v "$tool" >/dev/null; then in=''; return 0; fi
  done
  tool=${tools%% *} in=boxed
  image_is_there "$tool"
}

hub_list() { # what the hub has: checksum, size and name of every file; nothing where it cannot be asked
  python=python3
  if [ -z "$in" ]; then
    first=$(head -c 200 "$(command -v "$tool")" 2>/dev/null | head -n 1 | tr -d '\0')
    case $first in '#!'*python*) python=${first#'#!'} ;; esac
  fi
  # shellcheck disable=SC2086  # an interpreter may come with its flags
  printf '%s' "$listing" | $in timeout 90 $python - "$how" "$id" >"$scratch/said" 2>/dev/null
  sed -n 's/^hub //p' "$scratch/said" >"$scratch/hub"
  awk '{ total += $2 } END { if (total) printf "%d\n", total }' "$scratch/hub" >"$scratch/total"
}

room() { # does the rest fit? Known only where the hub told the sizes
  [ -s "$scratch/total" ] || return 0
  mkdir -p "$path" || return 73
  total=$(cat "$scratch/total") have=$(du -sb "$path" | cut -f1)
  free=$(($(df -Pk "$path" | tail -n 1 | tr -s ' ' | cut -d' ' -f4) * 1024))
  [ "$((total - have))" -le "$free" ] && return 0
  echo "no space left for the weights: $((total - have)) bytes are wanted in $path, $free are free"
  return 74
}

download() {
  case $how in
    modelscope) run $in "$tool" download --model "$id" --local_dir "$path" ;;
    huggingface) run $in "$tool" download "$id" --local-dir "$path" ;;
    rsync) run rsync -a --partial-dir=.qcluster-partial --exclude '.*' "${id%/}/" "$path/" ;;
    path) [ -d "$path" ] || { echo "no such folder: $path"; return 66; } ;;
  esac
}

same() { [ "$(stat -c '%s %Y' "$1" 2>/dev/null)" = "$2" ]; }

keep_known() { # lines of the manifest that still hold, to $scratch/kept; $1 = reread: by reading the files anew
  : >"$scratch/kept"
  [ -s "$manifest" ] && cd "$path" 2>/dev/null || return 1
  all=yes
  while read -r sum size stamp name; do
    if [ "$1" != reread ] && same "$name" "$size $stamp"; then
      echo "$sum $size $stamp $name" >>"$scratch/kept"
    elif [ "$(sha256sum <"$name" 2>/dev/null)" = "$sum  -" ]; then
      echo "$sum $(stat -c '%s %Y' "$name") $name" >>"$scratch/kept"
    else
      all=no
      changed "$name"
    fi
  done <"$manifest"
  cd / && [ "$all" = yes ]
}

changed() { # out of the way, so that the tool fetches it; a small file may be an operator's work and is kept
  [ "$how" != path ] && [ -e "$1" ] || return 0
  if [ "$(stat -c %s "$1")" -lt 16777216 ]; then
    mkdir -p .qcluster-changed && mv -f "$1" ".qcluster-changed/$(basename "$1")"
    echo "changed: $1 is not what it was; it is fetched again, the changed one is in .qcluster-changed"
  else
    rm -f "$1"
    echo "changed: $1 is not what it was; it is fetched again"
  fi
}

names() { find . -type f ! -path '*/.*' ! -name '*.incomplete' ! -name '*.part' | sed 's,^\./,,' | sort; }

write() { # the manifest: known lines, and what has to be read
  cd "$path" || return 66
  names >"$scratch/names"
  awk -v kept="$scratch/kept" '
    FILENAME == kept { sub(/^[^ ]+ [^ ]+ [^ ]+ /, ""); known[$0]; next }
    !($0 in known)
  ' "$scratch/kept" "$scratch/names" >"$scratch/new"
  [ ! -s "$scratch/new" ] || echo "hashing $(wc -l <"$scratch/new") files"
  tr '\n' '\0' <"$scratch/new" | xargs -0 -r -n 1 -P 4 sha256sum >"$scratch/sums" || return 74
  while read -r sum name; do
    name=${name#\*}
    printf '%s %s %s\n' "$sum" "$(stat -c '%s %Y' "$name")" "$name"
  done <"$scratch/sums" | cat - "$scratch/kept" | sort -k 4 >"$scratch/manifest"
  cd /
}

lacking() { # shards that the index names, and files that differ from the hub's
  cd "$path" || return 66
  for index in *.safetensors.index.json; do
    [ -e "$index" ] || continue
    grep -o '"[^"/]*\.safetensors"' "$index" | tr -d '"' | sort -u | while read -r shard; do
      [ -s "$shard" ] || echo "$shard (in $index)"
    done
  done
  [ ! -s "$scratch/hub" ] || awk -v own="$scratch/manifest" '
    FILENAME == own { sum = $1; size = $2; sub(/^[^ ]+ [^ ]+ [^ ]+ /, ""); have[$0] = sum; long[$0] = size; next }
    { sum = $1; size = $2; sub(/^[^ ]+ [^ ]+ /, "") }
    $0 ~ /(^|\/)\./ { next }
    !($0 in have) { print; next }
    long[$0] != size || (sum != "-" && have[$0] != sum)
  ' "$scratch/manifest" "$scratch/hub"
  cd /
}

: >"$scratch/hub"
if keep_known "$reread"; then
  write || exit
  [ -n "$(lacking)" ] || { mv -f "$scratch/manifest" "$manifest"; echo "already complete"; exit 0; }
fi
export MODELSCOPE_CACHE="$cache" HF_HOME="$cache" MODELSCOPE_DOWNLOAD_TOTAL_TIMEOUT=86400
in='' tool=
case $how in
  modelscope | huggingface)
    mkdir -p "$cache" || exit 73
    choose || exit 127
    hub_list
    room || exit
    ;;
  rsync) command -v rsync >/dev/null || { echo "no rsync on this host"; exit 127; } ;;
esac
for try in first again; do
  download || exit
  keep_known stamps
  write || exit
  lacking >"$scratch/lacking"
  [ -s "$scratch/lacking" ] || break
  if [ "$try" = again ] || [ "$how" = path ] || [ "$how" = rsync ]; then
    echo "not whole: $(head -n 5 "$scratch/lacking" | tr '\n' ' ')"
    exit 65
  fi
  cd "$path" || exit 66
  while read -r name; do [ ! -e "$name" ] || changed "$name"; done <"$scratch/lacking"
  cd /
done
[ -s "$scratch/manifest" ] || { echo "$path holds no files"; exit 66; }
cp "$scratch/manifest" "$manifest.new" && mv -f "$manifest.new" "$manifest"
