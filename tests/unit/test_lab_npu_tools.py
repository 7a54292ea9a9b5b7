"""The simulated npu-smi and hccn_tool say what the real ones say, and this project's own parsers read it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_site import LabSite, make

from qcluster.command import Command
from qcluster.facts import npu
from qcluster.lab.furnish import sweep
from qcluster.lab.layout import LabHost
from qcluster.result import Outcome

A3, A2 = LabHost("a3", ""), LabHost("a2", "", hardware="a2")
PEER, NEW = LabHost("peer", ""), LabHost("new", "", software="26.0.rc2")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabSite]:
    made = make(tmp_path_factory.mktemp("npu") / "lab", (A3, A2, PEER, NEW))
    yield made
    made.close()


@pytest.fixture
def site(shared: LabSite) -> Iterator[LabSite]:
    yield shared
    shared.mend()


def hccn(site: LabSite, host: str, *words: str) -> tuple[int, str, str]:
    done = site.run(host, "hccn_tool", *words)
    return done.returncode, done.stdout, done.stderr


def table(site: LabSite, host: str) -> npu.NpuTable:
    text = site.out(host, "npu-smi", "info")
    return npu.parse_info(Outcome(Command(("npu-smi", "info")), 0, text.encode()))


def test_the_a3_table_has_the_documented_lines(site: LabSite) -> None:
    lines = site.out("a3", "npu-smi", "info").splitlines()
    assert {len(line) for line in lines} == {98}
    assert lines[1].startswith("| npu-smi 25.5.1                   Version: 25.5.1 ")
    assert (
        lines[4] == "| Chip  Phy-ID              | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |"
    )
    assert (
        lines[7] == "| 0     0                   | 0000:9D:00.0  | 0           0    / 0          3403 / 65536         |"
    )
    assert "| 7     Ascend910           | OK            | -           37                0    / 0             |" in lines
    assert lines[-2] == f"| {'No running processes found in NPU 7':94} |"


def test_the_a2_table_has_no_phy_id(site: LabSite) -> None:
    lines = site.out("a2", "npu-smi", "info").splitlines()
    assert (
        lines[4] == "| Chip                      | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |"
    )
    assert (
        lines[7] == "| 0                         | 0000:C1:00.0  | 0           0    / 0          3440 / 65536         |"
    )


def test_the_26_table_is_wider(site: LabSite) -> None:
    lines = site.out("new", "npu-smi", "info").splitlines()
    assert {len(line) for line in lines} == {116}
    first = "| 0     0                   | 0000:9D:00.0  | 0                    0    / 0                "
    assert lines[7] == first + "3403 / 65536            |"


@pytest.mark.parametrize(("host", "count", "hardware"), [("a3", 16, "a3"), ("a2", 8, "a2"), ("new", 16, "a3")])
def test_the_products_parser_reads_the_table(site: LabSite, host: str, count: int, hardware: str) -> None:
    read = table(site, host)
    assert (len(read.npus), read.hardware) == (count, hardware)
    assert sorted(read.by_physical) == list(range(count))
    assert not any(npu.busy(one) for one in read.npus)


@pytest.mark.parametrize("host", ["a3", "a2", "new"])
def test_a_leftover_process_shows_in_both_tables(site: LabSite, host: str) -> None:
    site.fault("npu-busy", host, "5")
    busy = [one.physical_id for one in table(site, host).npus if npu.busy(one)]
    assert busy == [5]
    assert {len(line) for line in site.out(host, "npu-smi", "info").splitlines()} == {116 if host == "new" else 98}


def test_the_other_questions(site: LabSite) -> None:
    assert site.out("a3", "npu-smi", "info", "-l").startswith("\tTotal Count                    : 8\n\n\tNPU ID ")
    spod = site.out("a3", "npu-smi", "info", "-t", "spod-info", "-i", "1", "-c", "1")
    assert spod.splitlines()[1:] == [
        "\tSuper Pod Size                 : 384",
        "\tSuper Pod ID                   : 0",
        "\tServer Index                   : 0",
    ]
    health = site.out("a3", "npu-smi", "info", "-t", "health", "-i", "0", "-c", "0")
    assert health.splitlines()[0] == "\tHealth Status                  : OK"
    chip = site.out("a2", "npu-smi", "info", "-t", "board", "-i", "0", "-c", "0")
    assert "\tChip Name                      : 910B3" in chip


def test_what_a2_does_not_have_is_refused(site: LabSite) -> None:
    done = site.run("a2", "npu-smi", "info", "-t", "spod-info", "-i", "0")
    assert (done.returncode, done.stdout) == (1, "This device does not support querying spod-info.\n")
    assert hccn(site, "a2", "-i", "0", "-vnic", "-g")[0] == 13
    assert hccn(site, "a2", "-i", "0", "-hccs_ping", "-g", "address", "1.2.3.4")[0] == 13
    assert hccn(site, "a3", "-i", "16", "-link", "-g") == (4, "", "The device is not exist!\n")


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("link", "link status: UP\n"),
        ("net_health", "net health status: Success\n"),
        ("netdetect", "netdetect addr: 11.12.0.1\n"),
        ("gateway", "default gateway:11.12.0.1, Iface:eth3\n"),
        ("ip", "ipaddr:11.12.165.83\nnetmask:255.255.0.0\n"),
        ("vnic", "vnic link status: UP\nvnic ipaddr: 192.168.2.202\nvnic netmask: 255.255.255.0\n"),
    ],
)
def test_hccn_tool_answers_as_documented(site: LabSite, what: str, said: str) -> None:
    assert hccn(site, "a3", "-i", "3", f"-{what}", "-g") == (0, said, "")


def test_lldp_and_tls(site: LabSite) -> None:
    assert "\tIfname: 400GE1/1/4:1\n" in hccn(site, "a3", "-i", "3", "-lldp", "-g")[1]
    assert hccn(site, "a3", "-i", "3", "-tls", "-g")[1].startswith("dev_id:3, tls switch[0](0:disable, 1:enable), ")


def test_ping_as_documented(site: LabSite) -> None:
    code, said, _ = hccn(site, "a2", "-i", "0", "-ping", "-g", "address", "11.12.167.80")
    lines = said.splitlines()
    assert (code, lines[0], lines[-1]) == (
        0,
        "device 0 PING 11.12.167.80",
        "3 packets transmitted, 3 received, 0.00% packet loss",
    )
    assert lines[1].startswith("recv seq=0,time=0.") and lines[1].endswith("ms")


def test_hccs_ping_as_documented(site: LabSite) -> None:
    code, said, _ = hccn(site, "a3", "-i", "0", "-hccs_ping", "-g", "address", "192.168.4.199", "cnt", "1")
    lines = said.splitlines()
    assert (code, lines[0], lines[1], lines[2]) == (0, "device 0 PING 192.168.4.199", "", "This pkt ping success!")
    assert lines[4] == "1 packets transmitted, 1 received, 0.00% packets loss"


def test_an_address_that_nobody_has(site: LabSite) -> None:
    code, said, _ = hccn(site, "a3", "-i", "0", "-ping", "-g", "address", "11.12.9.9")
    assert code != 0 and said.endswith("Destination Host Unreachable\n")


PING = ("-hccs_ping", "-g", "address", "192.168.4.204", "cnt", "3")
DRILLS = [
    (("npu-source", "a3", "3"), ("-i", "3", *PING), "3 packets transmitted, 0 received, 100.00% packets loss"),
    (("npu-target", "peer", "5"), ("-i", "3", *PING), "0 received"),
    (("host-pair", "a3", "peer"), ("-i", "3", *PING), "0 received"),
    (("host-fabric", "peer"), ("-i", "3", *PING), "0 received"),
    (("plane", "hccs"), ("-i", "3", *PING), "0 received"),
    (("loss", "peer", "5"), ("-i", "3", *PING), "3 packets transmitted, 2 received, 33.33% packets loss"),
    (("link-down", "a3", "3"), ("-i", "3", "-link", "-g"), "link status: DOWN\n"),
    (("net-health", "a3", "3", "Init"), ("-i", "3", "-net_health", "-g"), "net health status: Init\n"),
    (("tls-off", "a3"), ("-i", "3", "-tls", "-g"), "tls switch[1]"),
    (("vnic-missing", "a3", "3"), ("-i", "3", "-vnic", "-g"), "vnic link status: DOWN\n"),
    (("duplicate-ip", "a3", "3", "peer:4"), ("-i", "3", "-vnic", "-g"), "vnic ipaddr: 192.168.4.203\n"),
    (("ip-missing", "a3", "3"), ("-i", "3", "-ip", "-g"), "Get ipconf failed, because no ip was preset there!"),
    (("gateway-missing", "a3", "3"), ("-i", "3", "-gateway", "-g"), "no gateway was preset"),
    (("busy", "a3"), ("-i", "3", "-link", "-g"), "hccn_tool is busy, please try again."),
    (("permission", "a3"), ("-i", "3", "-tls", "-g"), "permission denied: pls check this cmd run permission."),
    (("superpod-wrong", "a3", "7"), (), "Super Pod ID                   : 7"),
]


@pytest.mark.parametrize(("drill", "ask", "said"), DRILLS, ids=lambda value: str(value[0]) if value else "")
def test_a_fault_shows_where_it_should_and_is_mended(
    site: LabSite, drill: tuple[str, ...], ask: tuple[str, ...], said: str
) -> None:
    words = ("hccn_tool", *ask) if ask else ("npu-smi", "info", "-t", "spod-info", "-i", "0", "-c", "0")
    before = site.run("a3", *words)
    site.fault(*drill)
    broken = site.run("a3", *words)
    assert said in broken.stdout + broken.stderr
    assert said not in before.stdout + before.stderr
    site.mend()
    after = site.run("a3", *words)
    assert (after.returncode, after.stdout) == (before.returncode, before.stdout)


def test_busy_may_end_after_some_calls(site: LabSite) -> None:
    site.fault("busy", "a3", "2")
    codes = [hccn(site, "a3", "-i", "0", "-link", "-g")[0] for _ in range(3)]
    assert codes == [11, 11, 0]


def test_two_at_once_are_refused(site: LabSite) -> None:
    site.fault("slow-fabric", "a3", "2")
    first = "hccn_tool -i 0 -hccs_ping -g address 192.168.4.199 cnt 1 >/dev/null"
    both = f"{first} & sleep 0.3; hccn_tool -i 1 -link -g; echo $?"
    done = site.run("a3", "sh", "-c", both)
    assert (done.stdout, done.stderr) == ("11\n", "hccn_tool is busy, please try again.\n")


def test_cut_output(site: LabSite) -> None:
    site.fault("truncated", "a3")
    assert hccn(site, "a3", "-i", "0", "-link", "-g")[1] == "link status:"
    site.fault("truncated", "a3", "script")
    done = site.run("a3", "sh", "-c", "hccn_tool -i 0 -link -g; echo end")
    assert "end" not in done.stdout and done.returncode < 0


def test_files_follow_their_faults(site: LabSite) -> None:
    conf = site.lab.root("a3") / "etc/hccn.conf"
    fresh = conf.read_text()
    site.fault("hccn-conf-stale", "a3", "7")
    changed = [line for line in conf.read_text().splitlines() if line not in fresh.splitlines()]
    assert changed == ["address_7=11.12.165.233"]
    site.fault("hccn-conf-missing", "a3")
    assert not conf.exists()
    site.fault("tool-missing", "a3")
    assert not (site.lab.root("a3") / "bin/hccn_tool").is_symlink()
    site.mend()
    assert conf.read_text() == fresh
    assert (site.lab.root("a3") / "bin/hccn_tool").exists()


def test_a_process_that_got_the_number_of_a_dead_one_holds_nothing(site: LabSite) -> None:
    held = site.lab.root("a3") / "lab/use/2/1"
    began = Path("/proc/1/stat").read_text().rpartition(") ")[2].split()[19]
    for ticks, busy in ((began, [2]), ("1" + began, [])):
        held.write_text(f"VLLMWorker_TP 58000 {ticks}\n")
        assert [one.physical_id for one in table(site, "a3").npus if npu.busy(one)] == busy
    held.unlink()


def test_what_dead_processes_held_is_forgotten(site: LabSite) -> None:
    held = site.lab.root("a3") / "lab/use/2/1"
    held.write_text("VLLMWorker_TP 58000\n")
    assert [one.physical_id for one in table(site, "a3").npus if npu.busy(one)] == [2]
    sweep(site.lab)
    assert not held.exists()
