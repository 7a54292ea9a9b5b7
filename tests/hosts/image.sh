#!/bin/sh
# Make an image on the spot and push it: a shell, coreutils, python3, and the files below FOLDER.
# Usage (inside a host): image.sh REFERENCE FOLDER
set -eu
PATH=/usr/sbin:/usr/bin:/sbin:/bin
reference=$1 folder=$2
list=$(mktemp)
commands="sh bash env setsid timeout python3 grep sed awk mawk tail head cat ls mkdir rm mv cp ln chmod touch sleep date
    dirname basename id uname stat sort tr cut wc test true false kill ps readlink mktemp sha256sum df printf nohup
    hostname ip ss tee find xargs seq"
for command in $commands; do
    path=$(command -v "$command") || continue
    case $path in /*) ;; *) continue ;; esac
    real=$(readlink -f "$path")
    printf '%s\n' "$path" "$real"
    ldd "$real" 2>/dev/null | grep -o '/[^ ]*' || true
done >"$list.raw"
# With a merged /usr the same file has two names; the links of the top folder are kept as links.
sed 's,^/\(bin\|sbin\|lib\|lib64\)/,/usr/\1/,' "$list.raw" | while read -r path; do
    [ -e "$path" ] && printf '%s\n' "$path" "$(readlink -f "$path")"
done | sort -u >"$list"
printf '%s\n' /bin /sbin /lib /lib64 /usr/lib/python3.11 /etc/passwd /etc/group /etc/nsswitch.conf /etc/alternatives >>"$list"
stage=$(mktemp -d)
tar -C / -cf - --no-recursion -T "$list" 2>/dev/null | tar -C "$stage" -xf -
tar -C / -cf - --exclude='*/test' --exclude='*/tests' --exclude='*/__pycache__' --exclude='*/ensurepip' \
    --exclude='*/idlelib' --exclude='*/lib2to3' usr/lib/python3.11 | tar -C "$stage" -xf -
cp -a "$folder/." "$stage/"
mkdir -p "$stage/tmp" "$stage/root" "$stage/workspace" "$stage/proc" "$stage/sys" "$stage/dev"
tar -C "$stage" -cf - . | docker import --change 'CMD ["/bin/bash"]' --change 'WORKDIR /workspace' \
    --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' - "$reference" >/dev/null
rm -rf "$list" "$list.raw" "$stage"
docker push --quiet "$reference" >/dev/null
echo "$reference"
