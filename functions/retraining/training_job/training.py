"""The training job: read the dataset, play the tournament, write what came out and the winner's archive.

SageMaker's XGBoost image runs this file in script mode. Its arguments are ignored:
they repeat ``SM_HPS``, less exactly.
"""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import dataset as datasets
from . import model_archive
from . import tournament as tournaments
from .algorithms import HyperparameterError, build_candidates

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger("train")

CHAMPION = "model.tar.gz"
OUTCOME = "tournament.json"


def run(environment: Mapping[str, str]) -> None:
    """Do the whole job. ``environment`` has the ``SM_*`` variables of script mode.

    Raises ``DatasetError`` or ``HyperparameterError`` if there is nothing to play with. A tournament without a winner
    is an outcome too: it is written, and no archive is.
    """
    started = time.monotonic()
    description = datasets.read_dataset_spec(Path(environment["SM_CHANNEL_DATASET"]))
    dataset = datasets.read_dataset(Path(environment["SM_CHANNEL_SAMPLES"]), description)
    log.info("round %s, dataset %s", description.round, dataset.summary())
    candidates = build_candidates(
        _hyperparameters(environment), recent=dataset.has_recent_part, recent_rows=len(dataset.recent_train)
    )
    tournament = tournaments.evaluate_candidates(description, dataset, candidates, _champion(environment))

    winner = tournament.winner
    if winner is not None and winner.rmse is not None and tournament.winning_model is not None:
        told = model_archive.ModelDescription(
            model=winner.model,
            algorithm=winner.algorithm,
            expected_error=winner.rmse,
            schema_hash=description.schema_hash,
            round=description.round,
            features=description.features,
            target=description.target,
            trained_on=winner.trained_on,
        )
        model_archive.write(Path(environment["SM_MODEL_DIR"]), told, tournament.winning_model)
    outcome = {
        "round": description.round,
        "schema_hash": description.schema_hash,
        "dataset": dataset.summary(),
        "baseline_rmse": tournament.baseline_rmse,
        "champion": None if tournament.champion is None else asdict(tournament.champion),
        "candidates": [asdict(result) for result in tournament.results],
        "winner": None if winner is None else winner.name,
        "comparison": tournament.comparison,
        "seconds": round(time.monotonic() - started, 3),
    }
    output = Path(environment["SM_OUTPUT_DATA_DIR"])
    output.mkdir(parents=True, exist_ok=True)  # the image does not
    (output / OUTCOME).write_text(json.dumps(outcome, indent=2, allow_nan=False) + "\n")
    _tell(tournament)


def _hyperparameters(environment: Mapping[str, str]) -> dict[str, Any]:
    given: dict[str, Any] = json.loads(environment.get("SM_HPS", "{}"))
    return {name: value for name, value in given.items() if not name.startswith("sagemaker_")}


def _champion(environment: Mapping[str, str]) -> Path | None:
    channel = environment.get("SM_CHANNEL_CHAMPION")
    return None if channel is None else next(iter(sorted(Path(channel).rglob(CHAMPION))), None)


def _tell(tournament: tournaments.Tournament) -> None:
    """For whoever reads the log. Metrics of the job they cannot be: those of SageMaker's own images are SageMaker's."""
    errors = {result.name: result.rmse for result in tournament.results}
    errors["baseline"] = tournament.baseline_rmse
    if tournament.champion is not None:
        errors["champion"] = tournament.champion.rmse
    for who, rmse in errors.items():
        log.info("error of %s: %s", who, rmse)


def main() -> int:
    """Run, and say in one line why it does not: SageMaker itself only tells that the script failed."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    # OpenMP's threads wait for each other in a loop, which on a busy machine takes twenty times as long as sleeping,
    # and on an idle one saves a tenth. It reads this when XGBoost is loaded, which is not yet.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        run(os.environ)
    except (datasets.DatasetError, HyperparameterError) as error:
        log.error("%s", error)  # noqa: TRY400 - the sentence says it all, a traceback would hide it
        return 1
    return 0
