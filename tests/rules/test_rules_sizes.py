"""The house rules that a linter does not know: sizes, quoting, ambient state."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

PACKAGE = Path(__file__).parents[2] / "qcluster"
FILES = sorted(PACKAGE.rglob("*.py"))
MAX_FILE, MAX_FUNCTION = 300, 40


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno
            body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
            yield f"{path.relative_to(PACKAGE)}:{node.lineno} {node.name}", node.end_lineno - body[0].lineno + 1


def relative(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_no_file_is_longer_than_a_reader_can_hold(path: Path) -> None:
    assert path.read_text(encoding="utf-8").count("\n") <= MAX_FILE


def test_no_function_is_too_long_and_most_are_short() -> None:
    sizes = [(size, name) for path in FILES for name, size in functions(path)]
    too_long = [(size, name) for size, name in sizes if size > MAX_FUNCTION]
    assert too_long == []
    assert statistics.median(size for size, _ in sizes) <= 6
    assert statistics.quantiles([size for size, _ in sizes], n=10)[-1] <= 20


def uses(path: Path, dotted: str) -> bool:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(isinstance(node, ast.Attribute) and ast.unparse(node) == dotted for node in ast.walk(tree))


def test_one_function_quotes_for_a_shell() -> None:
    assert [relative(path) for path in FILES if uses(path, "shlex.quote")] == ["command.py"]


def test_the_environment_is_read_only_at_the_edge() -> None:
    allowed = ("cli/", "lab/")
    reading = [relative(path) for path in FILES if uses(path, "os.environ") or uses(path, "os.getenv")]
    assert [path for path in reading if not path.startswith(allowed)] == []


def test_no_room_has_a_name_that_says_nothing() -> None:
    empty_words = {"utils", "util", "common", "helpers", "helper", "misc", "manager", "managers"}
    names = {part for path in FILES for part in (*path.relative_to(PACKAGE).parts[:-1], path.stem)}
    assert names & empty_words == set()


def test_every_public_function_and_class_says_what_it_is_for() -> None:
    """Modules always; classes and functions of a room's front (`__init__`, base, plan, model) too."""
    silent = [relative(path) for path in FILES if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))]
    assert silent == []


def test_ansible_lint_is_told_of_every_module_of_our_own() -> None:
    from qcluster.modules import table

    told = set(yaml.safe_load((PACKAGE.parent / ".ansible-lint").read_text(encoding="utf-8"))["mock_modules"])
    assert told == set(table.PROJECT)
