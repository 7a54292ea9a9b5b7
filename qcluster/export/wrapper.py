"""The shell that starts an engine where qcluster itself does not: a pod, a systemd unit.

What the entry script does on a host, in one line: CANN's settings are read, values that build on the image's own
environment are set, a library that is not there is not preloaded (as roles/engine does it).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

SETTINGS = ("/usr/local/Ascend/ascend-toolkit/set_env.sh", "/usr/local/Ascend/nnal/atb/set_env.sh")
PROXIES = tuple(form(f"{kind}_proxy") for form in (str.lower, str.upper) for kind in ("http", "https", "ftp", "all"))
"""One for the internet would also catch the requests between engines."""
SHELL = "/bin/bash"
_PLAIN = re.compile(r"[\w./+-]+")


def inherits(name: str, value: str) -> bool:
    """Whether a variable can only be set inside: it names another one, or is a library that may be missing."""
    return "$" in value or name == "LD_PRELOAD"


def script(env: Mapping[str, str], appended: str = "") -> str:
    """For `bash -c SCRIPT engine ARGV…`; `appended` are further words of the shell, after the arguments."""
    reads = f'for file in {" ".join(SETTINGS)}; do if [ -r "$file" ]; then . "$file"; fi; done'
    return "; ".join([reads, f"unset {' '.join(PROXIES)}", *_exports(env), f'exec "$@"{appended}'])


def _exports(env: Mapping[str, str]) -> Iterator[str]:
    for name, value in env.items():
        if inherits(name, value):
            escaped = re.sub(r'([\\"`])', r"\\\1", value)
            there = f"[ ! -e {value} ] || " if name == "LD_PRELOAD" and _PLAIN.fullmatch(value) else ""
            yield f'{there}export {name}="{escaped}"'
