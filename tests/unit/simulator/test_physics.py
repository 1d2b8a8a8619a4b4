"""The robots' world: plausible ranges, a law that can be learned, and a noise floor that is exactly known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBRegressor

from dwell.simulator import physics
from dwell.simulator.drift import DRIFTS
from dwell.simulator.physics import World
from dwell.simulator.robots import Interactions, Robots
from feature_schema import FEATURES, TARGET

if TYPE_CHECKING:
    from dwell.simulator.physics import Floats, Integers

pytestmark = pytest.mark.usefixtures("robots")
NAMES = [feature.name for feature in FEATURES]


def interactions(count: int, *, seed: int = 0, world: World | None = None) -> Interactions:
    return Robots(seed, world=world).take(count)


def rmse(predicted: Floats | Integers, durations: Integers) -> float:
    return float(np.sqrt(np.mean((predicted - durations) ** 2)))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), drift=st.sampled_from([None, *DRIFTS]))
def test_interactions_are_within_schema_and_workshop_ranges(seed: int, drift: str | None) -> None:
    world = DRIFTS[drift].apply(World()) if drift else World()

    drawn = interactions(500, seed=seed, world=world)

    for index, feature in enumerate(FEATURES):
        column = drawn.features[:, index]
        assert feature.minimum <= column.min()
        assert column.max() <= feature.maximum
        if feature.name in physics.PLOTTED_LIMITS:
            assert column.max() <= physics.PLOTTED_LIMITS[feature.name]
    assert drawn.durations.min() >= TARGET.minimum
    assert drawn.durations.max() <= TARGET.maximum


def test_bins_and_centres_have_the_workshops_five_values() -> None:
    features = interactions(20_000).features

    for name in ("fc_avg", "bin_location", "bin_width", "bin_height", "bin_depth"):
        assert len(np.unique(features[:, NAMES.index(name)])) == 5


def test_items_fit_into_their_bins() -> None:
    features = interactions(20_000).features
    item = np.sort(features[:, [NAMES.index(f"item_{side}") for side in ("length", "width", "height")]], axis=1)
    room = np.sort(features[:, [NAMES.index(f"bin_{side}") for side in ("width", "height", "depth")]], axis=1)

    assert (item <= room).all()


@pytest.mark.parametrize("name", ["item_length", "item_weight", "item_quantity"])
def test_items_are_skewed_to_the_right(name: str) -> None:
    column = interactions(20_000).features[:, NAMES.index(name)]

    assert column.mean() > np.median(column)


def test_durations_are_skewed_around_each_centres_average() -> None:
    drawn = interactions(30_000)

    assert np.percentile(drawn.durations, 99) > 2 * np.median(drawn.durations)
    for centre in World().centres:
        here = drawn.features[:, NAMES.index("fc_avg")] == centre.average
        assert drawn.durations[here].mean() == pytest.approx(centre.average, rel=0.04)


@pytest.mark.parametrize("patience", [600_000.0, 25_000.0, 12_000.0])
def test_mean_and_variance_are_those_of_the_published_durations(patience: float) -> None:
    # Given one interaction, 200,000 times, with a cut-off that never, sometimes or often bites
    world = replace(World(), timeout=patience)
    features = np.repeat(interactions(3, seed=5).features, 200_000, axis=0)
    law = physics.build_distribution(world, features)

    durations = law.durations(np.random.default_rng(1)).reshape(3, -1)

    mean, variance = (moment.reshape(3, -1)[:, 0] for moment in law.moments())
    assert durations.mean(axis=1) == pytest.approx(mean, rel=0.001)
    assert durations.var(axis=1) == pytest.approx(variance, rel=0.03)


@pytest.mark.parametrize("drift", [None, *DRIFTS])
def test_the_noise_floor_is_the_error_of_the_true_mean(drift: str | None) -> None:
    world = DRIFTS[drift].apply(World()) if drift else World()
    drawn = interactions(100_000, seed=3, world=world)

    floor = physics.noise_floor(world, drawn.features)

    # Sampling error of the root of a mean of n squares whose kurtosis is about 12: 0.5 %.
    assert rmse(drawn.expected, drawn.durations) == pytest.approx(floor, rel=0.02)


def test_an_interaction_in_an_unknown_centre_is_refused() -> None:
    features = interactions(2).features
    features[1, NAMES.index("fc_avg")] += 1

    with pytest.raises(ValueError, match="fulfilment centre"):
        physics.build_distribution(World(), features)


def boosted(train: Interactions) -> XGBRegressor:
    model = XGBRegressor(
        n_estimators=120, max_depth=5, learning_rate=0.12, subsample=0.8, min_child_weight=5, n_jobs=2, random_state=0
    )
    model.fit(train.features, train.durations)
    return model


def test_the_relation_can_be_learned_and_better_models_learn_it_better() -> None:
    train, test = interactions(25_000, seed=1), interactions(5_000, seed=2)
    floor = physics.noise_floor(World(), test.features)
    linear = make_pipeline(StandardScaler(), LinearRegression()).fit(train.features, train.durations)
    neighbours = make_pipeline(StandardScaler(), KNeighborsRegressor(15)).fit(train.features, train.durations)

    ratio = {
        "boosted": rmse(boosted(train).predict(test.features), test.durations) / floor,
        "linear": rmse(linear.predict(test.features), test.durations) / floor,
        "neighbours": rmse(neighbours.predict(test.features), test.durations) / floor,
        "baseline": rmse(test.features[:, NAMES.index("fc_avg")], test.durations) / floor,
    }

    assert ratio["boosted"] < 1.12
    assert ratio["boosted"] + 0.1 < ratio["neighbours"]
    assert ratio["boosted"] + 0.2 < ratio["linear"] < ratio["baseline"] - 0.5
    assert ratio["baseline"] > 2


def test_drifts_make_a_model_stale_and_can_be_learned_from_few_samples() -> None:
    # Given a model of the world as it was, and what it promises
    before = interactions(5_000, seed=2)
    model = boosted(interactions(20_000, seed=1))
    promise = rmse(model.predict(before.features), before.durations)
    ratio = promise / physics.noise_floor(World(), before.features)

    stale, retrained, floors = {}, {}, {}
    for name, drift in DRIFTS.items():
        world = drift.apply(World())
        after = interactions(5_000, seed=3, world=world)
        floors[name] = physics.noise_floor(world, after.features)
        stale[name] = rmse(model.predict(after.features), after.durations) / promise
        recovered = boosted(interactions(8_000, seed=4, world=world))
        retrained[name] = rmse(recovered.predict(after.features), after.durations) / floors[name] / ratio

    # Then the alarm would go off (1.25) for a change of the law, and not for a change of the items alone
    for name in ("new-gripper", "clutter-policy", "slow-fc"):
        assert 1.6 < stale[name] < 2.5
    assert stale["new-catalogue"] < 1.25
    # and the noise floor stays near, and a new model comes near it
    for name, floor in floors.items():
        assert floor == pytest.approx(physics.noise_floor(World(), before.features), rel=0.2)
        assert retrained[name] < 1.1
