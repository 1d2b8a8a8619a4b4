"""The notebooks as files: nothing in them was executed, nothing in them names a field."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from feature_schema import FEATURES, TARGET

NOTEBOOKS = sorted((Path(__file__).parents[3] / "notebooks").glob("*.ipynb"))


def cells(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return found


def test_there_are_notebooks() -> None:
    assert [path.name[0] for path in NOTEBOOKS] == ["1", "2", "3"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_cleared(path: Path) -> None:
    executed = [
        cell["id"]
        for cell in cells(path)
        if cell["cell_type"] == "code" and (cell["outputs"] or cell["execution_count"] is not None)
    ]
    assert executed == [], "clear them: .venvs/sdk/bin/jupyter nbconvert --clear-output --inplace notebooks/*.ipynb"


@pytest.mark.usefixtures("robots")  # another schema may use a word of theirs
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_field_is_named(path: Path) -> None:
    names = re.compile(r"\b(" + "|".join(re.escape(field.name) for field in (TARGET, *FEATURES)) + r")\b")
    named = {cell["id"]: names.findall("".join(cell["source"])) for cell in cells(path)}
    assert {cell: found for cell, found in named.items() if found} == {}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_cells_are_named_for_what_they_do_and_short(path: Path) -> None:
    for cell in cells(path):
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", cell["id"])  # a picture is kept under its cell's name
        assert len(cell["source"]) <= 35, cell["id"]
    assert len({cell["id"] for cell in cells(path)}) == len(cells(path))


def test_cells_that_draw_share_no_name() -> None:
    drawing = [cell["id"] for path in NOTEBOOKS for cell in cells(path) if "plt.show()" in "".join(cell["source"])]
    assert len(set(drawing)) == len(drawing)
