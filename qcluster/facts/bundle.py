"""Everything on a host that helps somebody elsewhere to see what is wrong, as text, in one question.

Logs whole up to a limit each, CANN's plog, docker's words, npu-smi, hccn_tool, versions, the rendered scripts.
Source: issue 6, Day two (`qcluster logs --bundle`).
"""

from __future__ import annotations

from collections.abc import Iterator

from qcluster.command import sh
from qcluster.errors import UnreadableOutput
from qcluster.facts.fact import Fact
from qcluster.result import Outcome

MARK = "==qcluster "

SCRIPT = r"""
# state folder, deployment, bytes of each file; every line of content goes out behind a blank
state=$1 deployment=$2 most=$3
case $state in "<fact:home>"*) state=$HOME${state#"<fact:home>"} ;; esac
export PATH=$PATH:/usr/local/Ascend/driver/tools:/usr/local/sbin:/usr/sbin:/sbin
root=${QCLUSTER_LAB_ROOT-}
part() { # name, then a command; the end of what it says
  printf '==qcluster %s\n' "$1"; shift
  timeout 20 "$@" 2>&1 </dev/null | tail -c "$most" | sed 's/^/ /'
  echo
}
file() { [ ! -s "$2" ] || part "$1" tail -c "$most" "$2"; }
has() { command -v "$1" >/dev/null 2>&1; }

versions='pip list 2>/dev/null | grep -iE "vllm|torch|mooncake|ascend|transformers"
cat /usr/local/Ascend/ascend-toolkit/latest/version.cfg 2>/dev/null'
ours='ps -eo pid,ppid,pgid,etime,rss,stat,args | cut -c 1-400 | grep -iE "^ *PID|vllm|mooncake|entry.sh|proxy"'
links='for what in link net_health ip gateway tls optical; do echo "# -$what"; hccn_tool -i "$0" "-$what" -g; done'

for log in "$state"/logs/*.log "$state"/logs/*.log.1; do file "logs/${log##*/}" "$log"; done
for log in "$state"/*/entry.log; do [ ! -e "$log" ] || { box=${log%/*}; file "logs/${box##*/}-entry.log" "$log"; }; done
for log in "$state"/jobs/*/log; do [ ! -e "$log" ] || { job=${log%/*}; file "jobs/${job##*/}.log" "$log"; }; done
for script in "$state"/*/*/*.sh; do
  [ ! -e "$script" ] || { box=${script#"$state"/}; file "scripts/$(printf %s "$box" | tr / _)" "$script"; }
done
file record.json "$state/record.json"
file proof.json "$state/proof.json"
part files.txt ls -lR --time-style=full-iso "$state"
for log in $(ls -t "$state"/ascend/*/plog/*.log "$HOME"/ascend/log/*/plog/*.log 2>/dev/null | head -n 16); do
  file "plog/${log##*/}" "$log"
done
if has docker; then
  part docker/version.txt docker version
  part docker/containers.txt docker ps -a --no-trunc
  part docker/images.txt docker image ls --digests
  for box in $(docker ps -a --filter "label=qcluster.deployment=$deployment" --format '{{.Names}}' 2>/dev/null); do
    part "docker/$box.inspect.json" docker inspect "$box"
    part "docker/$box.log" docker logs --tail 2000 "$box"
    part "docker/$box.versions.txt" docker exec "$box" sh -c "$versions"
    inner=$(docker exec "$box" sh -c 'ls -t /root/ascend/log/debug/plog/*.log 2>/dev/null | head -n 16' 2>/dev/null)
    for log in $inner; do part "plog/$box-${log##*/}" docker exec "$box" tail -c "$most" "$log"; done
  done
fi
if has npu-smi; then
  part npu-smi/info.txt npu-smi info
  part npu-smi/mapping.txt npu-smi info -m
  part npu-smi/topology.txt npu-smi info -t topo
fi
file hccn/hccn.conf "$root/etc/hccn.conf"
if has hccn_tool; then
  for device in "$root"/dev/davinci[0-9]*; do
    npu=${device##*davinci}
    part "hccn/$npu.txt" sh -c "$links" "$npu"
  done
fi
file versions/driver.txt "$root/usr/local/Ascend/driver/version.info"
file versions/os-release.txt "$root/etc/os-release"
file versions/os-release.txt /etc/os-release
part versions/kernel.txt uname -a
part host/disk.txt df -h
part host/memory.txt cat /proc/meminfo
part host/addresses.txt ip addr
if has ss; then part host/sockets.txt ss -ltnp; fi
# of processes only those of engines and proxies: what others have in their command line is nobody's concern
part host/processes.txt sh -c "$ours"
part host/clock.txt date --iso-8601=ns
if has dmesg; then part host/dmesg.txt dmesg; fi
echo "==qcluster end"
"""


def bundle(state_dir: str, deployment: str, most: int) -> Fact[dict[str, str]]:
    """File name → text. `most` bytes of each file, its end."""
    return Fact(sh(SCRIPT, state_dir, deployment, str(most), timeout=600), parse)


def parse(outcome: Outcome) -> dict[str, str]:
    """What came is worth having also where the end is missing: then a file says so."""
    found = dict(_cut(outcome.out))
    if "end" not in found:
        if not found:
            raise UnreadableOutput("the host told nothing", outcome.err[-300:])
        found["INCOMPLETE.txt"] = f"The answer of this host is cut off (exit {outcome.exit}).\n{outcome.err[-2000:]}\n"
    found.pop("end", None)
    return found


def _cut(text: str) -> Iterator[tuple[str, str]]:
    name, body = "", list[str]()
    for line in text.split("\n"):
        if line.startswith(MARK):
            if name:
                yield name, "\n".join(body) + "\n"
            name, body = line.removeprefix(MARK).strip(), []
        elif line.startswith(" "):
            body.append(line[1:])
    if name:
        yield name, "\n".join(body) + "\n"
