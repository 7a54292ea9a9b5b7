"""The schema of this project's variables: types, traps, misspellings, each with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcluster.inventory import load
from qcluster.inventory.kinds import CONVERTERS, WrongValue
from qcluster.inventory.reference import about
from qcluster.inventory.settings import SETTINGS, convert, near_miss, validate
from qcluster.schema import did_you_mean

EXAMPLES = sorted((Path(__file__).parents[2] / "inventories").glob("*.y*ml"))


def problems(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "hosts.yaml"
    path.write_text(text, encoding="utf-8")
    return [str(problem).replace(f"{tmp_path}/", "") for problem in validate(load(path))]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_have_no_problem(path: Path) -> None:
    assert validate(load(path)) == []


def test_every_mistake_has_its_place_and_is_told_once(tmp_path: Path) -> None:
    text = """\
all:
  vars:
    kv_port: 10:00:00
    image_os: no
    hardware: a33
    weights_share: true
    my_own: 1
    ansible_user: no
  children:
    prefil:
      hosts:
        p1: {dp: eight, npus: [0, 0], port_base: 80}
        p2: {tp: "{{ nope }}", vllm_args: [1], dp: 010, api_key: 5}
"""
    assert problems(tmp_path, text) == [
        "hosts.yaml:3: all: kv_port: is not what it looks like "
        "(YAML reads 10:00:00 as a number in base 60; quote it: '10:00:00')",
        "hosts.yaml:4: all: image_os: is true or false, not a text; quote it (YAML reads no as false; quote it: 'no')",
        "hosts.yaml:5: all: hardware: is 'a33'; it takes a2, a3, a5, 310p, auto; did you mean 'a3'?",
        "hosts.yaml:6: all: weights_share: is not a variable of qcluster (did you mean 'weights_shared'?)",
        "hosts.yaml:10: prefil: is not a role (did you mean 'prefill'?)",
        "hosts.yaml:12: p1: dp: is 'eight', not a whole number",
        "hosts.yaml:12: p1: npus: names an NPU twice",
        "hosts.yaml:12: p1: port_base: is 80; it takes 1024 to 65535",
        "hosts.yaml:13: p2: dp: is not what it looks like (YAML reads 010 as octal; quote it or drop the leading zero)",
        "hosts.yaml:13: p2: tp: 'nope' is undefined",
        "hosts.yaml:13: p2: vllm_args: is a list, not a mapping",
    ]


def test_a_source_is_a_host_of_the_inventory(tmp_path: Path) -> None:
    text = "all: {vars: {image_source: from h, weights_source: from g}, hosts: {h: }}\n"
    assert problems(tmp_path, text) == ["hosts.yaml:1: all: weights_source: there is no host 'g' (hosts: h)"]


def test_an_image_that_is_loaded_has_a_file(tmp_path: Path) -> None:
    (missing,) = problems(tmp_path, "all: {vars: {image_source: load}, hosts: {h: }}\n")
    assert missing == "hosts.yaml:1: all: image_source: is 'load', which needs a file (load FILE, or image_file)"
    for form in ("image_source: load, image_file: /x.tar", "image_source: load /x.tar"):
        assert problems(tmp_path, f"all: {{vars: {{{form}}}, hosts: {{h: }}}}\n") == []


def test_a_manifest_that_weights_must_match_is_there(tmp_path: Path) -> None:
    text = "all: {vars: {weights_manifest: sums.txt}, hosts: {h: }}\n"
    (missing,) = problems(tmp_path, text)
    assert missing.startswith("hosts.yaml:1: all: weights_manifest: there is no file ") and "sums.txt" in missing
    (tmp_path / "sums.txt").write_text(f"{'0a' * 32}  config.json\n")
    assert problems(tmp_path, text) == []


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"# sums\nx config.json\n", ":2: not `SHA256 SIZE NAME`, nor a line of sha256sum: 'x config.json'"),
        (b"# sums\n", " lists no files; make it with"),
        (b"\xff\xfe", " is no text"),
    ],
)
def test_a_manifest_that_says_nothing_is_refused_before_any_host_is_asked(
    tmp_path: Path, content: bytes, what: str
) -> None:
    (tmp_path / "sums.txt").write_bytes(content)
    (refused,) = problems(tmp_path, "all: {vars: {weights_manifest: sums.txt}, hosts: {g: , h: }}\n")
    assert f"sums.txt{what}" in refused


def test_templates_are_rendered_before_they_are_judged(tmp_path: Path) -> None:
    text = "all: {vars: {n: 4, tp: '{{ n // 2 }}', dp: '{{ n }}x'}, hosts: {h: }}\n"
    assert problems(tmp_path, text) == ["hosts.yaml:1: all: dp: is '4x', not a whole number"]


def test_arguments_of_a_rank_are_left_for_the_rank(tmp_path: Path) -> None:
    assert problems(tmp_path, "all: {vars: {vllm_args: {port: '{{ port }}'}}, hosts: {h: }}\n") == []


@pytest.mark.parametrize(
    ("name", "value", "converted"),
    [
        ("tp", "4", 4),
        ("npus", 2, (0, 1)),
        ("npus", [3, "5"], (3, 5)),
        ("weights_shared", "yes", True),
        ("registries", ["a", "b"], ("a", "b")),
        ("model", {"weights": "x"}, {"weights": "x"}),
        ("release", None, ""),
        ("dp", None, None),
        ("weights_source", "", ""),
        ("weights_source", "rsync  store:/weights/ ", "rsync store:/weights/"),
        ("image_source", "from p1", "from p1"),
        ("image_source", "load", "load"),
        ("image_source", "load /data/image.tar.gz", "load /data/image.tar.gz"),
    ],
)
def test_values_become_what_the_variable_is(name: str, value: object, converted: object) -> None:
    assert convert(name, value) == converted


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tp", True),
        ("tp", 0),
        ("tp", 1.5),
        ("tp", 70000),
        ("npus", []),
        ("registries", "quay.io"),
        ("weights_shared", "maybe"),
        ("vllm_env", "A=1"),
        ("release", 0.23),
        ("container_runtime", "podman"),
        ("weights_source", "huggingfase"),
        ("weights_source", "rsync"),
        ("weights_source", "modelscope Org/Model"),
        ("image_source", "from"),
        ("image_source", "push"),
    ],
)
def test_other_values_are_refused(name: str, value: object) -> None:
    with pytest.raises(WrongValue):
        convert(name, value)


def test_the_table_is_whole() -> None:
    for name, setting in SETTINGS.items():
        assert setting.kind in CONVERTERS and setting.help and setting.group
        assert setting.level in ("host", "deployment")
        assert near_miss(name) == ""


@given(st.sampled_from(sorted(name for name in SETTINGS if len(name) > 5)), st.integers(0, 20))
def test_one_letter_missing_is_noticed(name: str, at: int) -> None:
    position = at % len(name)
    misspelt = name[:position] + name[position + 1 :]
    assert misspelt in SETTINGS or near_miss(misspelt) in SETTINGS
    assert did_you_mean(name, SETTINGS)


def test_one_line_says_what_a_variable_is() -> None:
    assert about("weights_shared") == (
        "weights_shared (true or false; default false; host): weights_dir is the same folder on every host"
    )
    assert all(SETTINGS[name].help in about(name) for name in SETTINGS)
