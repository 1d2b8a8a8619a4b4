"""Robots and their samples: contract, determinism, and every kind of damage with its reason."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwell.messaging.line import LineKind
from dwell.simulator.corruption import CORRUPTIONS, Corruption, corrupt_line
from dwell.simulator.drift import DRIFTS, UnknownDriftError, get_drift
from dwell.simulator.physics import World
from dwell.simulator.robots import Robots, noise_floor, row_line, sample_line
from feature_schema import (
    InvalidInputError,
    build_prediction,
    derive_csv_sample_id,
    get_actual_value,
    parse_features,
    parse_line,
    parse_request,
)

pytestmark = pytest.mark.usefixtures("robots")
NOW = datetime(2026, 11, 23, 6, 39, 0, 123_456, tzinfo=UTC)
ANSWER = build_prediction(14_000.5, model="xgboost-1", expected_error=2_000.25, asked_at="2026-11-23T06:38:59.123Z")


def samples(seed: int, count: int = 50, *, predicted: bool = False) -> list[dict[str, Any]]:
    robots = Robots(seed)
    taken = robots.take(count)
    answers = [ANSWER for _ in range(count)]
    return robots.samples(taken, NOW, answers if predicted else None)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**40), predicted=st.booleans())
def test_good_samples_are_accepted_as_json_and_as_rows(seed: int, predicted: bool) -> None:
    for position, sample in enumerate(samples(seed, predicted=predicted)):
        line, row = sample_line(sample), row_line(sample)

        accepted = parse_line(line.text.encode(), message_id="m", position=position, received_at=NOW)
        same = parse_line(row.text.encode(), message_id="m", position=position, received_at=NOW)

        assert accepted.sample_id == line.identity
        assert (accepted.prediction is not None) == predicted
        assert (get_actual_value(same), same.features) == (get_actual_value(accepted), accepted.features)
        assert (same.sample_id, row.identity, row.kind) == (derive_csv_sample_id("m", position), "", LineKind.ROW)


def test_a_prediction_is_echoed_as_it_was_answered() -> None:
    (sample,) = samples(1, 1, predicted=True)

    assert json.loads(sample_line(sample).text)["prediction"] == ANSWER


def test_a_missing_prediction_is_an_error_not_a_shift() -> None:
    robots = Robots(1)

    with pytest.raises(ValueError, match="shorter"):
        robots.samples(robots.take(2), NOW, [build_prediction(1.0, model=None, expected_error=None)])


def test_questions_are_what_the_api_accepts() -> None:
    taken = Robots(1).take(3)

    request = parse_request(json.dumps({"instances": taken.instances()}))

    assert request.instances is not None
    rows = [",".join(map(str, row)) for row in taken.features.tolist()]
    assert [parse_features(row) for row in rows] == list(request.instances)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**40), sizes=st.lists(st.integers(1, 400), min_size=1, max_size=6))
def test_a_seed_gives_the_same_samples_however_they_are_taken(seed: int, sizes: list[int]) -> None:
    at_once, in_parts = Robots(seed), Robots(seed)

    full = at_once.samples(at_once.take(sum(sizes)), NOW)
    parts = [sample for size in sizes for sample in in_parts.samples(in_parts.take(size), NOW)]

    assert full == parts
    assert len({sample["sample_id"] for sample in full}) == sum(sizes)


def test_other_seeds_are_other_samples() -> None:
    one, other = samples(1), samples(2)

    assert not {sample["sample_id"] for sample in one} & {sample["sample_id"] for sample in other}
    assert [sample["features"] for sample in one] != [sample["features"] for sample in other]


def test_robots_have_one_centre_and_centres_their_shares() -> None:
    robots = Robots(1, robots=1_000)
    taken = robots.take(20_000)

    home: dict[int, set[int]] = {}
    for robot, centre in zip(taken.robots.tolist(), taken.centres.tolist(), strict=True):
        home.setdefault(robot, set()).add(centre)

    assert all(len(centres) == 1 for centres in home.values())
    assert np.bincount(taken.centres) / 20_000 == pytest.approx([c.share for c in World().centres], abs=0.03)


def test_drift_changes_only_later_interactions() -> None:
    steady, drifting = Robots(1), Robots(1)
    first, same_first = steady.take(100), drifting.take(100)

    drifting.change_world(get_drift("new-gripper").apply(drifting.world), "new-gripper")
    second, changed = steady.take(1_000), drifting.take(1_000)

    assert (first.durations == same_first.durations).all()
    assert (second.numbers == changed.numbers).all()
    assert (second.features == changed.features).all()  # a gripper does not change what is in the bins
    assert (changed.expected - second.expected).min() == pytest.approx(0)
    assert (changed.expected - second.expected).max() > 10_000
    assert changed.label == "new-gripper"


def test_drift_changes_only_its_own_parameters() -> None:
    before = Robots(3).take(5_000)

    after = {name: Robots(3, world=drift.apply(World())).take(5_000) for name, drift in DRIFTS.items()}

    slower = after["slow-fc"].expected / before.expected
    assert (slower[before.centres == 0] > 1.1).all()
    assert slower[before.centres == 0].mean() > 1.3
    assert slower[before.centres != 0] == pytest.approx(1)
    assert (after["clutter-policy"].features.mean(axis=0) > before.features.mean(axis=0)).sum() >= 2
    assert after["clutter-policy"].expected.mean() > before.expected.mean() + 2_000
    assert (after["new-catalogue"].features.mean(axis=0) > 1.1 * before.features.mean(axis=0)).sum() >= 4


def test_drifts_add_up() -> None:
    world = World()
    for name in ("slow-fc", "new-gripper"):
        world = get_drift(name).apply(world)

    assert world.centres[0].pace > World().centres[0].pace
    assert world.gripper_slowness > World().gripper_slowness
    assert noise_floor(world, samples=5_000) > 0


def test_unknown_drift_raises_with_the_known_ones() -> None:
    with pytest.raises(UnknownDriftError, match="new-gripper"):
        get_drift("earthquake")


@pytest.mark.parametrize("damage", CORRUPTIONS, ids=lambda damage: damage.name)
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), predicted=st.booleans())
def test_corrupted_line_is_refused_for_its_reason(damage: Corruption, seed: int, predicted: bool) -> None:
    (sample,) = samples(seed, 1, predicted=predicted)

    line = corrupt_line(sample, np.random.default_rng(seed), damage)

    with pytest.raises(InvalidInputError) as refused:
        parse_line(line.text.encode(), message_id="m", position=0, received_at=NOW)
    assert refused.value.reason == line.reason
    assert line.kind is LineKind.BROKEN
    assert line.identity == sample["sample_id"]
    assert line.identity in line.text
    assert "\n" not in line.text


def test_damage_is_drawn_from_every_kind() -> None:
    rng = np.random.default_rng(0)
    (sample,) = samples(1, 1)

    reasons = {corrupt_line(sample, rng).reason.split(":")[0] for _ in range(500)}

    assert reasons >= {"missing", "out_of_range", "wrong_type", "malformed", "duplicate_key", "too_long"}


@pytest.mark.parametrize(("seed", "robots"), [(-1, 5), (1, 0)])
def test_impossible_fleets_are_refused(seed: int, robots: int) -> None:
    with pytest.raises(ValueError, match="at least one robot"):
        Robots(seed, robots=robots)


def test_nothing_cannot_be_taken() -> None:
    with pytest.raises(ValueError, match="at least one interaction"):
        Robots(1).take(0)
