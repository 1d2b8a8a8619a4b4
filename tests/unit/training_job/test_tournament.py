"""A tournament: the same test set for all; what fails is recorded, and the others go on."""

from __future__ import annotations

import dataclasses
import sys
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from feature_schema import TARGET
from retraining.training_job import model_archive
from retraining.training_job.algorithms import NAMES, Algorithm, Candidate, build_candidates
from retraining.training_job.dataset import Dataset, DatasetSpec, read_dataset, read_dataset_spec
from retraining.training_job.tournament import Tournament, evaluate_candidates
from tests.factories.datasets import STAMP, make_dataset, predict_baseline, recorded_at, write_channels

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROWS = make_dataset(2_000)
TYPICAL_TARGET = float(ROWS.target.mean())
CHAMPION = "linear-20261101T000000Z"


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> tuple[DatasetSpec, Dataset]:
    channels = write_channels(tmp_path_factory.mktemp("channels"), ROWS.lines, recent_since=recorded_at(1_000))
    description = read_dataset_spec(Path(channels["SM_CHANNEL_DATASET"]))
    return description, read_dataset(Path(channels["SM_CHANNEL_SAMPLES"]), description)


class Constant:
    """A model that always answers the same."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def predict(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.full(len(features), self.answer)


def constant(name: str, answer: Any, monkeypatch: pytest.MonkeyPatch) -> Candidate:
    """A candidate whose model answers a constant, or whose training raises it if it is an exception."""

    def fit(features: Any, target: Any) -> tuple[Constant, dict[str, Any]]:
        if isinstance(answer, Exception):
            raise answer
        return Constant(answer), {}

    monkeypatch.setitem(sys.modules, f"retraining.training_job.made_up_{name}", SimpleNamespace(fit=fit))
    return Candidate(name, Algorithm(name, f"made_up_{name}", {}), "all", {})


def packed_champion(folder: Path, description: DatasetSpec, **changes: Any) -> Path:
    """An archive of a ridge regression that learnt from the oldest rows, as SageMaker packs it."""
    (ridge,) = (one.algorithm for one in build_candidates({}, with_recent=False) if one.name == "linear")
    model, _ = ridge.load_module().fit(ROWS.features[:800], ROWS.target[:800], **ridge.hyperparameters)
    told = model_archive.ModelMetadata(
        CHAMPION, "linear", 1.0, description.schema_hash, "r", description.features, description.target, "all"
    )
    content = folder / "model"
    content.mkdir()
    model_archive.write(content, dataclasses.replace(told, **changes), model)
    with tarfile.open(folder / "model.tar.gz", "w:gz") as tar:
        tar.add(content, arcname=".")
    return folder / "model.tar.gz"


def outcome(given: tuple[DatasetSpec, Dataset], *candidates: Candidate, champion: Path | None = None) -> Tournament:
    description, dataset = given
    if champion is not None:
        description = dataclasses.replace(description, champion=CHAMPION)
    return evaluate_candidates(description, dataset, candidates, champion)


def test_the_best_comes_first_and_is_compared_with_the_baseline(given: tuple[DatasetSpec, Dataset]) -> None:
    tournament = outcome(given, *build_candidates({}, with_recent=True))
    scores = [result.rmse for result in tournament.results if result.rmse is not None]
    assert len(scores) == len(NAMES)
    assert scores == sorted(scores)
    assert tournament.winner == tournament.results[0]
    assert tournament.winner.model == f"{tournament.winner.name}-{STAMP}"
    assert tournament.winner.expected_error == scores[0]
    test = given[1].test
    assert tournament.baseline_rmse == pytest.approx(
        ((predict_baseline(test.features) - test.target) ** 2).mean() ** 0.5
    )
    assert tournament.champion is None
    assert tournament.comparison is not None
    assert (tournament.comparison["against"], tournament.comparison["significant"]) == ("baseline", True)


def test_a_candidate_that_fails_or_answers_no_number_is_recorded_and_the_others_go_on(
    given: tuple[DatasetSpec, Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = Candidate("missing", Algorithm("missing", "no_such_module", {}), "all", {})
    answers: dict[str, Any] = {
        "raises": ValueError("singular"),
        "nan": float("nan"),
        "infinite": float("inf"),
        "huge": 1e200,
        "good": TYPICAL_TARGET,
        "full": MemoryError("no room"),
        "rude": np.array([1.0, 2.0]).mean() * 1e9,
    }
    candidates = [missing, *(constant(name, answer, monkeypatch) for name, answer in answers.items())]
    tournament = outcome(given, *candidates)
    errors = {result.name: result.error for result in tournament.results}
    assert errors["raises"] == "ValueError: singular"
    assert errors["full"] == "MemoryError: no room"
    assert errors["nan"] == errors["infinite"] == errors["huge"]
    assert "the prediction is not a usable number for 250 of 250 test rows" in (errors["nan"] or "")
    assert "no_such_module" in (errors["missing"] or "")
    assert [result.name for result in tournament.results[:2]] == ["good", "rude"]
    assert {(result.rmse, result.expected_error) for result in tournament.results[2:]} == {(None, None)}


@pytest.mark.parametrize(("answer", "bound"), [(-1e30, TARGET.minimum), (1e30, TARGET.maximum)])
def test_an_answer_counts_as_it_would_be_given_inside_the_targets_bounds(
    given: tuple[DatasetSpec, Dataset], monkeypatch: pytest.MonkeyPatch, answer: float, bound: float
) -> None:
    (result,) = outcome(given, constant("wild", answer, monkeypatch)).results
    assert result.rmse == pytest.approx(((bound - given[1].test.target) ** 2).mean() ** 0.5)


def test_a_baseline_counts_as_it_would_be_answered(given: tuple[DatasetSpec, Dataset]) -> None:
    # given a feature that goes beyond the target's bounds
    description, dataset = given
    features = dataset.test.features.copy()
    features[:, 0] = 10 * TARGET.maximum + 10
    beyond = dataclasses.replace(dataset, test=dataclasses.replace(dataset.test, features=features))
    changed = dataclasses.replace(description, baseline=description.features[0])
    # when
    tournament = evaluate_candidates(changed, beyond, build_candidates({}, with_recent=False)[:1], None)
    # then
    expected = ((TARGET.maximum - dataset.test.target) ** 2).mean() ** 0.5
    assert tournament.baseline_rmse == pytest.approx(expected)


def test_without_any_model_there_is_no_winner(
    given: tuple[DatasetSpec, Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    tournament = outcome(given, constant("raises", ValueError("singular"), monkeypatch))
    assert (tournament.winner, tournament.winning_model, tournament.comparison) == (None, None, None)


def test_the_champion_is_scored_from_its_own_archive_on_the_same_rows(
    given: tuple[DatasetSpec, Dataset], tmp_path: Path
) -> None:
    champion = packed_champion(tmp_path, given[0])
    tournament = outcome(given, *build_candidates({}, with_recent=True), champion=champion)
    (tmp_path / "unpacked").mkdir()
    model_archive.unpack(champion, tmp_path / "unpacked")
    predicted = model_archive.load(tmp_path / "unpacked").model.predict(given[1].test.features)
    assert tournament.champion is not None
    assert tournament.champion.rmse == pytest.approx(((predicted - given[1].test.target) ** 2).mean() ** 0.5)
    assert tournament.comparison is not None
    assert (tournament.comparison["against"], tournament.comparison["model"]) == ("champion", CHAMPION)


def test_a_challenger_worse_than_the_champion_is_not_significant(
    given: tuple[DatasetSpec, Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tournament = outcome(
        given, constant("poor", TYPICAL_TARGET, monkeypatch), champion=packed_champion(tmp_path, given[0])
    )
    assert tournament.comparison is not None
    assert tournament.comparison["mean_gain"] < 0
    assert tournament.comparison["significant"] is False


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"schema_hash": "0" * 16}, "it has the schema 0000000000000000"),
        ({"model": "linear-of-another-round"}, "the archive holds linear-of-another-round"),
        ({"algorithm": "oracle"}, "no algorithm has the name 'oracle'"),
        ({"algorithm": "xgboost"}, "xgboost.ubj"),
    ],
)
def test_a_champion_that_cannot_be_used_is_recorded_and_the_baseline_takes_its_place(
    given: tuple[DatasetSpec, Dataset], tmp_path: Path, changes: dict[str, str], reason: str
) -> None:
    tournament = outcome(
        given, *build_candidates({}, with_recent=False)[1:2], champion=packed_champion(tmp_path, given[0], **changes)
    )
    assert tournament.champion is not None
    assert tournament.champion.rmse is None
    assert reason in (tournament.champion.error or "")
    assert tournament.comparison is not None
    assert (tournament.comparison["against"], tournament.comparison["model"]) == ("baseline", None)


def test_a_champion_whose_archive_is_absent_or_damaged_is_recorded(
    given: tuple[DatasetSpec, Dataset], tmp_path: Path
) -> None:
    damaged = tmp_path / "model.tar.gz"
    damaged.write_bytes(b"not an archive")
    candidate = build_candidates({}, with_recent=False)[1]
    for packed, reason in ((None, "was not delivered"), (damaged, "cannot be unpacked")):
        description = dataclasses.replace(given[0], champion=CHAMPION)
        tournament = evaluate_candidates(description, given[1], (candidate,), packed)
        assert tournament.champion is not None
        assert reason in (tournament.champion.error or "")
        assert tournament.winner is not None


def test_a_test_set_too_small_to_decide_is_told_in_numbers_all_the_same(given: tuple[DatasetSpec, Dataset]) -> None:
    # given fewer test rows than a comparison needs
    description, dataset = given
    few = dataclasses.replace(dataset, test=dataset.test.slice(0, 20))
    # when
    tournament = evaluate_candidates(description, few, build_candidates({}, with_recent=False), None)
    # then nothing is significant, and the record is complete
    assert tournament.comparison is not None
    assert tournament.comparison["mean_gain"] > 0
    assert tournament.comparison["standard_error"] > 0
    assert tournament.comparison["significant"] is False
