"""Run as a script: renders cases with ansible-core's own engine, and prints what it made of them as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml


def main(folder: str) -> None:
    """`folder` holds variables.yml and agree.yml. Every answer is [type, value], or ["error", message]."""
    from ansible.parsing.dataloader import DataLoader
    from ansible.template import Templar, trust_as_template

    def trusted(value: Any) -> Any:
        if isinstance(value, str):
            return trust_as_template(value)
        if isinstance(value, dict):
            return {key: trusted(item) for key, item in value.items()}
        return [trusted(item) for item in value] if isinstance(value, list) else value

    variables = yaml.safe_load((Path(folder) / "variables.yml").read_text())
    cases = yaml.safe_load((Path(folder) / "agree.yml").read_text())
    templar = Templar(loader=DataLoader(), variables=trusted(variables))

    def answer(ask: Any, text: str) -> list[Any]:
        try:
            value = ask(trust_as_template(text))
        except Exception as error:
            return ["error", str(error)]
        return [type_name(value), json.loads(json.dumps(value, default=repr))]

    print(
        json.dumps(
            {
                "values": [answer(templar.template, text) for text in cases["values"]],
                "conditions": [answer(templar.evaluate_conditional, text) for text in cases["conditions"]],
            }
        )
    )


def type_name(value: object) -> str:
    """The plain type of a value: subclasses of text, list and mapping count as these."""
    for kind in (bool, str, int, float, list, dict):
        if isinstance(value, kind):
            return kind.__name__
    return type(value).__name__


if __name__ == "__main__":
    main(sys.argv[1])
