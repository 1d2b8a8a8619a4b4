"""The notebooks, executed on the deployed stack: they run as they are, and show what they are there to show."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from dwell.client.leaderboard import Leaderboard, read_leaderboard
from dwell.client.signed_api import create_api
from feature_schema import FEATURES, TARGET
from tests.notebooks.execution import KEPT, PNG, SVG, complaints, shown
from tests.notebooks.outside import nobody_there

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from dwell.client.stack import Stack
    from dwell.local.emulator_process import Laptop
    from tests.notebooks.outside import Outside

HTML, PLAIN = "text/html", "text/plain"


def words(notebook: NotebookNode, cell_id: str) -> str:
    """The words in the one picture of a cell, with single spaces between them."""
    (picture,) = shown(notebook, cell_id, SVG)
    return " ".join(" ".join(re.findall(r"<text[^>]*>([^<]*)</text>", picture)).split())


def source(notebook: NotebookNode, cell_id: str) -> str:
    (cell,) = [cell for cell in notebook.cells if cell.id == cell_id]
    return str(cell.source)


def board(stack: Stack) -> Leaderboard:
    return read_leaderboard(create_api(stack.api_url, timeout=20), limit=100)


# --- look at the samples -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["distributions", "target-by-feature", "error-by-feature"])
def test_each_feature_has_a_panel_labelled_by_the_schema(look: NotebookNode, cell: str) -> None:
    (picture,) = shown(look, cell, SVG)
    assert len(re.findall(r'<g id="axes_\d+">', picture)) == len(FEATURES)
    for feature in FEATURES:
        assert feature.name in words(look, cell)
        assert f"{feature.meaning} ({feature.unit})" in words(look, cell)


def test_target_and_baseline_error_are_drawn(look: NotebookNode) -> None:
    drawn = words(look, "target")
    assert f"{TARGET.meaning} ({TARGET.unit})" in drawn
    error = re.search(r"error of the baseline: ([\d,]+) ", drawn)
    assert error is not None
    assert 0 < float(error[1].replace(",", "")) < TARGET.maximum


def test_table_has_bounds_and_statistics_of_every_field(look: NotebookNode) -> None:
    (table,) = shown(look, "schema", HTML)
    for field in (TARGET, *FEATURES):
        (row,) = re.findall(rf"<th>{field.name}</th>(.*?)</tr>", table, re.DOTALL)
        cells = re.findall(r"<td>(.*?)</td>", row)
        assert cells[:5] == [field.type, field.unit, f"{field.minimum:g}", f"{field.maximum:g}", field.meaning]
        assert field.minimum <= float(cells[5]) <= float(cells[6]) <= float(cells[7]) <= field.maximum


def test_correlation_matrix_has_every_field_on_both_axes(look: NotebookNode) -> None:
    drawn = words(look, "correlation").split()
    assert all(drawn.count(field.name) == 2 for field in (TARGET, *FEATURES))


def test_live_error_is_shown_by_model_and_baseline(look: NotebookNode, stack: Stack) -> None:
    first = min(round_["round"] for round_ in board(stack)["rounds"])
    (model,) = [round_["promoted"] for round_ in board(stack)["rounds"] if round_["round"] == first]
    drawn = words(look, "live-error")
    assert "baseline (" in drawn
    assert f"{model} (" in drawn


def test_quarantine_is_counted_by_reason_with_examples(look: NotebookNode, stack: Stack, s3: Any) -> None:
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=stack.bucket, Prefix="quarantine/")["Contents"]]
    held = [line for key in keys for line in s3.get_object(Bucket=stack.bucket, Key=key)["Body"].read().splitlines()]
    assert f"{len(held):,} lines in quarantine" in words(look, "quarantine")
    (table,) = shown(look, "quarantine-examples", HTML)
    for reason in {json.loads(line)["reason"] for line in held}:
        assert f"<th>{reason}</th>" in table


# --- train by hand -------------------------------------------------------------------------------------------------


def test_manual_job_trains_with_its_own_hyperparameters(train: NotebookNode, laptop: Laptop) -> None:
    sagemaker = laptop.client("sagemaker")
    name = shown(train, "archive", PLAIN)[0].splitlines()[0]
    job = sagemaker.describe_training_job(TrainingJobName=name)
    assert job["TrainingJobStatus"] == "Completed"
    assert job["EnableNetworkIsolation"]
    given = {key: json.loads(value) for key, value in job["HyperParameters"].items()}
    assert given == {"xgboost-max_depth": 5, "xgboost-eta": 0.05, "k-nearest-neighbours-k": 100}
    assert "xgboost-max_depth" in source(train, "settings")


def test_manual_job_is_compared_on_the_test_set_of_the_round(train: NotebookNode, stack: Stack) -> None:
    (html,) = shown(train, "round", HTML)
    (newest,) = [round_ for round_ in board(stack)["rounds"] if round_["round"] in html]
    (table,) = shown(train, "results", HTML)
    drawn = words(train, "by-hand")
    for candidate in newest["candidates"]:
        assert f"{candidate['rmse']:,.0f}" in table
        assert candidate["name"] in drawn
    assert newest["dataset"] is not None
    assert f"On {newest['dataset']['test']:,} test samples" in drawn


def test_manual_job_belongs_to_no_round(train: NotebookNode, stack: Stack) -> None:
    assert not [round_ for round_ in board(stack)["rounds"] if round_["job"].startswith("by-hand")]


# --- enter the leaderboard -----------------------------------------------------------------------------------------


def test_entrant_is_on_the_leaderboard(enter: NotebookNode, stack: Stack) -> None:
    (entrant,) = re.findall(r'^ENTRANT = "(.*?)"', source(enter, "settings"), re.MULTILINE)
    entered = [entry for entry in board(stack)["leaderboard"] if entry["entrant"] == entrant]
    assert entered
    (table,) = shown(enter, "leaderboard", HTML)
    drawn = words(enter, "places")
    for entry in entered:
        assert entry["model"] in table
        assert f"{entry['model']} ({entrant})" in drawn
    assert f"{entered[0]['round']} has " in shown(enter, "wait", PLAIN)[0]


# --- all of them ---------------------------------------------------------------------------------------------------


def test_notebooks_warn_of_nothing_and_keep_their_pictures(
    look: NotebookNode, train: NotebookNode, enter: NotebookNode
) -> None:
    for notebook in (look, train, enter):
        assert complaints(notebook) == []
        drawing = [cell.id for cell in notebook.cells if shown(notebook, cell.id, PNG)]
        assert drawing
        assert all((KEPT / f"{cell}.png").stat().st_size > 5_000 for cell in drawing)


def test_notebooks_connect_only_to_the_stack(
    look: NotebookNode, train: NotebookNode, enter: NotebookNode, outside: Outside
) -> None:
    assert outside.asked == []


def test_connection_to_another_host_is_detected() -> None:
    with nobody_there() as there:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": there.url}))
        with pytest.raises(urllib.error.HTTPError) as refused:
            opener.open("http://telemetry.example/", timeout=10)
        refused.value.close()
        assert there.asked == ["GET http://telemetry.example/ HTTP/1.1"]
