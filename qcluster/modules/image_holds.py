"""An image holds what the plan needs: the release it is named after, and Mooncake where KV is transferred.

Looked at once an image (its id is kept in a stamp), inside a container without NPUs. Issue 6, Image.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from qcluster.command import Command, sh
from qcluster.errors import TaskFailed
from qcluster.modules.base import Call, Decision, Option, Spec
from qcluster.modules.streams import tail
from qcluster.result import Outcome

PROBE = """\
docker image inspect --format '{{.Id}}' "$1" 2>/dev/null || echo absent
cat "$2" 2>/dev/null
exit 0
"""

LOOK = r"""
stamp=$1 id=$2 mooncake=$3 release=$4 vllm=$5 image=$6; shift 6
said=$(docker run --rm "$@" "$image" bash -c '
  for file in /usr/local/Ascend/ascend-toolkit/set_env.sh /usr/local/Ascend/nnal/atb/set_env.sh; do
    [ ! -r "$file" ] || . "$file"
  done
  export LD_LIBRARY_PATH=/usr/local/Ascend/ascend-toolkit/latest/python/site-packages:/usr/local/lib:$LD_LIBRARY_PATH
  pip show vllm-ascend 2>/dev/null | sed -n "s/^Version: /version /p"
  pip show vllm 2>/dev/null | sed -n "s/^Version: /vllm /p"
  python3 -c "
try:
    import mooncake.engine
    print(\"mooncake yes\")
except ModuleNotFoundError:
    print(\"mooncake no\")
except Exception as error:
    print(\"mooncake broken:\", type(error).__name__, error)
"
  echo end
') || { echo "the image cannot be run: $said"; exit 1; }
case $said in *end) ;; *) echo "the look into the image was cut off: $said"; exit 1 ;; esac
case $said in *"mooncake no"*)
  if [ "$mooncake" = yes ]; then
    echo "the image has no Mooncake, so KV cannot be transferred: use an official image"
    exit 1
  fi ;;
*"mooncake broken"*)
  if [ "$mooncake" = yes ]; then
    printf '%s\n' "$said" | grep "mooncake broken"
    echo "so KV cannot be transferred: is the driver mounted? (image_check: false goes on without this look)"
    exit 1
  fi ;;
esac
inside=$(printf '%s\n' "$said" | sed -n 's/^vllm //p')
case $vllm:$inside in
  [0-9]*:[0-9]*) case $inside in
    "$vllm"*) ;;
    *) echo "the image holds vLLM $inside, $release is made for $vllm"; exit 1 ;;
  esac ;;
esac
version=$(printf '%s\n' "$said" | sed -n 's/^version //p')
case $release:$version in
  v[0-9]*:[0-9]*) case $version in
    "${release#v}"*) ;;
    *) echo "the image holds vllm-ascend $version, the plan is for $release"; exit 1 ;;
  esac ;;
esac
mkdir -p "$(dirname "$stamp")" && echo "$id" >"$stamp"
echo "$said"
"""


class ImageHolds:
    spec = Spec(
        {
            "name": Option("str", required=True, help="The image."),
            "release": Option("str", default="", help="The release of vllm-ascend that it must hold."),
            "mooncake": Option("bool", default=True, help="Whether it must hold Mooncake."),
            "mounts": Option("list", default=(), help="Pairs of host path and container path; the driver's are used."),
            "job_dir": Option("path", required=True, help="Folder for the stamp."),
        },
        help="The image holds the release and the libraries that the plan needs.",
    )

    def probe(self, call: Call) -> Command:
        return sh(PROBE, str(call.args["name"]), _stamp(call), timeout=60)

    def decide(self, call: Call, found: Outcome | None) -> Decision:
        assert found is not None
        lines = found.out.split()
        if not lines or lines[0] == "absent":
            return Decision(skipped="the image is not there yet")
        if lines[1:] == lines[:1]:
            return Decision()
        mooncake = "yes" if call.args["mooncake"] else "no"
        release = str(call.args["release"])
        words = (_stamp(call), lines[0], mooncake, release, _vllm(release), str(call.args["name"]))
        return Decision((sh(LOOK, *words, *_mounts(call), timeout=300),), changed=False, finish=_finish)


def _vllm(release: str) -> str:
    """The version of vLLM that a listed release is made for."""
    from qcluster.serving import catalogue

    return str(catalogue.releases()["releases"].get(release, {}).get("vllm", ""))


def _stamp(call: Call) -> str:
    return f"{call.args['job_dir']}/holds-{hashlib.sha256(str(call.args['name']).encode()).hexdigest()[:12]}"


def _mounts(call: Call) -> list[str]:
    """Mooncake's library wants the driver's."""
    driver = [pair for pair in call.args["mounts"] if str(pair[0]).startswith("/usr/local/Ascend/driver/lib64")]
    return [word for pair in driver for word in ("-v", f"{pair[0]}:{pair[1]}")]


def _finish(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    if not outcomes[-1].ok:
        raise TaskFailed(tail(outcomes[-1], 3))
    return {"holds": outcomes[-1].out.splitlines()[:-1]}


image_holds = ImageHolds()
