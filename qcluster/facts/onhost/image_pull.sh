# shellcheck shell=sh
# Pull from the first registry that gives it. With a terminal of its own docker tells bytes, else only steps.
platform=$1; shift
want=$1
scratch=$(mktemp -d) || exit 73
trap 'rm -rf "$scratch"' EXIT

pull() {
  export REFERENCE="$1" PLATFORM="$platform"
  # shellcheck disable=SC2016  # for the shell that `script` starts
  command='docker pull ${PLATFORM:+--platform "$PLATFORM"} "$REFERENCE"'
  if script -qec true /dev/null </dev/null >/dev/null 2>&1; then
    { script -qefc "$command" /dev/null </dev/null 2>&1; echo "$?" >"$scratch/code"; } | lines | sum
  else
    { sh -c "$command" 2>&1; echo "$?" >"$scratch/code"; } | sum
  fi
  [ "$(cat "$scratch/code")" = 0 ]
}

lines() { # what a terminal would draw over becomes a line of its own
  stdbuf -oL tr '\r\033' '\n\n' | stdbuf -oL sed 's/^\[[0-9]*[A-K]//; /^$/d'
}

sum() { # bytes of all layers, when they have grown by a hundredth; what says more is passed on
  awk '
    function count(text) {
      unit = text ~ /GB$/ ? 1e9 : text ~ /MB$/ ? 1e6 : text ~ /kB$/ ? 1e3 : 1
      return int((text + 0) * unit)
    }
    function tell(  layer, all, most) {
      for (layer in total) { all += done[layer]; most += total[layer] }
      if (most && (all - told >= most / 100 || (all == most && all != told))) {
        printf "bytes %.0f %.0f\n", all, most
        fflush()
        told = all
      }
    }
    /^[0-9a-f]+: Downloading / {
      if (match($0, /[0-9.]+[kMG]?B\/[0-9.]+[kMG]?B/)) {
        split(substr($0, RSTART, RLENGTH), part, "/")
        layer = substr($1, 1, 12)
        done[layer] = count(part[1])
        total[layer] = count(part[2])
        tell()
      }
      next
    }
    /^[0-9a-f]+: (Verifying Checksum|Download complete|Extracting|Pull complete|Already exists)/ {
      layer = substr($1, 1, 12)
      if (layer in total) { done[layer] = total[layer]; tell() }
    }
    /^[0-9a-f]+: (Waiting|Verifying|Extracting|Retrying)/ { next }
    { print; fflush() }
  '
}

for reference in "$@"; do
  echo "trying $reference"
  if pull "$reference"; then
    [ "$reference" = "$want" ] || docker tag "$reference" "$want" || exit
    echo "got $reference"
    exit 0
  fi
done
exit 1
