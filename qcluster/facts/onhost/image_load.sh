# shellcheck shell=sh
# Load an archive that `docker save` made, compressed or not.
file=$1 want=$2
[ -r "$file" ] || { echo "no such file: $file"; exit 66; }
docker load -i "$file" || exit
docker image inspect "$want" >/dev/null 2>&1 || { echo "$file holds no $want"; exit 65; }
