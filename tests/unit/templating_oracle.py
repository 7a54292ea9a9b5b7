"""Run as a script: renders cases with ansible-core's own engine, and prints what it made of them as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml


def main(folder: str) -> None:
    """`folder` holds variables.yml, agree.yml, differ.yml. An answer is [type, value], or ["error", message]."""
    import ansible
    from ansible.parsing.dataloader import DataLoader
    from ansible.template import Templar, trust_as_template

    def trusted(value: Any) -> Any:
        if isinstance(value, str):
            return trust_as_template(value)
        if isinstance(value, dict):
            return {key: trusted(item) for key, item in value.items()}
        return [trusted(item) for item in value] if isinstance(value, list) else value

    def read(name: str) -> Any:
        return yaml.safe_load((Path(folder) / name).read_text(encoding="utf-8"))

    templar = Templar(loader=DataLoader(), variables=trusted(read("variables.yml")))

    def answers(template: Any, condition: Any) -> list[Any]:
        try:
            text = template if template is not None else condition
            ask = templar.template if template is not None else templar.evaluate_conditional
            value = ask(trust_as_template(text))
        except Exception as error:
            return ["error", _chain(error)]
        return [type_name(value), json.loads(json.dumps(value, default=repr))]

    agree = read("agree.yml")
    found = {
        "values": [answers(text, None) for text in agree["values"]],
        "conditions": [answers(None, text) for text in agree["conditions"]],
        "differ": [answers(case.get("template"), case.get("condition")) for case in read("differ.yml")],
    }
    plugins = Path(ansible.__file__).parent / "plugins"
    names = {kind: sorted(page.stem for page in (plugins / kind).glob("*.yml")) for kind in ("filter", "test")}
    print(json.dumps({**found, "names": names}))


def _chain(error: BaseException | None) -> str:
    return f"{error} {_chain(error.__cause__)}" if error is not None else ""


def type_name(value: object) -> str:
    """The plain type of a value: subclasses of text, list and mapping count as these."""
    for kind in (bool, str, int, float, list, dict):
        if isinstance(value, kind):
            return kind.__name__
    return type(value).__name__


if __name__ == "__main__":
    main(sys.argv[1])
