# shellcheck shell=sh
# What an image weighs where it would be pulled from, and the room on the disk that docker keeps images on. The question
# is asked by docker's own client: with its logins, by the host's way to the registry, and without fetching a layer.
job=$1 ask=$2; shift 2 # `ask`: yes where it comes from a registry
began() { sed 's/.*) //' "/proc/${1:-none}/stat" 2>/dev/null | cut -d' ' -f20; }
show() { docker info --format "$1" 2>/dev/null; }
tell() { # the manifest of REFERENCE, with the layers' sizes, from the first registry that has it
  for reference in "$@"; do
    plain=
    case " $loose " in *" ${reference%%/*} "*) plain=--insecure ;; esac # as the daemon itself takes it
    # shellcheck disable=SC2086  # no word, or one
    if text=$(timeout 30 docker manifest inspect -v $plain "$reference" 2>&1); then
      printf '==from\n%s\n==manifest\n%s\n' "$reference" "$text"
      return
    fi
    printf '==refused\n%s: %s\n' "$reference" "$(printf '%s\n' "$text" | tail -n 1)"
  done
}

echo '==running'
read -r pid since 2>/dev/null <"$job/pid" && [ -n "$since" ] && [ "$(began "$pid")" = "$since" ] && echo yes
echo '==image'; docker image inspect --format '{{.Id}}' "$1" 2>/dev/null
echo '==kin'; docker images -q "${1%[:@]*}" 2>/dev/null
echo '==arch'; docker version --format '{{.Server.Arch}}' 2>/dev/null
root=$(show '{{.DockerRootDir}}')
case $(show '{{json .DriverStatus}}') in
*io.containerd.snapshotter*) [ ! -d /var/lib/containerd ] || root=/var/lib/containerd ;; # it keeps images instead
esac
printf '==root\n%s\n==free\n' "$root"
[ -z "$root" ] || df -Pk "$root" 2>/dev/null | tail -n 1
loose=$(show '{{range .RegistryConfig.IndexConfigs}}{{if .Secure}}{{else}}{{.Name}} {{end}}{{end}}')
[ -z "$root" ] || [ "$ask" != yes ] || docker image inspect "$1" >/dev/null 2>&1 || tell "$@"
echo '==end'
