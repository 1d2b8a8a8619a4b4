"""docs/reliability.md names a test for each fault; each of them has to be there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "reliability.md"
NAMED = re.compile(r"`(?P<file>tests/[\w/]+\.py)::(?P<name>[\w:]+)`")
PROMISES = PAGE.read_text(encoding="utf-8").partition("## Samples")[2]
ROWS = [line for line in PROMISES.splitlines() if line.startswith("| ")]
FAULTS = [row for row in ROWS if not row.startswith("| what fails")]


def names(file: Path) -> set[str]:
    """The functions of a module, those of a class as ``Class::function``."""
    found = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{one.name}" for one in node.body if isinstance(one, ast.FunctionDef)}
    return found


@pytest.mark.parametrize("row", FAULTS, ids=[row.split("|")[1].strip()[:60] for row in FAULTS])
def test_every_fault_names_tests_that_exist(row: str) -> None:
    named = NAMED.findall(row.split("|")[3])
    assert named, "this fault names no test"
    for file, name in named:
        assert name in names(ROOT / file), f"{file} has no {name}"


def test_the_page_has_its_tables() -> None:
    assert len(FAULTS) > 20
