# shellcheck shell=sh disable=SC2154  # lock.sh stands in front of this
# Another host that shares the folder downloads: wait until the manifest holds, or until nobody is at it any more.
path=$1 manifest=$2 from=$3
lock=$path.lock
nobody=0
whole() (
  [ -s "$manifest" ] && cd "$path" 2>/dev/null || exit 1
  while read -r _ size stamp name; do
    [ "$(stat -c '%s %Y' "$name" 2>/dev/null)" = "$size $stamp" ] || exit 1
  done <"$manifest"
)
until whole; do
  if [ -d "$lock" ] && ! stale "$lock"; then nobody=0; else nobody=$((nobody + 1)); fi
  if [ "$nobody" -ge 60 ]; then
    echo "$from was to download into $path, which this host shares, and nobody is at it"
    exit 75
  fi
  [ ! -d "$path" ] || echo "bytes $(du -sb "$path" | cut -f1)"
  sleep "$pause"
done
