"""Somebody with another problem: one file changes, and the whole loop predicts something else.

What lies before 2007 is published from a file, a model is trained, it is asked about 2007, and then 2007 happens. Later
the schema itself changes, first a bound, then its version.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from tests.another_domain.checkout import SCHEMA, Deployed, copy, exports
from tests.another_domain.client import Stack
from tests.another_domain.countries import BASELINE, FEATURES, TARGET, WRONG, countries, error, features_of, records
from tests.eventually import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.another_domain.checkout import Checkout

HERE = Path(__file__).parent
pytestmark = pytest.mark.timeout(900)

FALLBACK = {TARGET: BASELINE, "expected_error": None, "model": None, "source": "fallback"}


@dataclass(slots=True)
class Story:
    """What was seen on the way round the loop."""

    before: pd.DataFrame
    after: pd.DataFrame
    fallback: Any = None
    stored: list[str] = field(default_factory=list)
    round: dict[str, Any] = field(default_factory=dict)
    refused: tuple[int, Any] = (0, None)
    plain: str = ""
    answers: list[dict[str, Any]] = field(default_factory=list)
    stopped: str = ""
    quarantine: dict[str, int] = field(default_factory=dict)
    board: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return copy(tmp_path_factory.mktemp("checkout"), HERE / "schema.py", tmp_path_factory.mktemp("tmp"))


@pytest.fixture(scope="module")
def deployed(checkout: Checkout) -> Iterator[Deployed]:
    """Built and deployed as in the README, and taken down again."""
    try:
        checkout.dwell("local", "up", "--port", "0")
        yield Deployed(checkout, exports(checkout.dwell("local", "env")))
    finally:
        checkout.dwell("local", "down")
    assert list(checkout.temporary.iterdir()) == []


@pytest.fixture(scope="module")
def story(deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Round the loop once, by the commands and requests that anybody has."""
    table, files, stack = countries(), tmp_path_factory.mktemp("files"), Stack(deployed.aws)
    story = Story(before=table[table["year"] < 2007], after=table[table["year"] == 2007])
    last = [features_of(row) for row in records(story.after)]

    # the past is published, and nothing serves yet
    story.before.to_csv(files / "past.csv", index=False)
    assert deployed.run_json("publish", str(files / "past.csv"), "--check")["refused"] == {}
    assert deployed.run_json("publish", str(files / "past.csv"))["published"] == len(story.before)
    _, story.fallback = stack.ask({"features": last[0]})
    story.stored = eventually(stack.rows, lambda rows: len(rows) >= len(story.before))

    # a model is trained, and asked about what it has not seen
    time.sleep(1.1)  # S3 tells whole seconds, so a dataset takes what was stored before the second of its cut-off
    story.round = deployed.run_json("retrain", "--reason", "another domain", "--wait", "--patience", "300")["round"]
    _, response = stack.ask({"instances": last})
    story.answers = response["predictions"]
    _, story.plain = stack.ask_plainly(",".join(str(value) for value in last[0].values()))
    story.refused = stack.ask({"features": last[0] | {"latitude": -90.5}})

    # then it happens, and the predictions come back inside the samples
    happened = [
        {TARGET: value, "features": features, "prediction": answer}
        for value, features, answer in zip(story.after[TARGET], last, story.answers, strict=True)
    ]
    (files / "2007.ndjson").write_text("".join(f"{json.dumps(sample)}\n" for sample in happened))
    assert deployed.run_json("publish", str(files / "2007.ndjson"))["published"] == len(story.after)

    # rows that cannot be are stopped at the door, and refused behind it
    good = records(story.after)[0]
    pd.DataFrame([good | wrong for wrong in WRONG.values()]).to_csv(files / "wrong.csv", index=False)
    story.stopped = deployed.dwell("publish", str(files / "wrong.csv"), status=2)
    assert deployed.run_json("publish", str(files / "wrong.csv"), "--refused", "send")["published"] == len(WRONG)
    held = eventually(lambda: deployed.run_json("quarantine"), lambda seen: seen["lines"] == len(WRONG))
    story.quarantine = held["reasons"]
    story.board = eventually(
        lambda: deployed.run_json("leaderboard"), lambda board: board[0]["live_samples"] == len(story.after)
    )
    return story


@dataclass(slots=True)
class Sequel:
    """What was seen when the schema changed under a model that serves."""

    with_another_bound: Any = None
    replayed: dict[str, Any] = field(default_factory=dict)
    refused: str = ""
    with_another_version: Any = None
    newer: int = 0
    round: dict[str, Any] = field(default_factory=dict)


@pytest.fixture(scope="module")
def sequel(story: Story, deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Sequel:
    """The schema is changed twice and deployed each time; nothing is thrown away."""
    sequel, files, stack = Sequel(), tmp_path_factory.mktemp("files"), Stack(deployed.aws)
    last = {"features": features_of(records(story.after)[0])}

    # a bound is widened: what was refused for it comes back
    before = len(stack.rows())
    deployed.checkout.change('Unit("deg"), Field(ge=-90, ', 'Unit("deg"), Field(ge=-91, ')
    deployed.dwell("local", "up")
    _, sequel.with_another_bound = stack.ask(last)
    sequel.replayed = deployed.run_json("replay")
    eventually(stack.rows, lambda rows: len(rows) == before + 1)

    # a version is raised: samples and rows of the one before count no more
    deployed.checkout.change("VERSION = 3", "VERSION = 4")
    deployed.dwell("local", "up")
    old = {"schema_version": 3, TARGET: story.after[TARGET].iloc[0], **last}
    (files / "old.ndjson").write_text(f"{json.dumps(old)}\n")
    sequel.refused = deployed.dwell("publish", str(files / "old.ndjson"), status=2)
    newer = story.before[story.before["year"] > 1952]
    newer.to_csv(files / "newer.csv", index=False)
    sequel.newer = deployed.run_json("publish", str(files / "newer.csv"))["published"]
    eventually(stack.rows, lambda rows: len(rows) == before + 1 + sequel.newer)
    time.sleep(1.1)  # as above
    sequel.round = deployed.run_json("retrain", "--wait", "--patience", "300")["round"]
    _, sequel.with_another_version = stack.ask(last)
    return sequel


# --- one file ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("schema", ["schema.py", "awkward_schema.py"])
def test_unit_tests_pass_under_another_schema(schema: str, tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    checkout = copy(tmp_path / "checkout", HERE / schema, tmp_path / "tmp")
    done = checkout.python("-m", "pytest", "-n", "2", "tests/unit", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout[-5_000:]
    counted = {what: int(count) for count, what in re.findall(r"(\d+) (passed|skipped)", done.stdout)}
    assert counted["passed"] > 10 * counted["skipped"], "what tells of robots is a small part"
    reasons = re.findall(r"^SKIPPED .*?: (.*)$", done.stdout, re.MULTILINE)
    assert {reason[:36] for reason in reasons} == {"the fleet simulates warehouse robots"}


@pytest.mark.parametrize("command", ["run", "fleet run --stack dwell", "fleet drifts"])
def test_robot_commands_are_refused_in_another_domain(checkout: Checkout, command: str) -> None:
    said = " ".join(checkout.dwell(*command.split(), status=2).split())
    assert f"something else ({TARGET}); publish samples of your own with `dwell publish`" in said


def test_athena_table_has_the_columns_of_the_schema(checkout: Checkout) -> None:
    ddl = checkout.dwell("table", "--bucket", "a-bucket")
    columns = re.findall(r"^  `(\w+)` (\w+) COMMENT", ddl, re.MULTILINE)
    whole = {"year", "population"}
    expected = [(name, "bigint" if name in whole else "double") for name in (TARGET, *FEATURES)]
    assert columns[: len(expected)] == expected


def test_only_the_schema_file_was_changed(checkout: Checkout, sequel: Sequel) -> None:
    assert sequel.round
    assert checkout.changed() == [SCHEMA]


# --- the loop ------------------------------------------------------------------------------------------------------


def test_prediction_without_a_model_is_the_schema_baseline(story: Story) -> None:
    assert datetime.fromisoformat(story.fallback["asked_at"]) < datetime.now(UTC)
    assert story.fallback == FALLBACK | {"asked_at": story.fallback["asked_at"]}


def test_published_values_are_stored_to_the_last_digit(story: Story) -> None:
    width = len(FEATURES) + 1
    stored = sorted([float(cell) for cell in row.split(",")[:width]] for row in story.stored)
    assert stored == sorted([float(value) for value in row] for row in story.before.to_numpy().tolist())
    assert {row.split(",")[-3] for row in story.stored} == {"3"}, "the schema's version, before two times"


def test_winner_beats_the_baseline_and_serves(story: Story) -> None:
    round_ = story.round
    assert (round_["status"], round_["reason"], round_["deployment"]) == ("promoted", "beats_baseline", "live")
    assert round_["dataset"]["train"] + round_["dataset"]["test"] == len(story.before)
    # it is tested on the newest quarter, and the error without a model is what anybody can work out
    tested = story.before[TARGET].tolist()[-round_["dataset"]["test"] :]
    assert round_["baseline_rmse"] == pytest.approx(error([BASELINE] * len(tested), tested))
    errors = {candidate["name"]: candidate["rmse"] for candidate in round_["candidates"]}
    assert set(errors) == {"xgboost", "linear", "k-nearest-neighbours"}
    assert max(errors.values()) < 0.6 * round_["baseline_rmse"]


def test_leaderboard_ranks_all_models(story: Story) -> None:
    assert [entry["rank"] for entry in story.board] == [1, 2, 3]
    assert [entry["live"] for entry in story.board] == [True, False, False]
    errors = [entry["test_rmse"] for entry in story.board]
    assert errors == sorted(errors)
    assert story.board[0]["model"] == story.round["promoted"]


def test_unseen_year_is_predicted_and_its_live_error_known(story: Story) -> None:
    assert {(prediction["source"], prediction["model"]) for prediction in story.answers} == {
        ("model", story.round["promoted"])
    }
    happened = story.after[TARGET].tolist()
    live = error([prediction[TARGET] for prediction in story.answers], happened)
    assert live < 0.6 * error([BASELINE] * len(happened), happened)
    assert story.board[0]["live_error"] == pytest.approx(live)
    assert float(story.plain) == story.answers[0][TARGET]


def test_api_rejects_a_value_out_of_range(story: Story) -> None:
    status, problem = story.refused
    assert (status, problem["reason"], problem["field"]) == (400, "out_of_range:latitude", "latitude")


def test_rows_out_of_range_are_stopped_or_quarantined(story: Story) -> None:
    assert story.quarantine == dict.fromkeys(WRONG, 1)
    assert all(reason in story.stopped for reason in WRONG)


# --- the schema changes --------------------------------------------------------------------------------------------


def test_model_of_the_previous_schema_is_not_used(sequel: Sequel) -> None:
    assert sequel.with_another_bound == FALLBACK | {"asked_at": sequel.with_another_bound["asked_at"]}


def test_replay_returns_what_a_wider_bound_admits(sequel: Sequel) -> None:
    assert sequel.replayed["replayed"] == 1
    assert sum(sequel.replayed["still_refused"].values()) == len(WRONG) - 1


def test_samples_of_another_version_are_rejected_and_left_out(sequel: Sequel) -> None:
    assert "unknown_schema_version" in sequel.refused
    dataset = sequel.round["dataset"]
    assert (dataset["train"] + dataset["test"], dataset["duplicates"]) == (sequel.newer, 0)
    assert (sequel.round["status"], sequel.round["reason"]) == ("promoted", "beats_baseline")
    assert sequel.with_another_version["model"] == sequel.round["promoted"]
