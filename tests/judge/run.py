"""`make judge`: every command line of every example inventory before the real vLLM's parser and configuration code.

    python tests/judge/run.py [FOLDER] [--only VERSION] [--write-flags]

FOLDER (default ~/.cache/qcluster-judge) is where vLLM's code is installed, outside the repository. Exit 1 on any
command line that is refused or abbreviated, and where the table in tests/cases/vllm_argv, or the flags that
`qcluster check` knows (qcluster/recipes/flags.yaml), are not vLLM's. `--write-flags` writes the latter anew.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import install
import tiny
import yaml

from qcluster.errors import InputError
from qcluster.evaluate import commands
from qcluster.evaluate.model import Request, Workload
from qcluster.evaluate.points import Rates, loads, offline, subject
from qcluster.inventory import load
from qcluster.serving import make_plan
from qcluster.serving.plan import Plan

ROOT = Path(__file__).resolve().parent.parent.parent
FLAGS = ROOT / "qcluster/recipes/flags.yaml"
HEAD = """\
# The flags of `vllm serve` by version, read from the real parsers (tests/judge, --write-flags).
"""
EXAMPLES = ("inventories", "tests/cases/tutorials")
RELEASES = {
    "0.18.0": "v0.18.0",
    "0.21.0": "v0.21.0rc1",
    "0.22.1": "v0.22.1rc1",
    "0.23.0": "v0.23.0",
    "0.27.1": "main",
}
"""vLLM's version → the vllm-ascend release that has it."""


def main() -> int:
    """Install, judge with each version, report."""
    options = argparse.ArgumentParser()
    options.add_argument("folder", nargs="?", default="~/.cache/qcluster-judge", type=Path)
    options.add_argument("--only", choices=sorted(RELEASES), action="append")
    options.add_argument("--write-flags", action="store_true")
    chosen = options.parse_args()
    folder = chosen.folder.expanduser()
    install.main(folder)
    flags: dict[str, list[str]] = {}
    wrong = [line for version in chosen.only or RELEASES for line in judged(folder, version, flags)]
    if chosen.write_flags:
        FLAGS.write_text(flags_file(flags), encoding="utf-8")
    else:
        wrong += unknown(flags)
    print("\n".join(wrong) if wrong else "every command line is accepted, and the table agrees")
    return 1 if wrong else 0


def flags_file(flags: Mapping[str, Sequence[str]]) -> str:
    """YAML: the flags of all versions, and those that only some have, with these versions."""
    versions = sorted(flags, key=number)
    every = sorted(set.intersection(*map(set, flags.values())))
    some = sorted(set().union(*flags.values()) - set(every))
    lines = textwrap.wrap(" ".join(every), 110, break_on_hyphens=False, break_long_words=False)
    had = [f"  {name}: [{', '.join(version for version in versions if name in flags[version])}]" for name in some]
    parts = [f"versions: [{', '.join(versions)}]", "always: >-", *(f"  {line}" for line in lines), "some:", *had]
    return HEAD + "\n".join(parts) + "\n"


def unknown(flags: Mapping[str, Sequence[str]]) -> list[str]:
    """Where the written flags are not those of a version."""
    written = yaml.safe_load(FLAGS.read_text(encoding="utf-8"))
    wrong = []
    for version, real in flags.items():
        known = {
            *written["always"].split(),
            *(name for name, versions in written["some"].items() if version in versions),
        }
        wrong += [f"vLLM {version}: flags.yaml is wrong about --{name}" for name in sorted(known ^ set(real))]
    return wrong


def judged(folder: Path, version: str, flags: dict[str, list[str]]) -> list[str]:
    """What one version says that it should not."""
    models = tiny.models(folder / "models")
    plans = list(planned(version))
    lines = [case for path, plan in plans for case in of_plan(path, plan)]
    table = [*expected(version, "parser"), *expected(version, "config", models)]
    cases = [*lines, *table, *once(case for path, plan in plans for case in tiny_cases(path, plan, models))]
    cases += once(case for path, plan in plans for case in benches(path, plan))
    answer = ask(folder, version, cases)
    flags[version] = answer["flags"]
    wrong = disagreeing(answer["verdicts"], cases)
    counts = f"{len(lines)} of {len(plans)} inventories, {len(table)} of the table, {len(cases)} in all"
    print(f"vLLM {version}: {counts}: {'ok' if not wrong else f'{len(wrong)} wrong'}", flush=True)
    return [f"vLLM {version}: {line}" for line in wrong]


def once(cases: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Command lines that differ only by numbers and names are configured once."""
    return list(
        {re.sub(r"\d+|\w+-(prefill|decode|standalone)", "0", " ".join(one["argv"])): one for one in cases}.values()
    )


def planned(version: str) -> Iterator[tuple[str, Plan]]:
    """The examples as planned for the version's release; those that this release cannot serve are left out."""
    for path in (file for folder in EXAMPLES for file in sorted((ROOT / folder).glob("*.yaml"))):
        try:
            yield path.stem, make_plan(load(path, extra={"release": RELEASES[version], "image": ""}))
        except InputError as error:
            told = [problem.what for problem in error.problems]
            floor = any(re.match(r"QC10[12] ", what) for what in told)  # it then lacks this release's flags, too
            if not floor and not all(re.match(r"QC1\d\d |QC210 ", what) for what in told):
                raise


def of_plan(name: str, plan: Plan) -> Iterator[dict[str, Any]]:
    """One case a process, those that differ only by their numbers once."""
    seen: set[str] = set()
    for one in plan.instances:
        shape = re.sub(r"\d+", "0", " ".join(one.argv))
        if shape not in seen:
            seen.add(shape)
            yield {"name": f"{name}: {one.name}", "stage": "parser", "argv": list(one.argv[2:]), "verdict": "accept"}


def benches(name: str, plan: Plan) -> Iterator[dict[str, Any]]:
    """What `qcluster bench` would run against the plan, a case a kind."""
    rates = Rates((8,)) if plan.proxy else Rates(request_rate=1.0)
    for kind in ("serve", "latency", "throughput"):
        points = loads(plan, rates) if kind == "serve" else offline(plan, kind)
        work = Workload(input_len=200, output_len=128, requests=200, batch_size=8)
        request = Request(kind, "vllm", subject(plan), work, points)
        argv = commands.argv(plan, request, points[0])
        yield {"name": f"{name}: bench {kind}", "stage": "bench", "argv": list(argv[2:]), "verdict": "accept"}


def tiny_cases(name: str, plan: Plan, models: Mapping[str, Path]) -> Iterator[dict[str, Any]]:
    """The Qwen examples again, before the configuration code, with a tiny model in place of the real one."""
    if not name.startswith(("single", "1p1d", "2p", "lab", "qwen3-moe")):
        return
    model = models["moe" if plan.model.moe else "dense"]
    for case in of_plan(name, plan):
        yield {**case, "stage": "config", "argv": [str(model), *on_cpu(case["argv"][1:])]}


def on_cpu(argv: Sequence[str]) -> list[str]:
    """Without what only vllm-ascend's platform understands."""
    dropped = {"--enable-expert-parallel"}
    return [word for word in argv if word not in dropped]


def expected(version: str, stage: str, models: Mapping[str, Path] | None = None) -> Iterator[dict[str, Any]]:
    """The table's rows that hold for a version."""
    text = (ROOT / f"tests/cases/vllm_argv/{stage}.yml").read_text(encoding="utf-8")
    for row in yaml.safe_load(text):
        if number(str(row.get("since", "0"))) <= number(version) < number(str(row.get("before", "99"))):
            model = str(models[row["model"]]) if models else "model"
            yield {**row, "stage": stage, "argv": [model, *shlex.split(row["argv"])]}


def number(version: str) -> tuple[int, ...]:
    """A sortable version."""
    return tuple(int(part) for part in version.split("."))


def ask(folder: Path, version: str, cases: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The verdicts of one version and its flags, from its own process."""
    path = [str(folder / "src" / version), str(folder / ("old" if number(version) < (0, 21) else "new"))]
    environment = {
        **os.environ,
        "PYTHONPATH": "" if version == install.NEWEST else os.pathsep.join(path),
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_TARGET_DEVICE": "cpu",
        "VLLM_LOGGING_LEVEL": "ERROR",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "OMP_NUM_THREADS": "1",
    }
    asked = json.dumps([{key: one[key] for key in ("name", "stage", "argv")} for one in cases])
    command = [folder / "venv/bin/python", Path(__file__).with_name("oracle.py")]
    done = subprocess.run(command, input=asked, env=environment, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise SystemExit(f"vLLM {version} does not start:\n{done.stderr[-3000:]}")
    return dict(json.loads(done.stdout))


def disagreeing(verdicts: Sequence[Mapping[str, str]], cases: Sequence[Mapping[str, Any]]) -> list[str]:
    """Where a verdict, or the message that belongs to it, is not the expected one."""
    return [
        f"{case['name']}: expected {case['verdict']}, got {found['verdict']}: {found['message'][:300]}"
        for found, case in zip(verdicts, cases, strict=True)
        if found["verdict"] != case["verdict"] or str(case.get("message", "")) not in found["message"]
    ]


if __name__ == "__main__":
    sys.exit(main())
