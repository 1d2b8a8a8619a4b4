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
from retraining.training_job.holdout import TooFewRowsError, compute_rmse
from retraining.training_job.threads import ROWS_PER_THREAD, count_threads
from tests.factories.datasets import make_dataset, predict_baseline

if TYPE_CHECKING:
    from retraining.training_job.algorithms import Model

FUNCTIONS = Path(__file__).parents[3] / "functions"
ROWS = make_dataset(8_000)
TRAIN = 6_000
FLOOR = ROWS.noise_floor(TRAIN)

every_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.name)


def fitted(algorithm: Algorithm, rows: int = TRAIN, **changes: Any) -> Model:
    hyperparameters = {**algorithm.hyperparameters, **changes}
    model, _ = algorithm.load_module().fit(ROWS.features[:rows], ROWS.target[:rows], **hyperparameters)
    return model


def error(model: Model) -> float:
    predicted = model.predict(ROWS.features[TRAIN:])
    return float(((predicted - ROWS.target[TRAIN:]) ** 2).mean() ** 0.5)


def test_candidates_with_recent_part_include_recent_ones() -> None:
    assert [candidate.name for candidate in build_candidates({}, with_recent=False)] == [
        algorithm.name for algorithm in ALGORITHMS
    ]
    both = build_candidates({}, with_recent=True)
    assert tuple(candidate.name for candidate in both) == NAMES
    assert {(candidate.name, candidate.trained_on) for candidate in both} >= {
        ("xgboost", "all"),
        ("xgboost-recent", "recent"),
    }


def test_row_limit_within_recent_part_gives_one_candidate() -> None:
    hyperparameters = {"k-nearest-neighbours.sample_size": 2_000}
    few = {candidate.name for candidate in build_candidates(hyperparameters, with_recent=True, recent_rows=1_999)}
    many = {candidate.name for candidate in build_candidates(hyperparameters, with_recent=True, recent_rows=2_000)}
    assert few - many == {"k-nearest-neighbours-recent"}
    assert few == set(NAMES)


def test_names_are_valid_in_model_and_metric_names() -> None:
    assert all(re.fullmatch(r"[a-z][a-z-]{0,39}", name) for name in NAMES)


def test_hyphen_and_dot_separate_alike() -> None:
    dotted = {"xgboost.eta": 0.5, "xgboost.max_depth": 5, "k-nearest-neighbours.sample_size": 75}
    hyphened = {"xgboost-eta": 0.5, "xgboost-max_depth": 5, "k-nearest-neighbours-sample_size": 75}
    assert build_candidates(hyphened, with_recent=True) == build_candidates(dotted, with_recent=True)


def test_job_hyperparameters_replace_defaults() -> None:
    # given a job's hyperparameters after JSON decoding
    hyperparameters = {"xgboost.eta": 1, "xgboost.max_depth": 5, "linear.alpha": [1, 2.5], "k-nearest-neighbours.k": 75}
    # when
    by_name = {
        candidate.name: candidate.hyperparameters for candidate in build_candidates(hyperparameters, with_recent=True)
    }
    # then they apply to every subset, in the registry's shape, and the others are unchanged
    assert by_name["xgboost"] == by_name["xgboost-recent"]
    assert by_name["xgboost"] == {**ALGORITHMS[0].hyperparameters, "eta": 1.0, "max_depth": (5,)}
    assert by_name["linear"]["alpha"] == (1.0, 2.5)
    assert by_name["k-nearest-neighbours"]["k"] == 75
    assert ALGORITHMS[0].hyperparameters["eta"] == 0.1


@pytest.mark.parametrize(
    "hyperparameters",
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
def test_invalid_hyperparameter_raises_error_with_its_name(hyperparameters: dict[str, Any]) -> None:
    with pytest.raises(HyperparameterError, match=re.escape(next(iter(hyperparameters)))):
        build_candidates(hyperparameters, with_recent=False)


@every_algorithm
def test_error_is_near_noise_floor(algorithm: Algorithm) -> None:
    allowed = {"xgboost": 1.10, "linear": 1.04, "k-nearest-neighbours": 1.35}[algorithm.name]
    without_model = ((predict_baseline(ROWS.features) - ROWS.target)[TRAIN:] ** 2).mean() ** 0.5
    assert 0.99 * FLOOR < error(fitted(algorithm)) < allowed * FLOOR < without_model


@every_algorithm
def test_skewed_target_is_predicted_by_its_mean(algorithm: Algorithm) -> None:
    # given noise whose mean is 13 % above its median
    rows = make_dataset(4_000, noise=0.5)
    # when
    model, _ = algorithm.load_module().fit(rows.features[:3_000], rows.target[:3_000], **algorithm.hyperparameters)
    # then
    predicted = model.predict(rows.features[3_000:])
    assert predicted.mean() == pytest.approx(rows.expected[3_000:].mean(), rel=0.07)


@every_algorithm
def test_same_rows_give_same_model(algorithm: Algorithm) -> None:
    again = ROWS.features[TRAIN:]
    np.testing.assert_array_equal(fitted(algorithm).predict(again), fitted(algorithm).predict(again))


@every_algorithm
def test_loaded_model_predicts_the_same_without_pickle(
    algorithm: Algorithm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("load", "loads", "Unpickler"):
        monkeypatch.delattr(f"pickle.{name}")
    model = fitted(algorithm, rows=1_000)
    model.save(tmp_path)
    loaded = algorithm.load_module().load(tmp_path)
    np.testing.assert_array_equal(loaded.predict(ROWS.features[TRAIN:]), model.predict(ROWS.features[TRAIN:]))


@every_algorithm
def test_single_row_and_batch_predict_the_same(algorithm: Algorithm) -> None:
    model = fitted(algorithm, rows=1_000)
    many = model.predict(ROWS.features[:50])
    one_by_one = [model.predict(ROWS.features[position : position + 1])[0] for position in range(50)]
    np.testing.assert_allclose(one_by_one, many, rtol=1e-9)


@every_algorithm
def test_out_of_range_features_predict_within_target_range(algorithm: Algorithm) -> None:
    model = fitted(algorithm, rows=1_000)
    predictions = model.predict(np.vstack([ROWS.features[:5] * 1_000, ROWS.features[:5] * -1_000]))
    lowest, highest = ROWS.target[:1_000].min(), ROWS.target[:1_000].max()
    assert (predictions > lowest - 0.5 * abs(lowest)).all()
    assert (predictions < highest + 0.5 * abs(highest)).all()


@every_algorithm
def test_constant_feature_and_negative_targets_are_learnt(algorithm: Algorithm) -> None:
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
def test_many_features_fit_in_bounded_memory(algorithm: Algorithm, tmp_path: Path) -> None:
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
def test_constant_target_is_predicted(algorithm: Algorithm) -> None:
    target = np.full(500, 14_000.0)
    model, _ = algorithm.load_module().fit(ROWS.features[:500], target, **algorithm.hyperparameters)
    np.testing.assert_allclose(model.predict(ROWS.features[:5]), 14_000.0, rtol=0.01)


@every_algorithm
def test_too_few_rows_raise_error(algorithm: Algorithm) -> None:
    with pytest.raises(TooFewRowsError, match="99 rows"):
        fitted(algorithm, rows=99)


def test_nearest_neighbours_keep_the_newest_rows_up_to_limit(tmp_path: Path) -> None:
    (algorithm,) = (entry for entry in ALGORITHMS if entry.module == "nearest_neighbours")
    fitted(algorithm, sample_size=500).save(tmp_path)
    (file,) = tmp_path.iterdir()
    with np.load(file, allow_pickle=False) as stored:
        np.testing.assert_array_equal(stored["values"], ROWS.target[TRAIN - 500 : TRAIN])
    limit = algorithm.hyperparameters["sample_size"]
    assert isinstance(limit, int)
    assert limit <= 50_000


def test_large_and_small_batches_predict_the_same() -> None:
    (algorithm,) = (entry for entry in ALGORITHMS if entry.module == "nearest_neighbours")
    model = fitted(algorithm, rows=2_000)
    many = model.predict(ROWS.features)
    few = np.concatenate([model.predict(ROWS.features[start : start + 500]) for start in range(0, len(many), 500)])
    np.testing.assert_array_equal(many, few)


def test_thread_count_grows_with_rows_up_to_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: {0, 1, 2, 3})
    assert [count_threads(rows) for rows in (0, ROWS_PER_THREAD, 2 * ROWS_PER_THREAD, 10**7)] == [1, 1, 2, 4]


def test_continued_algorithms_have_continue_fit() -> None:
    continued = [algorithm for algorithm in ALGORITHMS if "continued" in algorithm.subsets]
    assert continued
    assert all(callable(algorithm.load_module().continue_fit) for algorithm in continued)


def test_xgboost_continued_learns_change_from_few_rows() -> None:
    """Two effects, of which one changes: a few hundred new rows suffice for the change, but not for both effects."""
    # given many rows before the change, few after it, and a test set after it
    random = np.random.default_rng(7)
    features = random.uniform(0, 1, (14_600, 3))
    old = 100 + 60 * np.sin(20 * features[:, 0]) * (features[:, 1] > features[:, 2]) + 30 * np.cos(15 * features[:, 1])
    new = old * np.where(features[:, 2] > 0.5, 1.5, 1.0)
    target = np.concatenate([old[:12_000], new[12_000:]]) + random.normal(0, 2, 14_600)
    past, present, future = slice(0, 12_000), slice(12_000, 12_600), slice(12_600, None)
    hyperparameters = get_algorithm("xgboost").hyperparameters
    # when one model is trained on the new rows, and one is continued from the old ones
    module = get_algorithm("xgboost").load_module()
    fresh, _ = module.fit(features[present], target[present], **hyperparameters)
    start, _ = module.fit(features[past], target[past], **hyperparameters)
    continued, chosen = module.continue_fit(start, features[present], target[present], **hyperparameters)
    # then the continued one still knows the unchanged effect
    error = {name: compute_rmse(one.predict(features[future]), target[future]) for name, one in
             {"start": start, "fresh": fresh, "continued": continued}.items()}  # fmt: skip
    assert error["continued"] < 0.7 * error["fresh"]
    assert error["continued"] < 0.4 * error["start"]
    assert isinstance(chosen["num_round"], int)
    assert chosen["num_round"] >= 1


def test_continued_xgboost_model_is_the_same_after_loading(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    features, target = random.uniform(0, 1, (900, 2)), random.uniform(5, 9, 900)
    hyperparameters = get_algorithm("xgboost").hyperparameters
    module = get_algorithm("xgboost").load_module()
    start, _ = module.fit(features[:600], target[:600], **hyperparameters)
    continued, _ = module.continue_fit(start, features[600:], target[600:] + 3, **hyperparameters)
    continued.save(tmp_path)
    assert np.array_equal(module.load(tmp_path).predict(features), continued.predict(features))
