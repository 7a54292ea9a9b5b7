"""The planner's commands: what they print and how they end."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from qcluster.cli import main

ROOT = Path(__file__).parent.parent.parent
PLAN = json.loads((ROOT / "docs" / "schemas" / "plan.json").read_text(encoding="utf-8"))


class Done:
    """Exit code, stdout and stderr of one command."""

    def __init__(self, code: int, out: str, err: str):
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path):  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("QCLUSTER_INVENTORY", raising=False)

    def command(*words: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["qcluster", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return Done(int(ended.value.code or 0), captured.out, captured.err)

    return command


def example(name: str) -> str:
    return str(ROOT / f"inventories/{name}.yaml")


def test_plan_as_a_table_and_in_every_form(run) -> None:  # type: ignore[no-untyped-def]
    table = run("plan", example("1p1d"))
    assert (table.code, table.err) == (0, "")
    assert "d1-decode-7   10.0.0.2  14-15  7107  36214    1   2" in table.out
    document = json.loads(run("plan", example("1p1d"), "--json").out)
    jsonschema.validate(document, PLAN)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**document, "hosts": "p1"}, PLAN)
    assert len(document["instances"]) == 16 and document["instances"][0]["argv"][:2] == ["vllm", "serve"]
    assert {"deployment", "digest", "instances", "proxy", "ports", "notes"} <= set(document)
    assert yaml.safe_load(run("plan", example("1p1d"), "--yaml").out) == document
    assert "p1    36000-36015" in run("plan", example("1p1d"), "--ports").out
    explained = run("plan", example("1p1d"), "--explain").out
    assert "release shim flashcomm1-config" in explained and "issue #11863" in explained
    assert "removed by release shim async-scheduling-default" in explained


def test_plan_writes_scripts_and_a_picture(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    done = run("plan", example("2p1d"), "--bash", "scripts", "--svg", "plan.svg")
    assert (done.code, done.out) == (0, "")
    assert (tmp_path / "scripts/p2/run_dp_template.sh").exists() and (tmp_path / "scripts/p1/proxy.sh").exists()
    assert (tmp_path / "plan.svg").read_text().startswith("<svg")


def test_scripts_without_the_key_are_told_as_such(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    text = Path(example("1p1d")).read_text().replace("hardware: a3", "hardware: a3\n    api_key: sk-canary")
    (tmp_path / "i.yaml").write_text(text)
    done = run("plan", "i.yaml", "--bash", "scripts")
    assert done.code == 0 and "VLLM_API_KEY" in done.err and "OPENAI_API_KEY" in done.err
    assert not [path for path in (tmp_path / "scripts").rglob("*.sh") if "sk-canary" in path.read_text()]
    assert "API_KEY" not in run("plan", example("1p1d"), "--bash", "others").err


def test_many_hosts_that_are_alike_share_their_lines(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    host = '{ansible_host: "10.3.0.{{ inventory_hostname[1:] | int }}"}'
    groups = f"prefill: {{hosts: {{'p[01:20]': {host}}}}}, decode: {{hosts: {{'d[31:32]': {host}}}}}"
    shape = "ansible_user: root, model: Qwen3.5-27B-w8a8, hardware: a3, tp: 2, dp: 8"
    (tmp_path / "i.yaml").write_text(f"all: {{vars: {{{shape}}}, children: {{{groups}}}}}\n")
    rows = [line.split() for line in run("plan", "i.yaml", "--ports").out.splitlines()]
    assert ["p[02:20]", "7100-7107", "host", "api", "*-prefill-*"] in rows
    assert ["p01", "1999", "host", "proxy", "proxy"] in rows and [
        "d32",
        "7100-7107",
        "host",
        "api",
        "d32-decode-*",
    ] in rows
    assert len(rows) == 1 + 6 + 5 + 2 * 5
    told = run("plan", "i.yaml").out
    assert "instances  160 prefill (20 hosts, 320 NPUs), 16 decode (2 hosts, 32 NPUs)" in told


def test_bad_input_ends_with_2_and_says_where(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    text = Path(example("1p1d")).read_text().replace("dp: 8", "dp: 9").replace("model:", "modle:")
    (tmp_path / "bad.yaml").write_text(text)
    done = run("plan", "bad.yaml")
    assert done.code == 2 and done.out == ""
    assert "bad.yaml:6: all: modle: is not a variable of qcluster (did you mean 'model'?)" in done.err
    assert "needs 18 NPUs, a3 has 16" in done.err


def test_lint_refuses_unless_told(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "old.yaml"
    path.write_text(Path(example("1p1d")).read_text().replace("hardware: a3", "hardware: a3\n    release: v0.20.2rc1"))
    refused = run("plan", str(path))
    assert refused.code == 2 and "QC101" in refused.err
    assert run("plan", str(path), "--no-lint").code == 0


def test_a_refused_plan_is_compared_when_told(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "i.yaml"
    away = "{ansible_host: 127.0.0.1, ansible_port: 1, ansible_user: root, hardware: a3, dcp: 3}"
    path.write_text(f"all:\n  children:\n    standalone:\n      hosts:\n        s1: {away}\n")
    refused = run("plan", str(path), "--diff")
    assert refused.code == 2 and "QC412" in refused.err and refused.out == ""
    compared = run("plan", str(path), "--diff", "--no-lint")
    assert compared.code == 3 and "the host was not reached" in compared.out and "QC412" not in compared.err


def test_check(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    clean = run("check", example("1p1d"))
    assert clean.code == 0 and "0 errors, 0 warnings" in clean.out
    path = tmp_path / "risky.yaml"
    path.write_text(Path(example("1p1d")).read_text().replace("hardware: a3", "hardware: a3\n    kv_port: 30000"))
    risky, strict = run("check", str(path)), run("check", str(path), "--strict")
    assert (risky.code, strict.code) == (0, 2) and "QC303" in risky.out
    assert {"rule", "severity", "file", "line", "what"} <= set(json.loads(run("check", str(path), "--json").out)[0])


def test_check_compares_inventories(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    both = run("check", example("1p1d"), example("single-a3"))
    assert both.code == 2 and both.out.splitlines()[-1] == "1 error, 1 warning, 2 remarks"
    last = both.out.splitlines()[-2]
    assert last.startswith("error    QC416") and "single-a3.yaml:11" in last and "1p1d.yaml" in last
    (tmp_path / "bad.yaml").write_text("all: {vars: {hardware: a3}}")
    mixed = run("check", "bad.yaml", example("single-a3"))
    assert mixed.code == 2 and "bad.yaml:1: no host serves" in mixed.out and "QC304" in mixed.out


def test_check_knows_what_was_started_from_here(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    def ran(name: str, verb: str, code: int | None) -> None:
        folder = tmp_path / ".qcluster/runs" / f"{name}-{verb}"
        folder.mkdir(parents=True)
        (folder / "plan.json").write_text(run("plan", example("1p1d"), "--json").out)
        (folder / "run.json").write_text(json.dumps({"verb": verb, "exit": code}))

    ran("20260101-000000", "up", None)
    told = run("check", example("single-a3")).out
    assert "QC309" in told and ".qcluster/runs/20260101-000000-up" in told
    planned = run("plan", example("single-a3"))
    assert planned.code == 0 and planned.err.startswith("warning: QC309") and "QC" not in planned.out
    assert "QC309" not in run("check", example("1p1d")).out
    cut_off = tmp_path / ".qcluster/runs/20260101-000000.2-down"
    cut_off.mkdir()
    (cut_off / "run.json").write_text('{"verb": "do')
    assert "QC309" in run("check", example("single-a3")).out
    ran("20260101-000001", "down", 0)
    assert "QC309" not in run("check", example("single-a3")).out


def test_rules(run) -> None:  # type: ignore[no-untyped-def]
    assert len(run("rules").out.splitlines()) > 40
    assert run("rules", "QC303").out.splitlines()[1].startswith("QC303")
    assert run("rules", "QC999").code == 2


def test_recipes(run) -> None:  # type: ignore[no-untyped-def]
    assert "Qwen3.6-27B-w8a8" in run("recipes").out
    assert "presets:" in run("recipes", "show", "Qwen3.6-27B-w8a8").out
    meant = run("recipes", "Qwen3.6-27B-w8a8")
    assert meant.code == 2 and "qcluster recipes show Qwen3.6-27B-w8a8" in meant.err
    unknown = run("recipes", "show", "Qwen3.6-27B-w8a9")
    assert unknown.code == 2 and "did you mean" in unknown.err


def test_init_writes_nothing_that_cannot_be_planned(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    words = ("--hardware", "a3", "--user", "root")
    model = run("init", "mine.yaml", "--standalone", "10.0.0.1", "--model", "Qwen3.5-27B-w8a9", *words)
    assert (
        model.code == 2 and "there is no recipe for 'Qwen3.5-27B-w8a9' (did you mean 'Qwen3.5-27B-w8a8'?)" in model.err
    )
    half = run("init", "mine.yaml", "--prefill", "10.0.0.1", "--model", "Qwen3.5-27B-w8a8", *words)
    assert half.code == 2 and "decode has none" in half.err
    assert not (tmp_path / "mine.yaml").exists()


@pytest.mark.parametrize("address", ["a b", "10.0.0.300", "-x", "a..b", "h=", "10.0.0"])
def test_init_refuses_what_is_no_address(run, tmp_path: Path, address: str) -> None:  # type: ignore[no-untyped-def]
    words = ("--model", "Qwen3.5-27B-w8a8", "--hardware", "a3", "--user", "root")
    done = run("init", "mine.yaml", "--standalone", address, *words)
    assert done.code == 2 and "neither an IP address nor a host's name" in done.err
    assert not (tmp_path / "mine.yaml").exists()


@pytest.mark.parametrize("address", ["10.0.0.1", "fd00::1", "node-1.lan", "a3"])
def test_init_takes_addresses_and_names(run, address: str) -> None:  # type: ignore[no-untyped-def]
    words = ("--model", "Qwen3.5-27B-w8a8", "--hardware", "a3", "--user", "root")
    assert run("init", "mine.yaml", "--standalone", address, *words).code == 0
    assert run("inventory", "show", "s1", "-i", "mine.yaml").out.count(address) >= 1


def test_init_without_a_terminal_names_the_option(run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    nothing = run("init", "mine.yaml")
    wanted = "--prefill and --decode (or --standalone), --model, --hardware, --user"
    assert (nothing.code, nothing.out) == (2, "")
    assert nothing.err == f"qcluster: there is no terminal to ask for {wanted}: give them as options\n"
    assert not (tmp_path / "mine.yaml").exists()
    monkeypatch.setattr(sys, "stdin", io.StringIO("10.0.0.1\n\n"))
    assert "to ask for --decode, --model," in run("init", "mine.yaml").err
    monkeypatch.setattr(sys, "stdin", io.StringIO("Qwen3.5-27B\n"))
    assert "to ask for --hardware: give" in run("init", "mine.yaml", "--standalone", "h1", "--user", "root").err
    monkeypatch.setattr(sys, "stdin", io.StringIO("10.0.0.1\n10.0.0.2\n\n\n\n"))
    assert run("init", "mine.yaml").code == 0 and "d1-decode-7" in run("plan", "mine.yaml").out


def test_plan_verbose_shows_every_word(run) -> None:  # type: ignore[no-untyped-def]
    told = run("plan", example("single-a2"), "-v").out
    document = json.loads(run("plan", example("single-a2"), "--json").out)
    jsonschema.validate(document, PLAN)
    (one,) = document["instances"]
    assert [word for word in one["argv"] if word not in told] == []
    assert [f"{name}={value}" for name, value in one["env"].items() if f"  {name}={value}\n" not in told] == []


def test_init_writes_what_plan_reads(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    words = ("--prefill", "10.0.0.1", "--prefill", "second=10.0.0.2", "--decode", "10.0.0.3")
    settings = ("--model", "Qwen3.6-27B-w8a8", "--hardware", "a3", "--user", "ops", "--tp", "4")
    done = run("init", "mine.yaml", *words, *settings)
    assert done.code == 0 and "12 engines on 3 hosts" in done.err
    assert "second-prefill-3" in run("plan", "mine.yaml").out
    assert run("init", "mine.yaml", *words, *settings).code == 2


def test_init_takes_a_model_without_a_recipe(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    words = ("--prefill", "10.0.0.1", "--decode", "10.0.0.2", "--hardware", "a3", "--user", "root", "--tp", "8")
    done = run("init", "new/one.yaml", *words, "--model", "Some/Model-9B", "--shape", "moe")
    assert done.code == 0 and "made the folder new" in done.err
    (advice,) = (line for line in done.err.splitlines() if "qcluster advise" in line)
    told = advice.replace(" GB", " 30").replace(" BYTES", " 65536").split()
    assert run(*told[1:]).code == 0, "what is told can be run"
    document = json.loads(run("plan", "new/one.yaml", "--json").out)
    assert document["model"]["served_name"] == "Model-9B" and document["model"]["moe"]
    assert "--shape" in run("init", "x.yaml", *words, "--model", "Some/Model-9B", "--shape", "round").err


@pytest.mark.parametrize("words", ["plan s1.yaml --svg", "plan s1.yaml --bash", "init"])
def test_a_place_that_cannot_be_written_is_one_message(run, tmp_path: Path, words: str) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "s1.yaml").write_text(Path(example("single-a3")).read_text())
    (tmp_path / "taken").write_text("a file, where a folder is wanted")
    told = ("--standalone", "10.0.0.1", "--model", "Qwen3.5-27B", "--hardware", "a3", "--user", "root")
    done = run(*words.split(), "taken/here", *(told if words == "init" else ()))
    assert (done.code, done.out) == (2, "") and done.err.startswith("qcluster: taken/here"), done.err
    assert "cannot be written" in done.err and done.err.count("\n") == 1


def test_advise(run) -> None:  # type: ignore[no-untyped-def]
    done = run("advise", "--npus", "16", "--concurrency", "500", "--context", "32768")
    assert done.code == 0 and "preset: high-throughput" in done.out and "2 hosts" in done.out
    assert run("advise", "--context", "300000").code == 2
    unknown = run("advise", "--model", "nothing")
    assert unknown.code == 2 and "known: Qwen3.5-27B" in unknown.err and "--weights-gb" in unknown.err


@pytest.mark.parametrize(
    "words",
    [
        "--model Qwen3.5-27B --hardware a2 --context 200000 --concurrency 5",
        "--model Qwen3.5-27B-w8a8 --context 200000 --concurrency 5",
        "--npus 16 --concurrency 64",
        "--npus 8 --concurrency 64",
        "--model o/dense --weights-gb 60 --kv-bytes 65536 --concurrency 4",
        "--model o/moe --weights-gb 240 --shape moe --kv-bytes 190000 --context 16384",
    ],
)
def test_what_is_advised_is_an_inventory_that_serves_so_long_requests(run, tmp_path: Path, words: str) -> None:  # type: ignore[no-untyped-def]
    told = run("advise", *words.split())
    variables = yaml.safe_load(told.out.rpartition("\n\n")[2])
    hosts = {"s1": {"ansible_host": "10.0.0.1"}}
    (tmp_path / "advised.yaml").write_text(
        yaml.safe_dump({"all": {"vars": variables, "children": {"standalone": {"hosts": hosts}}}})
    )
    made = run("plan", "advised.yaml", "--json")
    assert made.code == 0, told.out + made.err
    argv = json.loads(made.out)["instances"][0]["argv"]
    context = int(words.split()[words.split().index("--context") + 1]) if "--context" in words else 32768
    assert int(argv[argv.index("--max-model-len") + 1]) >= context


def test_advise_refuses_more_npus_than_a_host_has(run) -> None:  # type: ignore[no-untyped-def]
    done = run("advise", "--npus", "64")
    assert (done.code, done.out) == (2, "") and "a3 has 16" in done.err


def test_advise_spreads_experts(run) -> None:  # type: ignore[no-untyped-def]
    words = ("--model", "o/Qwen3-235B-A22B-W8A8", "--weights-gb", "235", "--shape", "moe", "--hardware", "a2")
    told = run("advise", *words, "--experts-gb", "225").out
    assert "10 GB / tp 1 + 225 GB of experts / 8 NPUs = 38.1 GB on each NPU" in told and "dp: 8" in told
    large = run("advise", *words[:3], "700", *words[4:])
    assert (
        large.code == 0 and "2 standalone hosts carry one group" in large.out and "enable-expert-parallel" in large.out
    )


@pytest.mark.parametrize(
    ("asked", "told"), [(("--json", "--yaml"), "--json and --yaml"), (("--ports", "--diff"), "--ports and --diff")]
)
def test_two_forms_of_a_plan_are_refused(run, asked: tuple[str, ...], told: str) -> None:  # type: ignore[no-untyped-def]
    done = run("plan", example("1p1d"), *asked)
    assert done.code == 2 and done.out == ""
    assert f"{told} are different forms: take one" in done.err


def test_an_extra_variable_without_a_name_says_what_names_are(run) -> None:  # type: ignore[no-untyped-def]
    done = run("plan", example("1p1d"), "-e", "a.b=1")
    assert done.code == 2 and "'a.b=1' is not name=value (a name is letters, digits and _" in done.err


def test_docs_fits_a_terminal_and_knows_commands(run) -> None:  # type: ignore[no-untyped-def]
    listed = run("docs").out
    assert max(map(len, listed.splitlines())) <= 100
    assert "commands:\n  up, down, status" in listed and "QC304" in listed
    assert "qcluster up (a command): Bring a deployment up" in run("docs", "up").out
