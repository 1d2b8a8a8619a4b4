"""The first notebook's cells on another schema, and on samples that nobody predicted: without a stack."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import matplotlib as mpl
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest

import dwell.client.stack
import dwell.client.stored_samples
import feature_schema
from dwell.operations import quarantine_replay as quarantine
from tests.notebooks.execution import NOTEBOOKS

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = 3_000
START = datetime(2026, 11, 23, tzinfo=UTC)
CROP: dict[str, Any] = {
    "name": "crop",
    "type": "number",
    "unit": "t/ha",
    "minimum": 0.0,
    "maximum": 20.0,
    "meaning": "what was harvested",
}
FIELDS: list[dict[str, Any]] = [
    {"name": name, "type": kind, "unit": unit, "minimum": 0.0, "maximum": most, "meaning": f"how much {name}"}
    for name, kind, unit, most in (
        ("rain", "number", "mm", 900.0),
        ("sun", "number", "h", 24.0),
        ("acidity", "number", "pH", 14.0),
        ("ploughed", "integer", "count", 1.0),
        ("nitrogen", "number", "kg", 5.0),
    )
]
"""Fewer fields than robots report, most of them no whole numbers, one with two values; the baseline is a number."""


def harvest(*, predicted: bool) -> pd.DataFrame:
    """Rows of that schema; if ``predicted``, a model answered for the second half, the baseline for a part before."""
    random = np.random.default_rng(1)
    rows = pd.DataFrame({field["name"]: random.random(ROWS) * field["maximum"] for field in FIELDS})
    rows["ploughed"] = random.integers(0, 2, ROWS)
    rows["crop"] = 5 + 4 * rows["rain"] / 900 + random.normal(0, 0.5, ROWS)
    rows["recorded_at"] = pd.date_range(START, periods=ROWS, freq="s")
    number = np.arange(ROWS)
    rows["predicted"] = np.where(predicted & (number > ROWS / 3), 7.0, np.nan)
    rows["expected_error"] = np.where(predicted & (number > ROWS / 2), 1.0, np.nan)
    rows["model"] = pd.Series("m-1", index=rows.index, dtype="string").where(predicted & (number > ROWS / 2))
    return rows


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """The other schema in place of ours, a stack of no substance, and figures that stay open."""
    schema = {"target": CROP, "features": FIELDS, "baseline": 7.0}
    monkeypatch.setattr(feature_schema, "describe", lambda: schema)
    monkeypatch.setattr(dwell.client.stack, "find", lambda name: SimpleNamespace(name=name, bucket="bucket"))
    monkeypatch.setattr(boto3, "client", lambda service: service)
    monkeypatch.setattr(quarantine, "survey", lambda *_, **__: quarantine.Survey())
    with mpl.rc_context():
        plt.switch_backend("agg")
        monkeypatch.setattr(plt, "show", lambda: None)
        yield monkeypatch
    plt.close("all")


def run(samples: pd.DataFrame, bench: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Run the cells; the titles of the panels that each has drawn."""
    bench.setattr(dwell.client.stored_samples, "newest_samples", lambda *_, **__: samples)
    names: dict[str, Any] = {}
    drawn = {}
    for cell in nbformat.read(NOTEBOOKS / "1-look-at-the-samples.ipynb", as_version=4).cells:
        if cell.cell_type == "code":
            exec(compile(cell.source, cell.id, "exec"), names)  # noqa: S102 - the notebook's own cells
            drawn[cell.id] = [axis.get_title() for axis in plt.gcf().axes] if plt.get_fignums() else []
            plt.close("all")
    return drawn


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("predicted", [True, False])
def test_another_schema_draws_its_own_fields(predicted: bool, bench: pytest.MonkeyPatch) -> None:
    drawn = run(harvest(predicted=predicted), bench)
    for cell in ("distributions", "target-by-feature", "error-by-feature"):
        assert drawn[cell] == [field["name"] for field in FIELDS]
    assert drawn["target"][0] == "crop"
    assert drawn["target"][1].startswith("error of the baseline: 1.")


def test_notebook_without_stored_samples_says_so(bench: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="nothing is stored in bucket yet"):
        run(harvest(predicted=False).head(0), bench)
