"""The registry of candidates and the algorithms in it: accurate, bounded, the same after they were stored."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from retraining.training_job.algorithms import (
    ALGORITHMS,
    NAMES,
    Algorithm,
    HyperparameterError,
    build_candidates,
    get_algorithm,
)
from retraining.training_job.holdout import TooFewRowsError, rmse
from retraining.training_job.threads import ROWS_PER_THREAD, thread_count
from tests.factories.datasets import make_dataset, predict_baseline

if TYPE_CHECKING:
    from retraining.training_job.algorithms import Model

FUNCTIONS = Path(__file__).parents[3] / "functions"
ROWS = make_dataset(8_000)
TRAIN = 6_000
FLOOR = ROWS.noise_floor(TRAIN)

every_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda one: one.name)


def fitted(algorithm: Algorithm, rows: int = TRAIN, **changes: Any) -> Model:
    hyperparameters = {**algorithm.hyperparameters, **changes}
    model, _ = algorithm.load_module().fit(ROWS.features[:rows], ROWS.target[:rows], **hyperparameters)
    return model


def error(model: Model) -> float:
    predicted = model.predict(ROWS.features[TRAIN:])
    return float(((predicted - ROWS.target[TRAIN:]) ** 2).mean() ** 0.5)


def test_an_algorithm_enters_on_all_rows_and_again_on_the_recent_part() -> None:
    assert [one.name for one in build_candidates({}, with_recent=False)] == [one.name for one in ALGORITHMS]
    both = build_candidates({}, with_recent=True)
    assert tuple(one.name for one in both) == NAMES
    assert {(one.name, one.trained_on) for one in both} >= {("xgboost", "all"), ("xgboost-recent", "recent")}


def test_what_keeps_the_newest_rows_enters_once_if_the_recent_part_has_as_many() -> None:
    given = {"k-nearest-neighbours.sample_size": 2_000}
    few = {one.name for one in build_candidates(given, with_recent=True, recent_rows=1_999)}
    many = {one.name for one in build_candidates(given, with_recent=True, recent_rows=2_000)}
    assert few - many == {"k-nearest-neighbours-recent"}
    assert few == set(NAMES)


def test_names_are_safe_in_the_name_of_a_model_and_of_a_metric() -> None:
    assert all(re.fullmatch(r"[a-z][a-z-]{0,39}", name) for name in NAMES)


def test_a_hyphen_separates_too_for_shells_have_no_variables_with_dots() -> None:
    dotted = {"xgboost.eta": 0.5, "xgboost.max_depth": 5, "k-nearest-neighbours.sample_size": 75}
    hyphened = {"xgboost-eta": 0.5, "xgboost-max_depth": 5, "k-nearest-neighbours-sample_size": 75}
    assert build_candidates(hyphened, with_recent=True) == build_candidates(dotted, with_recent=True)


def test_a_job_can_replace_hyperparameters() -> None:
    # given what a job's HyperParameters are after JSON decoding
    given = {"xgboost.eta": 1, "xgboost.max_depth": 5, "linear.alpha": [1, 2.5], "k-nearest-neighbours.k": 75}
    # when
    by_name = {one.name: one.hyperparameters for one in build_candidates(given, with_recent=True)}
    # then they are in force on both parts, and in the registry's own shape; the rest stays
    assert by_name["xgboost"] == by_name["xgboost-recent"]
    assert by_name["xgboost"] == {**ALGORITHMS[0].hyperparameters, "eta": 1.0, "max_depth": (5,)}
    assert by_name["linear"]["alpha"] == (1.0, 2.5)
    assert by_name["k-nearest-neighbours"]["k"] == 75
    assert ALGORITHMS[0].hyperparameters["eta"] == 0.1


@pytest.mark.parametrize(
    "given",
    [
        {"xgboost.depth": 3},
        {"xgboosteta": 3},
        {"xgboost.eta": 0.1, "xgboost-eta": 0.1},
        {"forest.eta": 3},
        {"eta": 0.3},
        {"xgboost.eta": "fast"},
        {"xgboost.eta": True},
        {"xgboost.eta": float("nan")},
        {"xgboost.eta": [0.1, 0.2]},
        {"xgboost.eta": None},
        {"xgboost.max_depth": 3.5},
        {"xgboost.max_depth": []},
        {"k-nearest-neighbours.k": 0},
    ],
    ids=str,
)
def test_a_hyperparameter_that_means_nothing_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(HyperparameterError, match=re.escape(next(iter(given)))):
        build_candidates(given, with_recent=False)


@every_algorithm
def test_an_algorithm_comes_near_the_noise_floor(algorithm: Algorithm) -> None:
    allowed = {"xgboost": 1.10, "linear": 1.04, "k-nearest-neighbours": 1.35}[algorithm.name]
    without_model = ((predict_baseline(ROWS.features) - ROWS.target)[TRAIN:] ** 2).mean() ** 0.5
    assert 0.99 * FLOOR < error(fitted(algorithm)) < allowed * FLOOR < without_model


@every_algorithm
def test_of_a_skewed_target_the_mean_is_predicted_not_the_median(algorithm: Algorithm) -> None:
    # given noise of which the mean is 13 % above the median
    rows = make_dataset(4_000, noise=0.5)
    # when
    model, _ = algorithm.load_module().fit(rows.features[:3_000], rows.target[:3_000], **algorithm.hyperparameters)
    # then
    predicted = model.predict(rows.features[3_000:])
    assert predicted.mean() == pytest.approx(rows.expected[3_000:].mean(), rel=0.07)


@every_algorithm
def test_the_same_rows_give_the_same_model(algorithm: Algorithm) -> None:
    again = ROWS.features[TRAIN:]
    np.testing.assert_array_equal(fitted(algorithm).predict(again), fitted(algorithm).predict(again))


@every_algorithm
def test_a_stored_model_answers_the_same_without_pickle(
    algorithm: Algorithm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("load", "loads", "Unpickler"):
        monkeypatch.delattr(f"pickle.{name}")
    model = fitted(algorithm, rows=1_000)
    model.save(tmp_path)
    loaded = algorithm.load_module().load(tmp_path)
    np.testing.assert_array_equal(loaded.predict(ROWS.features[TRAIN:]), model.predict(ROWS.features[TRAIN:]))


@every_algorithm
def test_one_row_and_many_give_the_same_answer(algorithm: Algorithm) -> None:
    model = fitted(algorithm, rows=1_000)
    many = model.predict(ROWS.features[:50])
    one_by_one = [model.predict(ROWS.features[position : position + 1])[0] for position in range(50)]
    np.testing.assert_allclose(one_by_one, many, rtol=1e-9)


@every_algorithm
def test_far_beyond_what_was_seen_the_answer_stays_in_the_range_of_what_was_seen(algorithm: Algorithm) -> None:
    model = fitted(algorithm, rows=1_000)
    answers = model.predict(np.vstack([ROWS.features[:5] * 1_000, ROWS.features[:5] * -1_000]))
    least, most = ROWS.target[:1_000].min(), ROWS.target[:1_000].max()
    assert (answers > least - 0.5 * abs(least)).all()
    assert (answers < most + 0.5 * abs(most)).all()


@every_algorithm
def test_constant_features_and_targets_that_are_not_positive_are_learnt_from_too(algorithm: Algorithm) -> None:
    # given a feature that never changes and a target around zero
    features = ROWS.features[:2_000].copy()
    features[:, 0] = 5.0
    target = features[:, 1] - features[:, 1].mean()
    # when
    model, _ = algorithm.load_module().fit(features[:1_500], target[:1_500], **algorithm.hyperparameters)
    # then most of the spread is explained
    rest = model.predict(features[1_500:]) - target[1_500:]
    assert rest.std() < 0.4 * target.std()


@every_algorithm
def test_many_features_take_no_more_memory_than_there_is(algorithm: Algorithm, tmp_path: Path) -> None:
    # given a schema of 150 features, of which three matter; all products of two would fill 16 GB
    random = np.random.default_rng(1)
    features = random.uniform(-1, 1, size=(1_500, 150))
    target = 100 + features[:, :3] @ np.array([30.0, 20.0, 10.0]) + random.normal(size=1_500)
    # when
    model, _ = algorithm.load_module().fit(features[:1_000], target[:1_000], **algorithm.hyperparameters)
    model.save(tmp_path)
    # then it learns something, and is small
    rest = model.predict(features[1_000:]) - target[1_000:]
    assert rest.std() < 0.9 * target.std()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 2_000_000


@every_algorithm
def test_a_target_that_never_changes_is_answered(algorithm: Algorithm) -> None:
    target = np.full(500, 14_000.0)
    model, _ = algorithm.load_module().fit(ROWS.features[:500], target, **algorithm.hyperparameters)
    np.testing.assert_allclose(model.predict(ROWS.features[:5]), 14_000.0, rtol=0.01)


@every_algorithm
def test_too_few_rows_are_refused(algorithm: Algorithm) -> None:
    with pytest.raises(TooFewRowsError, match="99 rows"):
        fitted(algorithm, rows=99)


def test_nearest_neighbours_keep_a_bounded_number_of_rows_the_newest(tmp_path: Path) -> None:
    (algorithm,) = (one for one in ALGORITHMS if one.module == "nearest_neighbours")
    fitted(algorithm, sample_size=500).save(tmp_path)
    (file,) = tmp_path.iterdir()
    with np.load(file, allow_pickle=False) as stored:
        np.testing.assert_array_equal(stored["values"], ROWS.target[TRAIN - 500 : TRAIN])
    limit = algorithm.hyperparameters["sample_size"]
    assert isinstance(limit, int)
    assert limit <= 50_000


def test_many_rows_at_once_get_the_same_answers_as_few() -> None:
    (algorithm,) = (one for one in ALGORITHMS if one.module == "nearest_neighbours")
    model = fitted(algorithm, rows=2_000)
    many = model.predict(ROWS.features)
    few = np.concatenate([model.predict(ROWS.features[start : start + 500]) for start in range(0, len(many), 500)])
    np.testing.assert_array_equal(many, few)


def test_few_rows_get_one_thread_and_many_no_more_than_there_are_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: {0, 1, 2, 3})
    assert [thread_count(rows) for rows in (0, ROWS_PER_THREAD, 2 * ROWS_PER_THREAD, 10**7)] == [1, 1, 2, 4]


def test_who_enters_as_continued_can_go_on() -> None:
    going_on = [one for one in ALGORITHMS if "continued" in one.subsets]
    assert going_on
    assert all(callable(one.load_module().continue_fit) for one in going_on)


def test_boosted_trees_go_on_from_the_old_world_to_the_new() -> None:
    """A world of two rules, of which one changes: some hundred rows of now teach the change, and not the whole."""
    # given many rows of the old world, few of the new, and a test in the new
    random = np.random.default_rng(7)
    features = random.uniform(0, 1, (14_600, 3))
    old = 100 + 60 * np.sin(20 * features[:, 0]) * (features[:, 1] > features[:, 2]) + 30 * np.cos(15 * features[:, 1])
    new = old * np.where(features[:, 2] > 0.5, 1.5, 1.0)
    target = np.concatenate([old[:12_000], new[12_000:]]) + random.normal(0, 2, 14_600)
    past, present, future = slice(0, 12_000), slice(12_000, 12_600), slice(12_600, None)
    hyperparameters = get_algorithm("xgboost").hyperparameters
    # when one starts from the present, and one goes on from the past
    module = get_algorithm("xgboost").load_module()
    fresh, _ = module.fit(features[present], target[present], **hyperparameters)
    start, _ = module.fit(features[past], target[past], **hyperparameters)
    continued, chosen = module.continue_fit(start, features[present], target[present], **hyperparameters)
    # then what has not changed is still known
    error = {name: rmse(one.predict(features[future]), target[future]) for name, one in
             {"start": start, "fresh": fresh, "continued": continued}.items()}  # fmt: skip
    assert error["continued"] < 0.7 * error["fresh"]
    assert error["continued"] < 0.4 * error["start"]
    assert isinstance(chosen["num_round"], int)
    assert chosen["num_round"] >= 1


def test_what_went_on_is_the_same_after_a_night_on_a_disk(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    features, target = random.uniform(0, 1, (900, 2)), random.uniform(5, 9, 900)
    hyperparameters = get_algorithm("xgboost").hyperparameters
    module = get_algorithm("xgboost").load_module()
    start, _ = module.fit(features[:600], target[:600], **hyperparameters)
    continued, _ = module.continue_fit(start, features[600:], target[600:] + 3, **hyperparameters)
    continued.save(tmp_path)
    assert np.array_equal(module.load(tmp_path).predict(features), continued.predict(features))
