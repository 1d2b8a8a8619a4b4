"""docs/reliability.md names a test for each fault, and these tests exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "reliability.md"
TEST_REFERENCE = re.compile(r"`(?P<file>(?:local_aws/)?tests/[\w/]+\.py)::(?P<name>[\w:]+)`")
PROMISES = PAGE.read_text(encoding="utf-8").partition("## Samples")[2]
ROWS = [line for line in PROMISES.splitlines() if line.startswith("| ")]
FAULTS = [row for row in ROWS if not row.startswith("| what fails")]


def list_functions(file: Path) -> set[str]:
    """Return the functions of a module, those of a class as ``Class::function``."""
    functions = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            functions.add(node.name)
        elif isinstance(node, ast.ClassDef):
            functions |= {f"{node.name}::{method.name}" for method in node.body if isinstance(method, ast.FunctionDef)}
    return functions


@pytest.mark.parametrize("row", FAULTS, ids=[row.split("|")[1].strip()[:60] for row in FAULTS])
def test_every_fault_names_tests_that_exist(row: str) -> None:
    references = TEST_REFERENCE.findall(row.split("|")[3])
    assert references, "this fault names no test"
    for file, name in references:
        assert name in list_functions(ROOT / file), f"{file} has no {name}"


def test_the_page_has_a_table_of_faults() -> None:
    assert len(FAULTS) > 20
