"""The job's results have one contract, which three places write down: the job, promotion, and the round's record.

The image has no pydantic, and the source folder has to be complete by itself for the SageMaker SDK, so that the job's
definition cannot be the others'. This test keeps the three in step.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pytest

from promotion.job_results import (
    TournamentCandidate,
    TournamentChampion,
    TournamentComparison,
    TournamentDataset,
)
from retraining.training_job import dataset, significance
from retraining.training_job.algorithms import NAMES, TRAINING_SUBSETS
from retraining.training_job.tournament import CandidateResult, ChampionResult
from rounds import Candidate, Champion, Comparison, Dataset

if TYPE_CHECKING:
    from pydantic import BaseModel


def field_names(dataclass: Any) -> set[str]:
    return {field.name for field in fields(dataclass)}


@pytest.mark.parametrize(
    ("written", "read", "recorded"),
    [
        (field_names(CandidateResult), TournamentCandidate, Candidate),
        (field_names(ChampionResult), TournamentChampion, Champion),
        (field_names(significance.Comparison) | {"against", "model"}, TournamentComparison, Comparison),
    ],
    ids=["candidate", "champion", "comparison"],
)
def test_job_promotion_and_record_have_same_fields(
    written: set[str], read: type[BaseModel], recorded: type[BaseModel]
) -> None:
    assert written == set(read.model_fields) == set(recorded.model_fields)


def test_dataset_summary_is_read_and_recorded_completely() -> None:
    rows = dataset.Rows(np.zeros((4, 1)), np.zeros(4), np.arange(4).astype("datetime64[ms]"))
    summary = dataset.Dataset(rows.slice(0, 2), rows.slice(1, 2), rows.slice(2, 4), duplicates=1, thinned=2).summarize()
    assert set(summary) == set(TournamentDataset.model_fields)
    assert set(summary) <= set(Dataset.model_fields)
    assert TournamentDataset.model_validate(summary).train == 2


def test_training_subsets_are_those_of_promotion_and_record() -> None:
    for model in (TournamentCandidate, Candidate):
        assert get_args(model.model_fields["trained_on"].annotation) == TRAINING_SUBSETS


def test_written_candidate_is_read_unchanged() -> None:
    result = CandidateResult(
        name=NAMES[0],
        algorithm="xgboost",
        trained_on="all",
        model="xgboost-20261123T063900Z",
        rmse=1.5,
        expected_error=1.5,
        seconds=2.0,
        error=None,
        hyperparameters={"eta": 0.1},
    )
    assert TournamentCandidate.model_validate(asdict(result)).model_dump() == asdict(result)
