"""The stored notebooks contain no outputs and name no field of the schema."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from feature_schema import FEATURES, TARGET

NOTEBOOKS = sorted((Path(__file__).parents[3] / "notebooks").glob("*.ipynb"))


def read_cells(path: Path) -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return cells


def test_there_are_three_notebooks() -> None:
    assert [path.name[0] for path in NOTEBOOKS] == ["1", "2", "3"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_cleared(path: Path) -> None:
    executed = [
        cell["id"]
        for cell in read_cells(path)
        if cell["cell_type"] == "code" and (cell["outputs"] or cell["execution_count"] is not None)
    ]
    assert executed == [], "clear them: .venvs/sdk/bin/jupyter nbconvert --clear-output --inplace notebooks/*.ipynb"


@pytest.mark.usefixtures("robots")  # another schema may use one of their words
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_field_is_named_in_a_cell(path: Path) -> None:
    names = re.compile(r"\b(" + "|".join(re.escape(field.name) for field in (TARGET, *FEATURES)) + r")\b")
    matches = {cell["id"]: names.findall("".join(cell["source"])) for cell in read_cells(path)}
    assert {cell: fields for cell, fields in matches.items() if fields} == {}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_cells_have_unique_names_and_are_short(path: Path) -> None:
    for cell in read_cells(path):
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", cell["id"])  # a picture is stored under its cell's name
        assert len(cell["source"]) <= 35, cell["id"]
    assert len({cell["id"] for cell in read_cells(path)}) == len(read_cells(path))


def test_cells_that_draw_have_unique_names() -> None:
    drawing = [cell["id"] for path in NOTEBOOKS for cell in read_cells(path) if "plt.show()" in "".join(cell["source"])]
    assert len(set(drawing)) == len(drawing)
