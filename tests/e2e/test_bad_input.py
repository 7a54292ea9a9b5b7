"""Bad input: exit 2, every mistake at once with file and line, and nothing touched. Unreachable hosts: exit 3."""

from __future__ import annotations

import pytest
from workplace import Workplace

GOOD = """\
all:
  vars:
    ansible_connection: lab
    model: Qwen3.5-27B-w8a8
    hardware: a3
    tp: 2
    dp: 2
    npus: 4
  children:
    prefill: {hosts: {p1: {}}}
    decode: {hosts: {d1: {}}}
"""


def line_of(text: str, word: str) -> int:
    return 1 + next(number for number, line in enumerate(text.splitlines()) if word in line)


CASES = {
    "not YAML": (GOOD.replace("  vars:", "  vars: ["), "", ("yaml",)),
    "a misspelt variable": (GOOD.replace("hardware: a3", "hardwere: a3"), "hardwere", ("hardware",)),
    "a misspelt model": (GOOD.replace("Qwen3.5-27B-w8a8", "Qwen3.5-27B-w8a"), "Qwen3.5-27B-w8a", ("Qwen3.5-27B-w8a8",)),
    "a key twice": (GOOD.replace("    tp: 2\n", "    tp: 2\n    tp: 4\n"), "tp: 4", ("tp",)),
    "too many NPUs for an A2": (
        GOOD.replace("a3", "a2").replace("npus: 4", "npus: 8").replace("dp: 2", "dp: 8"),
        "",
        ("8",),
    ),
    "an A3 image on A2": (
        GOOD.replace("hardware: a3", "hardware: a2\n    image: quay.io/ascend/vllm-ascend:v0.23.0-a3"),
        "image",
        ("-a3", "a2"),
    ),
    "Qwen3.6 with an image older than it": (
        GOOD.replace("Qwen3.5-27B-w8a8", "Qwen3.6-27B-w8a8\n    release: v0.17.0rc1"),
        "",
        ("v0.18.0rc1",),
    ),
    "prefill and decode apart with an image that cannot": (
        GOOD.replace("    tp: 2", "    release: v0.20.2rc1\n    tp: 2"),
        "",
        ("v0.21.0rc1",),
    ),
    "a host in two roles on the same NPUs": (GOOD.replace("{d1: {}}", "{p1: {}}"), "", ("p1",)),
}


COMMANDS = [(case, ("up", "--yes")) for case in CASES] + [
    ("a misspelt variable", (name,)) for name in ("plan", "check")
]


@pytest.mark.parametrize(("case", "command"), COMMANDS)
def test_bad_input_is_named_with_its_place_and_touches_nothing(
    place: Workplace, case: str, command: tuple[str, ...]
) -> None:
    text, where, words = CASES[case]
    inventory = place.write("bad.yaml", text)
    ran = place.run(*command, inventory)
    assert ran.exit == 2, ran.text
    if where:
        assert f"bad.yaml:{line_of(text, where)}" in ran.text
    assert all(word.lower() in ran.text.lower() for word in words), ran.text
    assert not (place.folder / "lab").exists()
    assert "Traceback" not in ran.text


def test_every_mistake_is_told_at_once(place: Workplace) -> None:
    text = GOOD.replace("hardware: a3", "hardwere: a3").replace("tp: 2", "tp: two").replace("dp: 2", "dp: -1")
    ran = place.run("up", place.write("bad.yaml", text))
    assert ran.exit == 2
    for word in ("hardwere", "tp: two", "dp: -1"):
        assert f"bad.yaml:{line_of(text, word)}" in ran.err, ran.err


def test_without_an_inventory_the_candidates_are_listed(place: Workplace) -> None:
    place.write("inventories/one.yaml", GOOD)
    place.write("inventories/two.yaml", GOOD)
    ran = place.run("status")
    assert ran.exit == 2
    assert "inventories/one.yaml" in ran.err
    assert "inventories/two.yaml" in ran.err


def test_an_unreachable_host_is_named_and_the_other_is_still_asked(place: Workplace) -> None:
    text = GOOD.replace(
        "{d1: {}}", "{d1: {ansible_connection: ssh, ansible_host: 127.0.0.1, ansible_port: 1, ip: 127.0.0.1}}"
    )
    inventory = place.write("half.yaml", text)
    ran = place.run("exec", "all", "-i", inventory, "--", "echo", "here")
    assert ran.exit == 3, ran.text
    assert "here" in ran.out
    assert "d1" in ran.text
    assert "refused" in ran.text.lower()
    up = place.run("up", inventory, "--yes")
    assert up.exit == 3, up.text
    place.run("lab", "stop", inventory)


def test_a_near_miss_of_a_command_is_told(place: Workplace) -> None:
    ran = place.run("stauts")
    assert ran.exit == 2
    assert "status" in ran.err
