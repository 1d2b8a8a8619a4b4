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
from .holdout import rmse
from .significance import compare

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .algorithms import Candidate, Hyperparameters, Model
    from .dataset import Dataset, DatasetSpec, Rows

log = logging.getLogger(__name__)


class InvalidModelError(ValueError):
    """A model that cannot take part: it answers something that is no number, or is not the one that was announced."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a candidate did. ``rmse`` is on the test set, in the target's unit; a candidate that failed has ``error``."""

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
    """How the champion did, or why it could not be scored."""

    model: str
    rmse: float | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Tournament:
    """The outcome. ``results`` are best first, failures last; ``winning_model`` is None if all failed."""

    baseline_rmse: float
    champion: ChampionResult | None
    results: tuple[Result, ...]
    winning_model: Model | None
    comparison: dict[str, Any] | None

    @property
    def winner(self) -> Result | None:
        """The best candidate, if any could be trained."""
        return self.results[0] if self.winning_model is not None else None


def evaluate_candidates(
    description: DatasetSpec, dataset: Dataset, candidates: tuple[Candidate, ...], champion_archive: Path | None
) -> Tournament:
    """Train and score. ``champion_archive`` is the champion's packed archive, if it was delivered."""
    test = dataset.test
    baseline_squared = (_baseline(description, test) - test.target) ** 2
    champion, champion_squared = _score_champion(description, test, champion_archive)
    played = [_score_candidate(candidate, description, dataset) for candidate in candidates]
    played.sort(key=lambda one: (one[0].rmse is None, one[0].rmse or 0.0))

    best, winning_model, winner_squared = played[0]
    log.info("best: %s", best.name if winning_model is not None else "none")
    comparison = None
    if winner_squared is not None:
        against_champion = champion is not None and champion_squared is not None
        opponent = champion_squared if champion_squared is not None else baseline_squared
        comparison = {
            "against": "champion" if against_champion else "baseline",
            "model": champion.model if champion is not None and against_champion else None,
            **asdict(compare(winner_squared, opponent, challengers=len(played))),
        }
    return Tournament(
        baseline_rmse=float(baseline_squared.mean() ** 0.5),
        champion=champion,
        results=tuple(result for result, _, _ in played),
        winning_model=winning_model,
        comparison=comparison,
    )


def _baseline(description: DatasetSpec, test: Rows) -> NDArray[np.float64]:
    if isinstance(description.baseline, str):
        return _clip_to_bounds(description, test.features[:, description.features.index(description.baseline)])
    return np.full(len(test), description.baseline)


def _clip_to_bounds(description: DatasetSpec, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Whoever asks gets an answer inside the target's bounds, so that is what counts."""
    return np.clip(values, *description.bounds)


def _predict(description: DatasetSpec, model: Model, test: Rows) -> NDArray[np.float64]:
    predicted = model.predict(test.features)
    # What single precision cannot hold is no measure of anything, and its square's square would be infinite.
    usable = np.abs(predicted) <= np.finfo(np.float32).max
    wrong = len(test) if predicted.shape != test.target.shape else int((~usable).sum())
    if wrong:
        raise InvalidModelError(f"no number is answered for {wrong} of {len(test)} test rows")
    return _clip_to_bounds(description, predicted)


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
    candidate: Candidate, description: DatasetSpec, dataset: Dataset
) -> tuple[Result, Model | None, NDArray[np.float64] | None]:
    """Train and score one candidate. Whatever goes wrong is logged, recorded, and does not stop the others."""
    started = time.monotonic()
    model: Model | None = None
    predicted: NDArray[np.float64] | None = None
    error, score, chosen = None, None, candidate.hyperparameters
    try:
        model, found = _fit(candidate, dataset)
        predicted = _predict(description, model, dataset.test)
        chosen, score = {**chosen, **found}, rmse(predicted, dataset.test.target)
    except Exception as raised:
        log.exception("candidate %s failed", candidate.name)
        model, error = None, f"{type(raised).__name__}: {raised}"
    result = Result(
        name=candidate.name,
        algorithm=candidate.algorithm.name,
        trained_on=candidate.trained_on,
        model=f"{candidate.name}-{description.stamp}",
        rmse=score,
        expected_error=score,
        seconds=round(time.monotonic() - started, 3),
        error=error,
        hyperparameters=chosen,
    )
    return result, model, None if predicted is None or model is None else (predicted - dataset.test.target) ** 2


def _score_champion(
    description: DatasetSpec, test: Rows, packed: Path | None
) -> tuple[ChampionResult | None, NDArray[np.float64] | None]:
    """Score the champion with the code that serves it; one that cannot be loaded is recorded with the reason."""
    if description.champion is None:
        return None, None
    try:
        predicted = _predict_as_champion(description, test, packed)
    except Exception as raised:
        log.exception("champion %s cannot be scored", description.champion)
        return ChampionResult(description.champion, None, f"{type(raised).__name__}: {raised}"), None
    return ChampionResult(description.champion, rmse(predicted, test.target), None), (predicted - test.target) ** 2


def _predict_as_champion(description: DatasetSpec, test: Rows, packed: Path | None) -> NDArray[np.float64]:
    if packed is None:
        raise InvalidModelError("its archive was not delivered")
    with tempfile.TemporaryDirectory() as folder:
        model_archive.unpack(packed, Path(folder))
        told = model_archive.read_description(Path(folder))
        if told.model != description.champion:
            raise InvalidModelError(f"the archive holds {told.model}")
        if told.schema_hash != description.schema_hash:
            raise InvalidModelError(f"it has the schema {told.schema_hash}, the dataset has {description.schema_hash}")
        return _predict(description, model_archive.load(Path(folder)).model, test)
