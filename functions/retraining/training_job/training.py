"""The training job: reads the dataset, runs the tournament, writes the results and the winner's archive."""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import model_archive
from .algorithms import HyperparameterError, build_candidates
from .dataset import DatasetError, read_dataset, read_dataset_spec
from .tournament import Tournament, evaluate_candidates

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger("train")

CHAMPION_ARCHIVE = "model.tar.gz"
RESULTS = "tournament.json"


def run(environment: Mapping[str, str]) -> None:
    """Run the whole job. ``environment`` has the ``SM_*`` variables of SageMaker's script mode.

    Raises ``DatasetError`` or ``HyperparameterError`` if the tournament cannot start. If every candidate fails, the
    results are written without a winner and without an archive.
    """
    started_at = time.monotonic()
    spec = read_dataset_spec(Path(environment["SM_CHANNEL_DATASET"]))
    dataset = read_dataset(Path(environment["SM_CHANNEL_SAMPLES"]), spec)
    log.info("round %s, dataset %s", spec.round, dataset.summarize())
    candidates = build_candidates(
        _read_hyperparameters(environment), with_recent=dataset.has_recent_part, recent_rows=len(dataset.recent_train)
    )
    tournament = evaluate_candidates(spec, dataset, candidates, _find_champion_archive(environment))

    winner = tournament.winner
    if winner is not None and winner.rmse is not None and tournament.winning_model is not None:
        metadata = model_archive.ModelMetadata(
            model=winner.model,
            algorithm=winner.algorithm,
            expected_error=winner.rmse,
            schema_hash=spec.schema_hash,
            round=spec.round,
            features=spec.features,
            target=spec.target,
            trained_on=winner.trained_on,
        )
        model_archive.write(Path(environment["SM_MODEL_DIR"]), metadata, tournament.winning_model)
    results = {
        "round": spec.round,
        "schema_hash": spec.schema_hash,
        "dataset": dataset.summarize(),
        "baseline_rmse": tournament.baseline_rmse,
        "champion": None if tournament.champion is None else asdict(tournament.champion),
        "candidates": [asdict(result) for result in tournament.results],
        "winner": None if winner is None else winner.name,
        "comparison": tournament.comparison,
        "seconds": round(time.monotonic() - started_at, 3),
    }
    output = Path(environment["SM_OUTPUT_DATA_DIR"])
    output.mkdir(parents=True, exist_ok=True)  # the image does not create it
    (output / RESULTS).write_text(json.dumps(results, indent=2, allow_nan=False) + "\n")
    _log_errors(tournament)


def _read_hyperparameters(environment: Mapping[str, str]) -> dict[str, Any]:
    """The job's own hyperparameters. ``SM_HPS`` is exact JSON; the program's arguments repeat it in a lossy form."""
    hyperparameters: dict[str, Any] = json.loads(environment.get("SM_HPS", "{}"))
    return {name: value for name, value in hyperparameters.items() if not name.startswith("sagemaker_")}


def _find_champion_archive(environment: Mapping[str, str]) -> Path | None:
    channel = environment.get("SM_CHANNEL_CHAMPION")
    return None if channel is None else next(iter(sorted(Path(channel).rglob(CHAMPION_ARCHIVE))), None)


def _log_errors(tournament: Tournament) -> None:
    """Log every model's error.

    They cannot be metrics of the training job: SageMaker defines the metrics of its own images.
    """
    errors = {result.name: result.rmse for result in tournament.results}
    errors["baseline"] = tournament.baseline_rmse
    if tournament.champion is not None:
        errors["champion"] = tournament.champion.rmse
    for name, rmse in errors.items():
        log.info("error of %s: %s", name, rmse)


def main() -> int:
    """Run the job; returns the exit status, 1 for an error that the log explains in one line.

    SageMaker reports only that the script failed, never an exception's message.
    """
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    # By default OpenMP's threads wait actively for each other. On a busy machine that takes 20 times as long as passive
    # waiting; on an idle one it saves a tenth. The variable has to be set before XGBoost is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        run(os.environ)
    except (DatasetError, HyperparameterError) as error:
        log.error("%s", error)  # noqa: TRY400 - the message is complete; a traceback would hide it
        return 1
    return 0
