"""One tournament: every candidate, the baseline and the champion on the same test set; the best is compared."""

from __future__ import annotations

import logging
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import model_archive
from .holdout import compute_rmse
from .significance import compare

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .algorithms import Candidate, Hyperparameters, Model
    from .dataset import Dataset, DatasetSpec, Rows

log = logging.getLogger(__name__)


class InvalidModelError(ValueError):
    """A model that cannot be scored: its predictions are not usable numbers, or its archive is not the expected one."""


@dataclass(frozen=True, slots=True)
class CandidateResult:
    """A candidate's result. ``rmse`` is on the test set, in the target's unit; a failed candidate has ``error``."""

    name: str
    algorithm: str
    trained_on: str
    model: str
    rmse: float | None
    expected_error: float | None
    seconds: float
    error: str | None
    hyperparameters: Hyperparameters


@dataclass(frozen=True, slots=True)
class ChampionResult:
    """The champion's RMSE on the test set, or why it could not be scored."""

    model: str
    rmse: float | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Tournament:
    """The results, best first and failures last; ``winning_model`` is None if all candidates failed."""

    baseline_rmse: float
    champion: ChampionResult | None
    results: tuple[CandidateResult, ...]
    winning_model: Model | None
    comparison: dict[str, Any] | None

    @property
    def winner(self) -> CandidateResult | None:
        """The result of the best candidate, if any succeeded."""
        return self.results[0] if self.winning_model is not None else None


def evaluate_candidates(
    spec: DatasetSpec, dataset: Dataset, candidates: tuple[Candidate, ...], champion_archive: Path | None
) -> Tournament:
    """Train and score all candidates, and compare the best with the champion, or else with the baseline.

    ``champion_archive`` is the champion's packed archive, if the job has the channel.
    """
    test = dataset.test
    baseline_squared = (_predict_baseline(spec, test) - test.target) ** 2
    champion, champion_squared = _score_champion(spec, test, champion_archive)
    scored = [_score_candidate(candidate, spec, dataset) for candidate in candidates]
    scored.sort(key=lambda entry: (entry[0].rmse is None, entry[0].rmse or 0.0))

    best, winning_model, winner_squared = scored[0]
    log.info("best: %s", best.name if winning_model is not None else "none")
    comparison = None
    if winner_squared is not None:
        against_champion = champion is not None and champion_squared is not None
        opponent = champion_squared if champion_squared is not None else baseline_squared
        comparison = {
            "against": "champion" if against_champion else "baseline",
            "model": champion.model if champion is not None and against_champion else None,
            **asdict(compare(winner_squared, opponent, challengers=len(scored))),
        }
    return Tournament(
        baseline_rmse=float(baseline_squared.mean() ** 0.5),
        champion=champion,
        results=tuple(result for result, _, _ in scored),
        winning_model=winning_model,
        comparison=comparison,
    )


def _predict_baseline(spec: DatasetSpec, test: Rows) -> NDArray[np.float64]:
    """The baseline for each test row: a feature's value, or a constant."""
    if isinstance(spec.baseline, str):
        return _clip_to_bounds(spec, test.features[:, spec.features.index(spec.baseline)])
    return np.full(len(test), spec.baseline)


def _clip_to_bounds(spec: DatasetSpec, predictions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Clients get predictions inside the target's bounds, so these are scored."""
    return np.clip(predictions, *spec.bounds)


def _predict(spec: DatasetSpec, model: Model, test: Rows) -> NDArray[np.float64]:
    """The model's predictions for the test rows, inside the target's bounds. Raises ``InvalidModelError``."""
    predicted = model.predict(test.features)
    # Beyond single precision a prediction is meaningless, and the comparison's squares of squares could overflow.
    usable = np.abs(predicted) <= np.finfo(np.float32).max
    unusable_rows = len(test) if predicted.shape != test.target.shape else int((~usable).sum())
    if unusable_rows:
        raise InvalidModelError(f"the prediction is not a usable number for {unusable_rows} of {len(test)} test rows")
    return _clip_to_bounds(spec, predicted)


def _fit(candidate: Candidate, dataset: Dataset) -> tuple[Model, Hyperparameters]:
    module, hyperparameters = candidate.algorithm.load_module(), candidate.hyperparameters
    recent = dataset.recent_train
    if candidate.trained_on == "continued":
        older = dataset.older_train
        start, _ = module.fit(older.features, older.target, **hyperparameters)
        return module.continue_fit(start, recent.features, recent.target, **hyperparameters)
    rows = dataset.train if candidate.trained_on == "all" else recent
    return module.fit(rows.features, rows.target, **hyperparameters)


def _score_candidate(
    candidate: Candidate, spec: DatasetSpec, dataset: Dataset
) -> tuple[CandidateResult, Model | None, NDArray[np.float64] | None]:
    """Train and score one candidate: its result, its model, and its squared errors (test rows,).

    An exception is logged and recorded, and does not stop the other candidates.
    """
    started_at = time.monotonic()
    model: Model | None = None
    predicted: NDArray[np.float64] | None = None
    error, score, hyperparameters = None, None, candidate.hyperparameters
    try:
        model, selected = _fit(candidate, dataset)
        predicted = _predict(spec, model, dataset.test)
        hyperparameters, score = {**hyperparameters, **selected}, compute_rmse(predicted, dataset.test.target)
    except Exception as exception:
        log.exception("candidate %s failed", candidate.name)
        model, error = None, f"{type(exception).__name__}: {exception}"
    result = CandidateResult(
        name=candidate.name,
        algorithm=candidate.algorithm.name,
        trained_on=candidate.trained_on,
        model=f"{candidate.name}-{spec.stamp}",
        rmse=score,
        expected_error=score,
        seconds=round(time.monotonic() - started_at, 3),
        error=error,
        hyperparameters=hyperparameters,
    )
    return result, model, None if predicted is None or model is None else (predicted - dataset.test.target) ** 2


def _score_champion(
    spec: DatasetSpec, test: Rows, packed: Path | None
) -> tuple[ChampionResult | None, NDArray[np.float64] | None]:
    """Score the champion: its result and its squared errors (test rows,). A failure is recorded with its reason."""
    if spec.champion is None:
        return None, None
    try:
        predicted = _predict_with_champion(spec, test, packed)
    except Exception as exception:
        log.exception("champion %s cannot be scored", spec.champion)
        return ChampionResult(spec.champion, None, f"{type(exception).__name__}: {exception}"), None
    return ChampionResult(spec.champion, compute_rmse(predicted, test.target), None), (predicted - test.target) ** 2


def _predict_with_champion(spec: DatasetSpec, test: Rows, packed: Path | None) -> NDArray[np.float64]:
    if packed is None:
        raise InvalidModelError("its archive was not delivered")
    with tempfile.TemporaryDirectory() as folder:
        model_archive.unpack(packed, Path(folder))
        metadata = model_archive.read_metadata(Path(folder))
        if metadata.model != spec.champion:
            raise InvalidModelError(f"the archive holds {metadata.model}")
        if metadata.schema_hash != spec.schema_hash:
            raise InvalidModelError(f"it has the schema {metadata.schema_hash}, the dataset has {spec.schema_hash}")
        return _predict(spec, model_archive.load(Path(folder)).model, test)
