"""Other users' privileges through a real sudo, with and without a password."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sshd_servers import PASSWORD

from qcluster.command import Become, Command, Put, sh
from qcluster.errors import BecomeFailed
from qcluster.secret import Secret
from qcluster.transport.base import OnOutput, Transport

pytestmark = pytest.mark.usefixtures("as_root")

Reach = Callable[..., Transport]
WITH_PASSWORD = Become(password=Secret(PASSWORD))


def _ignore(stream: str, chunk: bytes) -> None:
    return None


@pytest.fixture(params=["shell", "channel"])
def heard(request: pytest.FixtureRequest) -> OnOutput | None:
    """Both ways to run a command: a listener forces a channel of its own."""
    return _ignore if request.param == "channel" else None


def test_without_a_password(reach: Reach, heard: OnOutput | None) -> None:
    outcome = reach(ansible_user="free").run(Command(("id", "-un"), become=Become()), heard)
    assert (outcome.exit, outcome.out, outcome.err) == (0, "root\n", "")


def test_another_user(reach: Reach, heard: OnOutput | None) -> None:
    outcome = reach(ansible_user="free").run(sh('id -un; echo "$HOME"').with_(become=Become("plain")), heard)
    assert outcome.out.split()[0] == "plain"
    assert outcome.out.split()[1].endswith("/home/plain")


def test_with_a_password(reach: Reach, heard: OnOutput | None) -> None:
    transport = reach(ansible_user="asker")
    for data in (b"", b"stdin of the command\n", b"\0" * 200_000):
        command = Command(("sh", "-c", "id -un; cat"), stdin=data, become=WITH_PASSWORD)
        assert transport.run(command, heard).stdout == b"root\n" + data


def test_a_wrong_password(reach: Reach, heard: OnOutput | None) -> None:
    become = Become(password=Secret("verkehrt"))
    with pytest.raises(BecomeFailed, match="did not accept the password") as caught:
        reach(ansible_user="asker").run(Command(("id",), become=become), heard)
    assert "verkehrt" not in str(caught.value)


def test_a_password_that_is_not_there(reach: Reach, heard: OnOutput | None) -> None:
    with pytest.raises(BecomeFailed, match="password is required"):
        reach(ansible_user="asker").run(Command(("id",), become=Become()), heard)


def test_a_user_who_may_not(reach: Reach, heard: OnOutput | None) -> None:
    with pytest.raises(BecomeFailed):
        reach(ansible_user="plain").run(Command(("id",), become=WITH_PASSWORD), heard)


def test_a_password_that_nobody_asks_for_stays_here(reach: Reach, heard: OnOutput | None) -> None:
    command = Command(("cat",), stdin=b"mine\n", become=WITH_PASSWORD)
    outcome = reach(ansible_user="free").run(command, heard)
    assert (outcome.out, outcome.err) == ("mine\n", "")


def test_the_password_is_in_no_argument(reach: Reach, heard: OnOutput | None) -> None:
    command = sh("cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'").with_(
        become=WITH_PASSWORD
    )
    assert PASSWORD not in reach(ansible_user="asker").run(command, heard).out


def test_a_timeout_ends_what_root_runs(reach: Reach, heard: OnOutput | None) -> None:
    command = sh("sleep 4321.7; echo never", timeout=0.5).with_(become=Become())
    assert reach(ansible_user="free").run(command, heard).timed_out
    for _ in range(300):
        if subprocess.run(["pgrep", "-f", "^sleep 4321.7"], capture_output=True).returncode == 1:
            return
        time.sleep(0.05)
    pytest.fail("the sleep goes on")


def test_files_as_root(reach: Reach, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    target, transport = tmp_path / "f", reach(ansible_user="free", ansible_become=True)
    assert transport.put(Put(str(target), b"x", 0o600, become=Become())).ok
    assert (target.stat().st_uid, target.read_bytes()) == (0, b"x")
    assert transport.get(str(target), become=True) == b"x"


def test_users_do_not_share_a_shell(reach: Reach) -> None:
    transport = reach(ansible_user="free")
    names = [
        transport.run(Command(("id", "-un"), become=become)).out for become in (None, Become(), Become("plain"), None)
    ]
    assert names == ["free\n", "root\n", "plain\n", "free\n"]
