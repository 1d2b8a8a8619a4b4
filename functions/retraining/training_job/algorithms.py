"""The algorithms that a tournament trains: one registry, in which an algorithm is one entry.

This module imports only the standard library, because the Lambda function, which has no NumPy, uses it to validate
hyperparameters. An algorithm's module is imported when it trains or loads a model.
"""

from __future__ import annotations

import importlib
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast, get_args

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

Number = int | float
Hyperparameters = dict[str, "Number | tuple[Number, ...]"]
"""A tuple holds choices, of which training selects one on the newest part of its rows."""

SEPARATORS = ".-"
"""What separates algorithm and hyperparameter in a job's hyperparameter: ``xgboost.eta``, or ``xgboost-eta`` for the
SageMaker SDK, which makes a shell variable of the name, where a dot is not allowed."""


type TrainingSubset = Literal["all", "recent", "continued"]
"""What a candidate is trained on: all training rows; the recent ones only; or first the older ones, then the recent
ones on top (a warm start). After a drift the recent rows are few, and most of what the older rows show still
holds."""

TRAINING_SUBSETS: tuple[TrainingSubset, ...] = get_args(TrainingSubset.__value__)


class HyperparameterError(ValueError):
    """A job's hyperparameter that no algorithm has, or whose value is not a positive number."""


class Model(Protocol):
    """A trained model."""

    def predict(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Predictions of shape (rows,) in the target's unit, for features of shape (rows, features)."""

    def save(self, folder: Path) -> None:
        """Write the model's files into an existing folder, without pickle."""


class AlgorithmModule(Protocol):
    """What the module of an algorithm implements."""

    def fit(
        self, features: NDArray[np.float64], target: NDArray[np.float64], **hyperparameters: Any
    ) -> tuple[Model, Hyperparameters]:
        """Train on rows in order of time, oldest first; returns the model and the selected hyperparameters."""

    def load(self, folder: Path) -> Model:
        """Read what ``Model.save`` wrote."""


class ContinuableModule(AlgorithmModule, Protocol):
    """What the module of an algorithm implements whose models can be trained further."""

    def continue_fit(
        self, start: Model, features: NDArray[np.float64], target: NDArray[np.float64], **hyperparameters: Any
    ) -> tuple[Model, Hyperparameters]:
        """A model that starts from ``start`` and learns its residuals on newer rows; ``start`` stays unchanged."""


@dataclass(frozen=True, slots=True)
class Algorithm:
    """An entry of the registry.

    ``subsets`` are those that it is trained on, each as one candidate. ``row_limit`` is the name of the hyperparameter
    that limits training to the newest rows, if there is one.
    """

    name: str
    module: str
    hyperparameters: Hyperparameters
    subsets: tuple[TrainingSubset, ...] = ("all", "recent")
    row_limit: str | None = None

    def load_module(self) -> ContinuableModule:
        """Import the algorithm's module. Raises ``ImportError`` if it, or a package that it needs, is missing.

        ``continue_fit`` exists only if the algorithm has the subset ``continued``.
        """
        return cast("ContinuableModule", importlib.import_module(f".{self.module}", __package__))


@dataclass(frozen=True, slots=True)
class Candidate:
    """An algorithm with its hyperparameters, and the subset of the training rows that it is trained on."""

    name: str
    algorithm: Algorithm
    trained_on: TrainingSubset
    hyperparameters: Hyperparameters


ALGORITHMS: tuple[Algorithm, ...] = (
    Algorithm(
        name="xgboost",
        module="xgboost_model",
        # The workshop's ranges: num_round 20-200, max_depth 3-6, eta 0.1-1.0, early_stopping_rounds 1-10. Small
        # datasets stop long before 400 rounds; a million rows still improve after 200.
        hyperparameters={
            "num_round": 400,
            "max_depth": (3, 4, 6),
            "eta": 0.1,
            "early_stopping_rounds": 10,
            "min_child_weight": 10,
        },
        subsets=TRAINING_SUBSETS,
    ),
    Algorithm(
        name="linear",
        module="ridge",
        # The workshop's optimizer and epochs have no counterpart: the solution is exact.
        hyperparameters={"alpha": (0.1, 1.0, 10.0, 100.0, 1000.0)},
    ),
    Algorithm(
        name="k-nearest-neighbours",
        module="nearest_neighbours",
        # The workshop's ranges: k 50-150, sample_size 50,000-500,000. The limit bounds the latency of a prediction and
        # the size of the archive for a dataset of any size.
        hyperparameters={"k": 50, "sample_size": 50_000},
        row_limit="sample_size",
    ),
)


def _name_candidate(algorithm: Algorithm, subset: str) -> str:
    return algorithm.name if subset == "all" else f"{algorithm.name}-{subset}"


NAMES: tuple[str, ...] = tuple(
    _name_candidate(algorithm, subset) for algorithm in ALGORITHMS for subset in algorithm.subsets
)
"""The name of every candidate that a tournament may have."""


def get_algorithm(name: str) -> Algorithm:
    """The registry's entry of that name. Raises ``KeyError`` if there is none."""
    return {algorithm.name: algorithm for algorithm in ALGORITHMS}[name]


def build_candidates(
    job_hyperparameters: Mapping[str, object], *, with_recent: bool, recent_rows: int = 0
) -> tuple[Candidate, ...]:
    """The candidates of one tournament; those of recent rows only ``with_recent``.

    ``job_hyperparameters`` (``{"xgboost.eta": 0.3}``) replace the registry's. Raises ``HyperparameterError``.

    An algorithm that uses at most ``recent_rows`` of the newest rows would train the same model twice, and has one
    candidate.
    """
    overridden = set()
    by_algorithm = {algorithm.name: dict(algorithm.hyperparameters) for algorithm in ALGORITHMS}
    for key, value in job_hyperparameters.items():
        name = re.split(f"[{SEPARATORS}]", key)[-1]
        algorithm_name = key[: -len(name) - 1]
        if name not in by_algorithm.get(algorithm_name, {}):
            known = ", ".join(f"{algorithm}.{known}" for algorithm, names in by_algorithm.items() for known in names)
            raise HyperparameterError(f"no algorithm has the hyperparameter {key!r}; known ones: {known}")
        if (algorithm_name, name) in overridden:
            raise HyperparameterError(f"{algorithm_name}.{name} is given twice")
        overridden.add((algorithm_name, name))
        by_algorithm[algorithm_name][name] = _convert(by_algorithm[algorithm_name][name], key, value)
    return tuple(
        Candidate(_name_candidate(algorithm, subset), algorithm, subset, by_algorithm[algorithm.name])
        for algorithm in ALGORITHMS
        for subset in algorithm.subsets
        if subset == "all"
        or (with_recent and not _uses_recent_rows_only(algorithm, by_algorithm[algorithm.name], recent_rows))
    )


def _uses_recent_rows_only(algorithm: Algorithm, hyperparameters: Hyperparameters, recent_rows: int) -> bool:
    """Whether the algorithm's row limit makes the subsets ``all`` and ``recent`` the same rows."""
    max_rows = None if algorithm.row_limit is None else hyperparameters[algorithm.row_limit]
    return isinstance(max_rows, int) and max_rows <= recent_rows


def _convert(default: Number | tuple[Number, ...], key: str, value: object) -> Number | tuple[Number, ...]:
    """A job's value in the shape of the default: one number, or choices (a single number is one choice)."""
    choices = default if isinstance(default, tuple) else (default,)
    number_type = int if isinstance(choices[0], int) else float
    values = value if isinstance(value, list | tuple) else [value]
    numbers = tuple(_convert_number(element, number_type, key) for element in values)
    if isinstance(default, tuple) and numbers:
        return numbers
    if len(numbers) != 1:
        raise HyperparameterError(f"{key} takes one number, not {value!r}")
    return numbers[0]


def _convert_number(value: object, number_type: type[int | float], key: str) -> Number:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0:
        number = number_type(value)
        if number == value:
            return number
    whole = "whole " if number_type is int else ""
    raise HyperparameterError(f"{key} takes a positive {whole}number, not {value!r}")
