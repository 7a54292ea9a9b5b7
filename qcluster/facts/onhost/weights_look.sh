# shellcheck shell=sh
# Is every file of the manifest there, as large and as old as when it was hashed; is every shard of the index there.
path=$1 manifest=$2
echo '==files'
if [ -s "$manifest" ] && cd "$path" 2>/dev/null; then
  while read -r sum size stamp name; do
    if [ "$(stat -c '%s %Y' "$name" 2>/dev/null)" = "$size $stamp" ]; then
      echo "ok $sum $size $name"
    else
      echo "bad $sum $size $name"
    fi
  done <"$manifest"
fi
echo '==absent'
cd "$path" 2>/dev/null && for index in *.safetensors.index.json; do
  [ -e "$index" ] || continue
  grep -o '"[^"/]*\.safetensors"' "$index" | tr -d '"' | sort -u | while read -r shard; do
    [ -s "$shard" ] || echo "$shard"
  done
done
echo '==folder'
[ -d "$path" ] && echo yes
echo '==type'; df -PT "$path" 2>/dev/null | tail -n 1 | tr -s ' ' | cut -d' ' -f2
near=$path
while [ ! -e "$near" ] && [ "$near" != / ]; do near=$(dirname "$near"); done
echo '==room'; df -Pk "$near" 2>/dev/null | tail -n 1 | tr -s ' ' | cut -d' ' -f4
echo '==there'; du -sk "$path" 2>/dev/null | cut -f1
echo '==tools'
for tool in modelscope hf huggingface-cli rsync python3 bash; do command -v "$tool" >/dev/null && echo "$tool"; done
echo '==end'
