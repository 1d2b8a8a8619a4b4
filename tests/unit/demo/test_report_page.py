"""What a run tells: live error from rows, the report, the page and the tables."""

from __future__ import annotations

import gzip
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from dwell.client.leaderboard import best_rmse
from dwell.commands.run import print_report
from dwell.console.numbers import format_rounded
from dwell.demo import error_series as live_error
from dwell.demo import report_page as page
from dwell.demo.bucket_contents import BucketContents
from dwell.demo.report import LiveErrorSummary, Report, SampleCounts, TimelineEvent, summarize_round
from feature_schema import FEATURES, ROW_COLUMNS, TARGET, VERSION, describe

START = datetime(2026, 11, 23, 6, 39, tzinfo=UTC)


def a_row(number: int, *, target: int, predicted: float | None, model: str = "m-1", second: float = 0) -> str:
    at = (START + timedelta(seconds=second)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    echo = ["", "", ""] if predicted is None else [str(predicted), "50.0", model]
    features = [str(int(feature.minimum)) for feature in FEATURES]
    return ",".join([str(target), *features, f"s-{number}", "r", "f", at, *echo, str(VERSION)])


class FakeBucket:
    """As much of S3 as storage needs: objects that never change."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        self.objects = objects
        self.reads: list[str] = []

    def get_paginator(self, _operation: str) -> FakeBucket:
        return self

    def paginate(self, *, Bucket: str, Prefix: str) -> list[dict[str, Any]]:  # noqa: N803 (boto3's names)
        assert Bucket == "bucket"
        return [{"Contents": [{"Key": key} for key in sorted(self.objects) if key.startswith(Prefix)]}, {}]

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 (boto3's names)
        assert Bucket == "bucket"
        self.reads.append(Key)
        return {"Body": io.BytesIO(self.objects[Key])}


def storage_of(*rows: str) -> tuple[BucketContents, FakeBucket]:
    quarantined = json.dumps({"reason": "malformed", "raw": "x"}).encode()
    bucket = FakeBucket(
        {
            "samples/date=2026-11-23/hour=06/a.gz": gzip.compress("\n".join(rows).encode()),
            "quarantine/date=2026-11-23/hour=06/b.ndjson": quarantined + b"\n",
        }
    )
    return BucketContents.create(bucket, "bucket"), bucket  # type: ignore[arg-type] # a fake


def test_storage_reads_each_object_once() -> None:
    storage, bucket = storage_of(a_row(1, target=1_000, predicted=None), a_row(2, target=2_000, predicted=1_900))
    storage.read()
    storage.read()
    assert len(bucket.reads) == 2
    assert list(storage.samples()["sample_id"]) == ["s-1", "s-2"]
    assert list(storage.samples().columns) == list(ROW_COLUMNS)
    assert [line["reason"] for line in storage.quarantined()] == ["malformed"]
    assert storage.failed() == 0


def test_an_empty_bucket_has_no_samples_and_no_error() -> None:
    storage = BucketContents.create(FakeBucket({}), "bucket")  # type: ignore[arg-type] # a fake
    storage.read()
    assert len(storage.samples()) == 0
    assert live_error.compute_rmse(live_error.predicted_rows(storage.samples())) is None


def test_live_error_is_the_rmse_of_predicted_rows() -> None:
    storage, _ = storage_of(
        a_row(1, target=1_000, predicted=1_030),
        a_row(2, target=1_000, predicted=960),
        a_row(2, target=1_000, predicted=960),  # a repeat counts once
        a_row(3, target=1_000, predicted=None),
    )
    storage.read()
    rows = live_error.predicted_rows(storage.samples())
    assert live_error.compute_rmse(rows) == pytest.approx((0.5 * (30**2 + 40**2)) ** 0.5)


def test_live_error_is_selected_by_time_and_model() -> None:
    storage, _ = storage_of(
        a_row(1, target=1_000, predicted=1_010, second=1),
        a_row(2, target=1_000, predicted=1_020, second=5),
        a_row(3, target=1_000, predicted=1_040, second=5, model="m-2"),
    )
    storage.read()
    rows = live_error.predicted_rows(storage.samples())
    middle = START + timedelta(seconds=5)
    assert live_error.compute_rmse(rows, until=middle) == 10
    assert live_error.compute_rmse(rows, since=middle, model="m-1") == 20
    assert live_error.compute_rmse(rows, model="m-2") == 40
    assert live_error.compute_rmse(rows, model="m-3") is None


def test_the_series_leaves_out_thin_intervals() -> None:
    storage, _ = storage_of(
        a_row(1, target=1_000, predicted=1_010, second=0.1),
        a_row(2, target=1_000, predicted=1_010, second=1.9),
        a_row(3, target=1_000, predicted=1_010, second=2.1),
    )
    storage.read()
    (point,) = live_error.build_series(live_error.predicted_rows(storage.samples()), seconds=2, min_samples=2)
    assert (point.at, point.error, point.promised, point.samples) == (START, 10, 50, 2)


def a_report() -> Report:
    entry: Any = {
        "model": "<b>m</b>-20261123T063900Z", "rank": 1, "live": True, "algorithm": "xgboost", "trained_on": "all",
        "status": "live", "round": "20261123T063900Z-no-model", "test_rmse": 1_900.4, "live_error": None,
        "test_set": "20261123T063900Z-no-model", "baseline_rmse": 5_000.0, "entrant": None,
    }  # fmt: skip
    started: Any = {
        "round": "20261123T063900Z-no-model", "cause": "no-model", "status": "promoted", "seconds": 12.3,
        "started_at": START.isoformat(), "dataset": {"train": 3_000, "test": 1_000}, "baseline_rmse": 5_000.0,
        "candidates": [{"name": "xgboost", "rmse": 1_900.4, "seconds": 1}, {"name": "linear", "rmse": None}],
        "promoted": "<b>m</b>-20261123T063900Z",
    }  # fmt: skip
    return Report(
        samples=SampleCounts(10, 9, 1, 2, 0, 0, 0),
        rounds=[summarize_round(started)],
        live_error=LiveErrorSummary(1_950.0, 4_000.0, None, 1_850.0, 1_850.0),
        predictions={"model": 7, "fallback": 3},
        seconds={"start": 1.0},
        leaderboard=[entry],
        target=describe()["target"],
        drift={"kind": "a <kind>", "meaning": "slow & slower"},
        moments=[TimelineEvent(START, "drift", "the world changes"), TimelineEvent(START, "alarm", "alarm <x>")],
        rate_series=[(START, 5), (START + timedelta(seconds=1), 6)],
    )


def test_the_report_is_json_with_what_was_promised(tmp_path: Path) -> None:
    a_report().write(tmp_path / "new" / "report.json")
    output = json.loads((tmp_path / "new" / "report.json").read_text())
    assert output["samples"]["lost"] == 0
    assert output["rounds"][0]["candidates"] == [{"name": "xgboost", "rmse": 1_900.4}, {"name": "linear", "rmse": None}]
    assert output["live_error"]["recovered"] is None
    assert output["moments"][0]["at"] == START.isoformat()


def test_promotion_that_was_rolled_back_is_marked() -> None:
    record: Any = (
        {
            "round": "r", "cause": "manual", "status": "promoted", "started_at": START.isoformat(),
            "promoted": "xgboost-20261123T063900Z", "deployment": "rolled_back",
        }
    )  # fmt: skip
    taken_back = summarize_round(record)
    assert page.describe_promotion(taken_back) == "xgboost (rolled back)"
    assert page.describe_promotion({**taken_back, "deployment": "live"}) == "xgboost"
    assert page.describe_promotion({**taken_back, "promoted": None}) == "no"


def test_summary_of_a_failed_round_has_no_candidates() -> None:
    record: Any = {"round": "r", "cause": "manual", "status": "failed", "started_at": START.isoformat()}
    failed = summarize_round(record)
    assert failed["candidates"] == []
    assert failed["dataset"] == {"train": None, "test": None}
    assert best_rmse(failed) is None


def test_the_page_escapes_names_and_asks_no_network() -> None:
    html = page.render(a_report())
    assert "<b>m</b>" not in html
    assert "&lt;b&gt;m&lt;/b&gt;" in html
    assert "a &lt;kind&gt;" in html
    assert "slow &amp; slower" in html
    assert "<script src" not in html
    assert "<link" not in html


def test_figures_are_for_people() -> None:
    assert format_rounded(1_234.6, "ms") == "1,235 ms"
    assert format_rounded(None, "ms") == "-"
    assert page.shorten_model_name("k-nearest-neighbours-recent-20261123T063900Z") == "k-nearest-neighbours-recent"


def told(report: Report, *, is_terminal: bool) -> list[str]:
    console = Console(width=80, force_terminal=is_terminal, color_system=None, file=io.StringIO())
    print_report(report, console, Path("build/run"))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_the_tables_fit_a_terminal_of_80_columns() -> None:
    lines = told(a_report(), is_terminal=True)
    assert max(len(line) for line in lines) <= 80
    text = "\n".join(lines)
    assert f"Leaderboard (errors in {TARGET.unit})" in text
    assert "10 published = 9 stored + 1 in quarantine + 0 lost" in text
    header = next(line for line in lines if line.startswith("started"))
    assert header.split() == ["started", "cause", "train", "test", "baseline", "champion", "best", "promoted"]


@pytest.mark.parametrize("is_terminal", [True, False])
def test_no_name_is_broken_however_long(is_terminal: bool) -> None:
    model = "k-nearest-neighbours-continued-20261123T063900Z"
    report = a_report()
    report.rounds[0] |= {"cause": "new-model-error", "promoted": model}
    report.leaderboard[0] |= {"model": model}
    lines = told(report, is_terminal=is_terminal)
    assert any("new-model-error" in line for line in lines)
    assert any("k-nearest-neighbours-continued" in line and model not in line for line in lines)
    assert any(f"{model} (live)" in line for line in lines)


def test_models_of_another_test_set_stand_apart() -> None:
    report = a_report()
    (newest,) = report.leaderboard
    older: Any = {**newest, "model": "linear-20261122T063900Z", "status": "retired", "live": False, "test_rmse": 12.0}
    older["test_set"] = "20261122T063900Z-no-model"
    report.leaderboard.append(older)
    lines = told(report, is_terminal=True)
    index = next(number for number, line in enumerate(lines) if "linear-2026" in line)
    assert lines[index - 1].startswith("Test set of 20261122T063900Z-no-model")
    assert "are not comparable" in "\n".join(lines)
    assert "are not comparable" not in "\n".join(told(a_report(), is_terminal=True))
