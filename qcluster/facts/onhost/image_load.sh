# shellcheck shell=sh
# Load an archive that `docker save` made, compressed or not.
file=$1 want=$2
[ -r "$file" ] || { echo "no such file: $file"; exit 66; }
root=$(docker info --format '{{.DockerRootDir}}' 2>/dev/null)
free=$(df -Pk "${root:-/}" 2>/dev/null | tail -n 1 | tr -s ' ' | cut -d' ' -f4)000
size=$(stat -c %s "$file")
[ "$free" = 000 ] || [ "$size" -le "$free" ] || { echo "no space left: $size bytes are wanted in $root, $free are free"; exit 74; }
docker load -i "$file" || exit
docker image inspect "$want" >/dev/null 2>&1 || { echo "$file holds no $want"; exit 65; }
