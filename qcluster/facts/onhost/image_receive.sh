# shellcheck shell=sh
# Get an image's archive from another host and load it; then the archive is not needed any more.
receiver=$1 folder=$2 peer=$3 from=$4 want=$5
manifest=$folder/.manifest
command -v bash >/dev/null || { echo "no bash on this host: it cannot receive files"; exit 69; }
bash -c "$receiver" receive "$folder" "$manifest" "$peer" "$folder.list" "$from" || exit
while read -r _ size _ name; do
  root=$(docker info --format '{{.DockerRootDir}}' 2>/dev/null)
  free=$(df -Pk "${root:-/}" 2>/dev/null | tail -n 1 | tr -s ' ' | cut -d' ' -f4)000
  [ "$free" = 000 ] || [ "$size" -le "$free" ] || { echo "no space left: $size bytes are wanted in $root, $free are free"; exit 74; }
  docker load -i "$folder/$name" || exit
done <"$manifest"
docker image inspect "$want" >/dev/null 2>&1 || { echo "$from sent no $want"; exit 65; }
rm -rf "$folder" "$folder.list"
