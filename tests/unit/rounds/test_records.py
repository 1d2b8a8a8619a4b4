"""Records are read as they were written, also those of earlier versions; stored names never change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from rounds import (
    Candidate,
    Champion,
    Comparison,
    Dataset,
    Decision,
    Endpoint,
    EventReceipt,
    InFlightRound,
    Model,
    Record,
    Round,
    RoundLock,
)
from tests.unit.fake_aws import NOW, Cloud
from tests.unit.rounds.factories import make_round, make_store
from tests.unit.rounds.strategies import timestamps

if TYPE_CHECKING:
    from datetime import datetime

numbers = st.floats(min_value=0, max_value=1e12, allow_nan=False, allow_subnormal=False).filter(
    lambda value: value == 0 or value > 1e-100
)
names = st.text(min_size=1, max_size=30)

STORED_ITEMS = json.loads((Path(__file__).parent / "stored_items_v0.1.0.json").read_text(encoding="utf-8"))
"""Items in DynamoDB's JSON as version 0.1.0 stored them: each kind, with every attribute set."""
KINDS: dict[str, type[Record]] = {
    "Round": Round,
    "Decision": Decision,
    "Model": Model,
    "Endpoint": Endpoint,
    "Lock": RoundLock,
    "FirstSeen": EventReceipt,
}
"""By the name of the class in version 0.1.0."""


def read_item(stored: dict[str, Any]) -> dict[str, Any]:
    item: dict[str, Any] = TypeDeserializer().deserialize({"M": stored["item"]})
    return item


@given(
    rmse=numbers,
    seconds=numbers,
    started=timestamps,
    hyperparameters=st.dictionaries(
        names, st.one_of(numbers, st.integers(-(10**15), 10**15), names, st.booleans(), st.none()), max_size=5
    ),
    samples=st.integers(0, 10**12),
)
def test_a_round_is_read_as_it_was_written(
    rmse: float, seconds: float, started: datetime, hyperparameters: dict[str, Any], samples: int
) -> None:
    store = make_store(Cloud())
    dataset = Dataset(
        manifest="m", objects=1, bytes=2, cut_off=started, schema_hash="h", samples=samples, oldest=started
    )
    candidate = Candidate(
        name="xgboost",
        algorithm="xgboost",
        trained_on="all",
        model="m",
        rmse=rmse,
        seconds=seconds,
        hyperparameters=hyperparameters,
    )
    comparison = Comparison(
        against="baseline", mean_gain=-rmse, standard_error=rmse, confidence=0.95, significant=False
    )
    written = make_round(dataset=dataset, candidates=(candidate,), comparison=comparison, baseline_rmse=rmse)
    assert store.create(written)
    assert store.get(Round, written.name) == written


@pytest.mark.parametrize(
    "record",
    [
        Decision(
            name="t#e",
            cause="no-model",
            trigger="schedule",
            outcome="refuse",
            reason="cool_down",
            round="r",
            decided_at=NOW.replace(microsecond=0),
            facts={"new_samples": 3, "ratio": 1.61, "in_flight": None, "list": [1, 2.5]},
        ),
        Model(
            name="xgboost-20261123T063900Z",
            round="r",
            candidate="xgboost",
            algorithm="xgboost",
            trained_on="recent",
            test_rmse=1830.25,
            test_set="r",
            created_at=NOW,
        ),
        Endpoint(name="dwell", updated_at=NOW),
        RoundLock(holder=InFlightRound(round="r", job="j", event="e", cut_off=NOW, lease_until=NOW)),
        EventReceipt(name="e", received_at=NOW, expires_at=1),
    ],
    ids=lambda record: record.kind,
)
def test_every_kind_is_read_as_it_was_written(record: Record) -> None:
    store = make_store(Cloud())
    assert store.create(record)
    assert store.get(type(record), record.name) == record


@pytest.mark.parametrize("stored", STORED_ITEMS, ids=lambda stored: stored["type"])
def test_an_item_of_version_0_1_is_read_and_written_the_same(stored: dict[str, Any]) -> None:
    # given an item that version 0.1.0 stored
    before, item, kind = Cloud(), read_item(stored), KINDS[stored["type"]]
    before.table.items[item["kind"], item["name"]] = item
    # when it is read, and written to an empty table
    record = make_store(before).get(kind, item["name"])
    assert record is not None
    after = Cloud()
    assert make_store(after).create(record)
    # then every byte that DynamoDB receives is the same
    written = TypeSerializer().serialize(after.table.items[item["kind"], item["name"]])["M"]
    assert json.dumps(written) == json.dumps(stored["item"])


def test_the_stored_items_have_every_attribute_of_every_kind() -> None:
    attributes: dict[type[Record], set[str]] = {}
    for stored in STORED_ITEMS:
        attributes.setdefault(KINDS[stored["type"]], set()).update(stored["item"])
    assert set(attributes) == set(KINDS.values())
    for kind, stored_names in attributes.items():
        fields = {field.alias or name for name, field in kind.model_fields.items()}
        assert fields <= stored_names - {"kind"}


def test_renamed_fields_are_read_from_their_stored_names() -> None:
    items = {stored["type"]: read_item(stored) for stored in reversed(STORED_ITEMS)}
    endpoint = Endpoint.model_validate(items["Endpoint"])
    assert endpoint.serving_model == "xgboost-20261123T063900Z"
    assert (endpoint.desired_model, endpoint.deploying_model, endpoint.model_after_resume) == ("w", "d", "p")
    lock = RoundLock.model_validate(items["Lock"])
    assert lock.holder is not None
    assert lock.holder.event == "e-1"
    assert EventReceipt.model_validate(items["FirstSeen"]).received_at.isoformat() == "2026-11-23T06:39:00.123000+00:00"


def test_an_attribute_of_a_newer_version_is_ignored() -> None:
    cloud = Cloud()
    store = make_store(cloud)
    store.create(make_round())
    cloud.table.items["round", make_round().name]["from_the_future"] = "x"
    assert store.get(Round, make_round().name) == make_round()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_an_rmse_that_is_not_a_finite_number_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="rmse"):
        Champion(model="m", rmse=value)


def test_a_copy_with_an_unknown_field_is_refused() -> None:
    endpoint = Endpoint(name="dwell", updated_at=NOW)
    assert endpoint.model_copy(update={"serving_model": "m"}).serving_model == "m"
    with pytest.raises(AttributeError, match="Endpoint has no field model, wanted"):
        endpoint.model_copy(update={"model": "m", "wanted": "m", "status": "Updating"})


@pytest.mark.parametrize(("errors", "best"), [([], None), ([None], None), ([3.0, None, 2.0], 2.0)])
def test_the_best_rmse_is_the_lowest_of_the_candidates(errors: list[float | None], best: float | None) -> None:
    candidates = tuple(
        Candidate(name=str(index), algorithm="a", trained_on="all", rmse=rmse) for index, rmse in enumerate(errors)
    )
    assert make_round(candidates=candidates).best_rmse == best


@pytest.mark.parametrize(
    ("state", "model"),
    [
        ({}, None),
        ({"serving_model": "live"}, "live"),
        ({"serving_model": "live", "desired_model": "next", "deploying_model": "next"}, "next"),
        ({"serving_model": "live", "desired_model": "last", "deploying_model": "next"}, "last"),
        ({"serving_model": "live", "deploying_model": "next"}, "next"),
        ({"serving_model": "live", "desired_model": "next", "status": "Updating"}, "next"),
        # the deployment never started, so no event will complete it
        ({"serving_model": "live", "desired_model": "next", "status": "InService"}, "live"),
        ({"desired_model": "next"}, None),
        ({"pause": "paused", "model_after_resume": "resting"}, "resting"),
        (
            {"pause": "paused", "model_after_resume": "noted", "serving_model": "live", "deploying_model": "next"},
            "noted",
        ),
        # the endpoint is deleted as soon as this deployment has ended
        ({"pause": "paused", "serving_model": "live", "desired_model": "next", "deploying_model": "next"}, "next"),
        ({"pause": "resuming", "model_after_resume": "resting"}, "resting"),
        (
            {
                "pause": "resuming",
                "model_after_resume": "resting",
                "desired_model": "last",
                "deploying_model": "resting",
            },
            "last",
        ),
    ],
)
def test_the_next_model_is_the_last_requested_that_can_come(state: dict[str, Any], model: str | None) -> None:
    assert Endpoint.model_validate({"name": "dwell", "updated_at": NOW, **state}).next_model == model
