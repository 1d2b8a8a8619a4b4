"""Live error of a batch, and the models that get metrics."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.validator.factories import make_firehose_event
from validator.batch_metrics import (
    MAX_MODELS_PER_BATCH,
    MAX_MODELS_PER_ENVIRONMENT,
    BatchMetrics,
    LiveError,
    measure,
    select_models,
)
from validator.transform import transform

if TYPE_CHECKING:
    from tests.unit.validator.factories import ReadEvent


def read_samples(event: dict[str, Any]) -> list[Any]:
    return transform(event).accepted


@pytest.mark.usefixtures("robots")
def test_only_predictions_of_a_model_are_measured(event: ReadEvent) -> None:
    metrics = measure(read_samples(event("firehose-packed")), [])

    assert metrics.accepted == 4
    (model,) = metrics.models
    assert model == "xgboost-20261122T181500Z"
    assert dataclasses.astuple(metrics.models[model]) == pytest.approx(
        (2, (14_350 - 14_100.5) ** 2 + (9_120 - 10_450) ** 2, 2 * 1_830.25**2)
    )


@pytest.mark.usefixtures("robots")
@pytest.mark.parametrize("change", [{"model": None}, {"expected_error": None}, {"source": "fallback"}], ids=str)
def test_incomplete_echo_is_not_measured(event: ReadEvent, change: dict[str, Any]) -> None:
    sample = json.loads(event("sns-single")["Records"][0]["Sns"]["Message"])
    sample["prediction"] |= change

    metrics = measure(read_samples(make_firehose_event(json.dumps(sample).encode())), [])

    assert (metrics.accepted, metrics.models) == (1, {})


def make_metrics(counts: dict[str, int]) -> BatchMetrics:
    return BatchMetrics(models={model: LiveError(count, count * 4.0, float(count)) for model, count in counts.items()})


def test_models_with_most_predictions_are_selected() -> None:
    metrics = make_metrics({f"noise-{n}": 1 for n in range(100)} | {"live": 50, "canary": 5})

    names = select_models(metrics, set())

    assert names[:2] == ["live", "canary"]
    assert len(names) == MAX_MODELS_PER_BATCH
    assert metrics.total().predicted == 155


def test_invented_names_cannot_exceed_limit() -> None:
    published: set[str] = {"live"}
    for batch in range(1_000):
        published.update(select_models(make_metrics({"live": 10, f"noise-{batch}": 20}), published))

    assert len(published) == MAX_MODELS_PER_ENVIRONMENT
    assert select_models(make_metrics({"live": 10, "noise-1000": 20}), published) == ["live"]
