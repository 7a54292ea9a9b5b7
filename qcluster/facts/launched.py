"""The scripts that a host's engines were started with: what runs, not what is planned."""

from __future__ import annotations

from collections.abc import Mapping

from qcluster.command import sh
from qcluster.errors import UnreadableOutput
from qcluster.facts.fact import Fact
from qcluster.result import Outcome

SCRIPT = r"""
# the deployment's folder, the container's name, the beginning of the digest that runs
case $1 in "<fact:home>"*) home=$HOME${1#"<fact:home>"} ;; *) home=$1 ;; esac
for file in "$home/$2/$3"-*/*.sh; do
  [ -r "$file" ] || continue
  name=${file##*/}
  echo "@${name%.sh}"
  sed 's/^/ /' "$file"
done
echo "@end"
"""


def launched(state_dir: str, container: str, digest: str) -> Fact[Mapping[str, str]]:
    """Instance → the text of its script; nothing where they are gone. The folder is named by `engine_container`."""
    return Fact(sh(SCRIPT, state_dir, container, digest.removeprefix("sha256:")[:12], timeout=30), parse)


def parse(outcome: Outcome) -> Mapping[str, str]:
    """A name stands behind `@`, a line of its script behind a space."""
    parts = [part.split("\n ") for part in outcome.out.removeprefix("@").split("\n@")]
    if parts[-1] != ["end\n"]:
        raise UnreadableOutput("the scripts of the engines are cut off", outcome.out[-300:] + outcome.err[-300:])
    return {name: "\n".join(lines) for name, *lines in parts[:-1]}
