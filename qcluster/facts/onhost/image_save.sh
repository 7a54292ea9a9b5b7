# shellcheck shell=sh
# Make ready for other hosts what they are to load: an archive that is here already, else one saved from the image.
dir=$1 image=$2 given=$3
umask 077
mkdir -p "$dir" || exit 73
if [ -n "$given" ]; then
  [ -r "$given" ] || { echo "no such file: $given"; exit 66; }
  file=$given
else
  file=$dir/image.tar
  id=$(docker image inspect --format '{{.Id}}' "$image") || exit
  if [ "$(cat "$dir/id" 2>/dev/null)" != "$id" ] || [ ! -e "$file" ]; then
    size=$(docker image inspect --format '{{.Size}}' "$image")
    free=$(($(df -Pk "$dir" | tail -n 1 | tr -s ' ' | cut -d' ' -f4) * 1024))
    [ "$size" -le "$free" ] || { echo "no space left: $size bytes are wanted in $dir to save the image, $free are free"; exit 74; }
    echo "saving $image"
    rm -f "$dir/list" "$dir/id"
    docker save -o "$file.new" "$image" && mv -f "$file.new" "$file" || exit
    echo "$id" >"$dir/id"
  fi
fi
sum=$(sha256sum <"$file" | cut -d' ' -f1)
printf '%s %s - %s\n' "$sum" "$(stat -c %s "$file")" "$(basename "$file")" >"$dir/list.new"
mv -f "$dir/list.new" "$dir/list"
