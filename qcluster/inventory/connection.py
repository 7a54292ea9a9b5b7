"""The `ansible_*` variables of a connection that are understood: name, other spellings, meaning.

The reference in docs/ is made from it; a test holds it against what `transport.settings` reads (issue 7).
"""

from __future__ import annotations

from typing import NamedTuple


class Word(NamedTuple):
    """One variable. `aliases` are other spellings; the first name that is set counts."""

    name: str
    meaning: str
    aliases: tuple[str, ...] = ()


CONNECTION = (
    Word("ansible_host", "address or name to connect to; default: the host's name", ("ansible_ssh_host",)),
    Word("ansible_port", "port of sshd; default: ssh_config's, else 22", ("ansible_ssh_port",)),
    Word("ansible_user", "user to log in as; default: ssh_config's, else yours", ("ansible_ssh_user",)),
    Word("ansible_password", "password; use !vault", ("ansible_ssh_password", "ansible_ssh_pass")),
    Word("ansible_private_key_file", "key to log in with", ("ansible_ssh_private_key_file",)),
    Word(
        "ansible_private_key_passphrase", "passphrase of that key; use !vault", ("ansible_ssh_private_key_passphrase",)
    ),
    Word("ansible_host_key_checking", "false also accepts hosts never seen before", ("ansible_ssh_host_key_checking",)),
    Word("ansible_timeout", "seconds that connecting may take", ("ansible_ssh_timeout",)),
    Word(
        "ansible_ssh_common_args",
        "options of OpenSSH: -o with ProxyJump, UserKnownHostsFile, StrictHostKeyChecking, ConnectTimeout, "
        "IdentityFile, Port, ServerAliveInterval and ServerAliveCountMax (a host that says nothing for 10 s is asked, "
        "and given up after 3 questions without an answer), and -J, -i, -p; what shares connections changes "
        "nothing, another one is an error; those of all three variables hold together",
        ("ansible_ssh_args", "ansible_ssh_extra_args"),
    ),
    Word("ansible_connection", "`ssh`, `local` (this machine) or `lab` (a simulated host)"),
    Word("ansible_become", "act through sudo"),
    Word("ansible_become_user", "as whom; default: root"),
    Word("ansible_become_method", "only sudo"),
    Word("ansible_become_flags", "options for sudo"),
    Word(
        "ansible_become_password",
        "password that sudo asks for; use !vault",
        ("ansible_become_pass", "ansible_sudo_pass"),
    ),
)
