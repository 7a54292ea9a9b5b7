"""JSON schemas of what machines read, made from the same dataclasses that are written.

`python -m qcluster.report.schemas docs/schemas` writes them; a test holds the files and real runs against them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from qcluster import events
from qcluster.evaluate.model import Evaluation
from qcluster.events import Event, HostTally
from qcluster.facts.proven import Proof
from qcluster.report.status import Row
from qcluster.result import TaskResult
from qcluster.serving.plan import Plan

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def all_schemas() -> dict[str, dict[str, Any]]:
    """File name → schema."""
    return {
        "events.json": event_schema(),
        "run.json": run_schema(),
        "runs.json": runs_schema(),
        "plan.json": _named("What `qcluster plan --json` prints", TypeAdapter(Plan).json_schema(mode="serialization")),
        "status.json": status_schema(),
        "evaluation.json": _named(
            "A result of `qcluster bench` or `eval`", TypeAdapter(Evaluation).json_schema(mode="serialization")
        ),
    }


def event_schema() -> dict[str, Any]:
    """One line of `-o ndjson` and of a journal: one of the events, told apart by `event`."""
    kinds = [kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Event)]
    found = [_event(kind) for kind in kinds if kind is not Event]
    definitions = {name: body for one in found for name, body in one.pop("$defs", {}).items()}
    return _named("One event of a run", {"oneOf": found, "$defs": definitions})


def _event(kind: type[Event]) -> dict[str, Any]:
    schema = TypeAdapter(kind).json_schema(mode="serialization")
    schema["properties"] = {"event": {"const": kind.__name__}, **schema["properties"]}
    schema["required"] = ["event", *schema.get("required", [])]
    return schema


def run_schema() -> dict[str, Any]:
    """What `-o json` prints: the whole run as one document."""
    result = TypeAdapter(TaskResult).json_schema(mode="serialization")
    definitions = {**result.pop("$defs", {}), "TaskResult": _timed(result)}
    definitions["HostTally"] = TypeAdapter(HostTally).json_schema(mode="serialization")
    tasks = _object(task="string", module="string", role="string", where="string", handler="boolean")
    tasks["properties"]["hosts"] = _mapping("TaskResult")
    plays = _object(play="string", started="number")
    plays["properties"] |= {"hosts": _array({"type": "string"}), "tasks": _array(tasks)}
    run = _object(
        verb="string", target="string", inventory="string", started="number", elapsed="number", check="boolean"
    )
    run["properties"] |= {
        "exit": {"type": ["integer", "null"]},
        "hosts": _array({"type": "string"}),
        "plays": _array(plays),
        "progress": _array({"type": "object"}),
        "recap": _mapping("HostTally"),
    }
    run["required"] = list(run["properties"])
    return _named("A run as one document", {**run, "$defs": definitions})


def runs_schema() -> dict[str, Any]:
    """What `qcluster runs --json` prints: run.json of each journal. A run that was killed has no end."""
    one = _object(run="string", at="number", verb="string", target="string", inventory="string", deployment="string")
    one["required"] = [name for name in one["properties"] if name != "deployment"]
    stage = _object(play="string", stage="string", seconds="number")
    milestones = {"type": "object", "additionalProperties": {"type": "number"}}
    timings = {"type": "object", "properties": {"stages": _array(stage), "milestones": milestones}}
    one["properties"] |= {
        "hosts": _array({"type": "string"}),
        "check": {"type": "boolean"},
        "exit": {"type": ["integer", "null"]},
        "elapsed": {"type": "number"},
        "recap": _mapping("HostTally"),
        "timings": timings,
    }
    definitions = {"HostTally": TypeAdapter(HostTally).json_schema(mode="serialization")}
    return _named("The journals of a directory", {**_array(one), "$defs": definitions})


def status_schema() -> dict[str, Any]:
    """What `qcluster status --json` prints."""
    row = TypeAdapter(Row).json_schema(mode="serialization")
    proof = TypeAdapter(Proof).json_schema(mode="serialization")
    proof["properties"]["current"] = {"type": "boolean"}
    proof["required"] = list(proof["properties"])
    document = _object(deployment="string")
    document["properties"] |= {"instances": _array(row), "proof": {"anyOf": [proof, {"type": "null"}]}}
    document["required"] = list(document["properties"])
    return _named("What runs of a deployment", {**document, "$defs": row.pop("$defs")})


def _timed(result: dict[str, Any]) -> dict[str, Any]:
    result["properties"] |= {"started": {"type": "number"}, "finished": {"type": "number"}}
    return result


def _object(**properties: str) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": kind} for name, kind in properties.items()}}


def _array(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _mapping(definition: str) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": {"$ref": f"#/$defs/{definition}"}}


def _named(title: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"$schema": DIALECT, **schema, "title": title}


def text(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


def write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, schema in all_schemas().items():
        (folder / name).write_text(text(schema), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
