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
def round_data(tmp_path_factory: pytest.TempPathFactory) -> tuple[DatasetSpec, Dataset]:
    channels = write_channels(tmp_path_factory.mktemp("channels"), ROWS.lines, recent_since=recorded_at(1_000))
    spec = read_dataset_spec(Path(channels["SM_CHANNEL_DATASET"]))
    return spec, read_dataset(Path(channels["SM_CHANNEL_SAMPLES"]), spec)


class Constant:
    """A model that always answers the same."""

    def __init__(self, prediction: Any) -> None:
        self.prediction = prediction

    def predict(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.full(len(features), self.prediction)


def constant(name: str, prediction: Any, monkeypatch: pytest.MonkeyPatch) -> Candidate:
    """A candidate whose model predicts a constant, or whose training raises it if it is an exception."""

    def fit(features: Any, target: Any) -> tuple[Constant, dict[str, Any]]:
        if isinstance(prediction, Exception):
            raise prediction
        return Constant(prediction), {}

    monkeypatch.setitem(sys.modules, f"retraining.training_job.fake_{name}", SimpleNamespace(fit=fit))
    return Candidate(name, Algorithm(name, f"fake_{name}", {}), "all", {})


def packed_champion(folder: Path, spec: DatasetSpec, **changes: Any) -> Path:
    """An archive of a ridge regression trained on the oldest rows, as SageMaker packs it."""
    (ridge,) = (
        candidate.algorithm for candidate in build_candidates({}, with_recent=False) if candidate.name == "linear"
    )
    model, _ = ridge.load_module().fit(ROWS.features[:800], ROWS.target[:800], **ridge.hyperparameters)
    metadata = model_archive.ModelMetadata(
        CHAMPION, "linear", 1.0, spec.schema_hash, "r", spec.features, spec.target, "all"
    )
    content = folder / "model"
    content.mkdir()
    model_archive.write(content, dataclasses.replace(metadata, **changes), model)
    with tarfile.open(folder / "model.tar.gz", "w:gz") as tar:
        tar.add(content, arcname=".")
    return folder / "model.tar.gz"


def run(round_data: tuple[DatasetSpec, Dataset], *candidates: Candidate, champion: Path | None = None) -> Tournament:
    spec, dataset = round_data
    if champion is not None:
        spec = dataclasses.replace(spec, champion=CHAMPION)
    return evaluate_candidates(spec, dataset, candidates, champion)


def test_best_candidate_is_first_and_compared_with_baseline(round_data: tuple[DatasetSpec, Dataset]) -> None:
    tournament = run(round_data, *build_candidates({}, with_recent=True))
    scores = [result.rmse for result in tournament.results if result.rmse is not None]
    assert len(scores) == len(NAMES)
    assert scores == sorted(scores)
    assert tournament.winner == tournament.results[0]
    assert tournament.winner.model == f"{tournament.winner.name}-{STAMP}"
    assert tournament.winner.expected_error == scores[0]
    test = round_data[1].test
    assert tournament.baseline_rmse == pytest.approx(
        ((predict_baseline(test.features) - test.target) ** 2).mean() ** 0.5
    )
    assert tournament.champion is None
    assert tournament.comparison is not None
    assert (tournament.comparison["against"], tournament.comparison["significant"]) == ("baseline", True)


def test_failed_candidates_are_recorded_and_others_scored(
    round_data: tuple[DatasetSpec, Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = Candidate("missing", Algorithm("missing", "no_such_module", {}), "all", {})
    predictions: dict[str, Any] = {
        "raises": ValueError("singular"),
        "nan": float("nan"),
        "infinite": float("inf"),
        "huge": 1e200,
        "good": TYPICAL_TARGET,
        "full": MemoryError("no room"),
        "rude": np.array([1.0, 2.0]).mean() * 1e9,
    }
    candidates = [missing, *(constant(name, prediction, monkeypatch) for name, prediction in predictions.items())]
    tournament = run(round_data, *candidates)
    errors = {result.name: result.error for result in tournament.results}
    assert errors["raises"] == "ValueError: singular"
    assert errors["full"] == "MemoryError: no room"
    assert errors["nan"] == errors["infinite"] == errors["huge"]
    assert "the prediction is not a usable number for 250 of 250 test rows" in (errors["nan"] or "")
    assert "no_such_module" in (errors["missing"] or "")
    assert [result.name for result in tournament.results[:2]] == ["good", "rude"]
    assert {(result.rmse, result.expected_error) for result in tournament.results[2:]} == {(None, None)}


@pytest.mark.parametrize(("prediction", "bound"), [(-1e30, TARGET.minimum), (1e30, TARGET.maximum)])
def test_predictions_are_scored_within_target_bounds(
    round_data: tuple[DatasetSpec, Dataset], monkeypatch: pytest.MonkeyPatch, prediction: float, bound: float
) -> None:
    (result,) = run(round_data, constant("wild", prediction, monkeypatch)).results
    assert result.rmse == pytest.approx(((bound - round_data[1].test.target) ** 2).mean() ** 0.5)


def test_baseline_is_scored_within_target_bounds(round_data: tuple[DatasetSpec, Dataset]) -> None:
    # given a feature with values beyond the target's bounds
    spec, dataset = round_data
    features = dataset.test.features.copy()
    features[:, 0] = 10 * TARGET.maximum + 10
    beyond = dataclasses.replace(dataset, test=dataclasses.replace(dataset.test, features=features))
    changed = dataclasses.replace(spec, baseline=spec.features[0])
    # when
    tournament = evaluate_candidates(changed, beyond, build_candidates({}, with_recent=False)[:1], None)
    # then
    expected = ((TARGET.maximum - dataset.test.target) ** 2).mean() ** 0.5
    assert tournament.baseline_rmse == pytest.approx(expected)


def test_tournament_of_failed_candidates_has_no_winner(
    round_data: tuple[DatasetSpec, Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    tournament = run(round_data, constant("raises", ValueError("singular"), monkeypatch))
    assert (tournament.winner, tournament.winning_model, tournament.comparison) == (None, None, None)


def test_champion_is_scored_from_its_archive_on_same_rows(
    round_data: tuple[DatasetSpec, Dataset], tmp_path: Path
) -> None:
    champion = packed_champion(tmp_path, round_data[0])
    tournament = run(round_data, *build_candidates({}, with_recent=True), champion=champion)
    (tmp_path / "unpacked").mkdir()
    model_archive.unpack(champion, tmp_path / "unpacked")
    predicted = model_archive.load(tmp_path / "unpacked").model.predict(round_data[1].test.features)
    assert tournament.champion is not None
    assert tournament.champion.rmse == pytest.approx(((predicted - round_data[1].test.target) ** 2).mean() ** 0.5)
    assert tournament.comparison is not None
    assert (tournament.comparison["against"], tournament.comparison["model"]) == ("champion", CHAMPION)


def test_challenger_worse_than_champion_is_not_significant(
    round_data: tuple[DatasetSpec, Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tournament = run(
        round_data, constant("poor", TYPICAL_TARGET, monkeypatch), champion=packed_champion(tmp_path, round_data[0])
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
def test_unusable_champion_is_recorded_and_baseline_compared(
    round_data: tuple[DatasetSpec, Dataset], tmp_path: Path, changes: dict[str, str], reason: str
) -> None:
    tournament = run(
        round_data,
        *build_candidates({}, with_recent=False)[1:2],
        champion=packed_champion(tmp_path, round_data[0], **changes),
    )
    assert tournament.champion is not None
    assert tournament.champion.rmse is None
    assert reason in (tournament.champion.error or "")
    assert tournament.comparison is not None
    assert (tournament.comparison["against"], tournament.comparison["model"]) == ("baseline", None)


def test_missing_or_damaged_champion_archive_is_recorded(
    round_data: tuple[DatasetSpec, Dataset], tmp_path: Path
) -> None:
    damaged = tmp_path / "model.tar.gz"
    damaged.write_bytes(b"not an archive")
    candidate = build_candidates({}, with_recent=False)[1]
    for packed, reason in ((None, "was not delivered"), (damaged, "cannot be unpacked")):
        spec = dataclasses.replace(round_data[0], champion=CHAMPION)
        tournament = evaluate_candidates(spec, round_data[1], (candidate,), packed)
        assert tournament.champion is not None
        assert reason in (tournament.champion.error or "")
        assert tournament.winner is not None


def test_small_test_set_is_compared_but_not_significant(round_data: tuple[DatasetSpec, Dataset]) -> None:
    # given fewer test rows than a comparison needs
    spec, dataset = round_data
    few = dataclasses.replace(dataset, test=dataset.test.slice(0, 20))
    # when
    tournament = evaluate_candidates(spec, few, build_candidates({}, with_recent=False), None)
    # then nothing is significant, and the record is complete
    assert tournament.comparison is not None
    assert tournament.comparison["mean_gain"] > 0
    assert tournament.comparison["standard_error"] > 0
    assert tournament.comparison["significant"] is False
