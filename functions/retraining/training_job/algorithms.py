"""What enters a tournament: one registry, in which an algorithm is one entry.

Nothing but the standard library is imported here: the retraining function, which has no numpy, reads the names of the
candidates too. An algorithm's module is imported when it is trained or loaded, so a served model brings only its own.
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
"""A tuple holds choices: the algorithm takes the one that does best on the newest part of its training rows."""

SEPARATORS = ".-"
"""Between algorithm and hyperparameter in the name of a job's hyperparameter: ``xgboost.eta``, or ``xgboost-eta`` for
the SageMaker SDK, which makes a shell variable of the name and stumbles over a dot."""


type TrainingSubset = Literal["all", "recent", "continued"]
"""What a candidate learns from: all training rows alike; the recent ones alone; or the older ones first, and then from
the recent ones what has changed since. After a drift the recent rows are few, and most of the old world still holds."""

TRAINING_SUBSETS: tuple[TrainingSubset, ...] = get_args(TrainingSubset.__value__)


class HyperparameterError(ValueError):
    """A hyperparameter of the job that no algorithm has, or that is no number."""


class Model(Protocol):
    """What was learnt."""

    def predict(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Predictions of shape (rows,) in the target's unit, for features of shape (rows, features)."""

    def save(self, folder: Path) -> None:
        """Write the model's files into an existing folder, without pickle."""


class AlgorithmModule(Protocol):
    """What the module of an algorithm offers."""

    def fit(
        self, features: NDArray[np.float64], target: NDArray[np.float64], **hyperparameters: Any
    ) -> tuple[Model, Hyperparameters]:
        """Learn from rows in order of time, oldest first; the hyperparameters that were chosen come with the model."""

    def load(self, folder: Path) -> Model:
        """Read back what ``Model.save`` wrote."""


class ContinuingModule(AlgorithmModule, Protocol):
    """What the module of an algorithm offers that can go on learning."""

    def continue_fit(
        self, start: Model, features: NDArray[np.float64], target: NDArray[np.float64], **hyperparameters: Any
    ) -> tuple[Model, Hyperparameters]:
        """A model that begins with what ``start`` knows, and learns from rows of now what it misses there."""


@dataclass(frozen=True, slots=True)
class Algorithm:
    """An entry of the registry. ``enters_on`` says on which part of the training rows it is tried.

    ``newest`` is the hyperparameter that says how many rows are learnt from at most, the newest, if there is one.
    """

    name: str
    module: str
    hyperparameters: Hyperparameters
    enters_on: tuple[TrainingSubset, ...] = ("all", "recent")
    newest: str | None = None

    def load_module(self) -> ContinuingModule:
        """Import the module. Raises ``ImportError`` if it, or a package that it needs, is absent.

        Only that of an algorithm that enters as ``continued`` can go on.
        """
        return cast("ContinuingModule", importlib.import_module(f".{self.module}", __package__))


@dataclass(frozen=True, slots=True)
class Candidate:
    """An algorithm with its hyperparameters, and the part of the training rows that it learns from."""

    name: str
    algorithm: Algorithm
    trained_on: TrainingSubset
    hyperparameters: Hyperparameters


ALGORITHMS: tuple[Algorithm, ...] = (
    Algorithm(
        name="xgboost",
        module="xgboost_model",
        # The workshop's ranges: num_round 20-200, max_depth 3-6, eta 0.1-1.0, early_stopping_rounds 1-10. Early
        # stopping ends small datasets long before 400 rounds; a million rows go on gaining after 200.
        hyperparameters={
            "num_round": 400,
            "max_depth": (3, 4, 6),
            "eta": 0.1,
            "early_stopping_rounds": 10,
            "min_child_weight": 10,
        },
        enters_on=TRAINING_SUBSETS,
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
        # The workshop's ranges: k 50-150, sample_size 50,000-500,000. At most so many rows are kept, the newest: that
        # bounds an answer's time and the archive's size, whatever the dataset's size.
        hyperparameters={"k": 50, "sample_size": 50_000},
        newest="sample_size",
    ),
)


def _name(algorithm: Algorithm, trained_on: str) -> str:
    return algorithm.name if trained_on == "all" else f"{algorithm.name}-{trained_on}"


NAMES: tuple[str, ...] = tuple(_name(algorithm, part) for algorithm in ALGORITHMS for part in algorithm.enters_on)
"""Every candidate that may enter a tournament."""


def get_algorithm(name: str) -> Algorithm:
    """The registry's entry. Raises ``KeyError`` if there is none."""
    return {algorithm.name: algorithm for algorithm in ALGORITHMS}[name]


def build_candidates(
    job_hyperparameters: Mapping[str, object], *, recent: bool, recent_rows: int = 0
) -> tuple[Candidate, ...]:
    """The candidates of one tournament; those on the recent part only if ``recent``.

    An algorithm that keeps the newest rows, and no more than the ``recent_rows``, would be the same model twice: it
    enters once.

    ``job_hyperparameters`` (``{"xgboost.eta": 0.3}``) replace the registry's. Raises ``HyperparameterError``.
    """
    given = set()
    replaced = {algorithm.name: dict(algorithm.hyperparameters) for algorithm in ALGORITHMS}
    for key, value in job_hyperparameters.items():
        hyperparameter = re.split(f"[{SEPARATORS}]", key)[-1]
        algorithm = key[: -len(hyperparameter) - 1]
        if hyperparameter not in replaced.get(algorithm, {}):
            known = ", ".join(f"{name}.{one}" for name, settings in replaced.items() for one in settings)
            raise HyperparameterError(f"no algorithm has the hyperparameter {key!r}; there are {known}")
        if (algorithm, hyperparameter) in given:
            raise HyperparameterError(f"{algorithm}.{hyperparameter} is given twice")
        given.add((algorithm, hyperparameter))
        replaced[algorithm][hyperparameter] = _like(replaced[algorithm][hyperparameter], key, value)
    return tuple(
        Candidate(_name(algorithm, part), algorithm, part, replaced[algorithm.name])
        for algorithm in ALGORITHMS
        for part in algorithm.enters_on
        if part == "all" or (recent and not _same_rows(algorithm, replaced[algorithm.name], recent_rows))
    )


def _same_rows(algorithm: Algorithm, hyperparameters: Hyperparameters, recent_rows: int) -> bool:
    """Whether all rows and the recent ones are the same to an algorithm."""
    most = None if algorithm.newest is None else hyperparameters[algorithm.newest]
    return isinstance(most, int) and most <= recent_rows


def _like(default: Number | tuple[Number, ...], key: str, value: object) -> Number | tuple[Number, ...]:
    """A job's value in the shape of the default: one number, or choices (one number is one choice)."""
    choices = default if isinstance(default, tuple) else (default,)
    kind = int if isinstance(choices[0], int) else float
    given = [_number(one, kind, key) for one in (value if isinstance(value, list | tuple) else [value])]
    if isinstance(default, tuple) and given:
        return tuple(given)
    if len(given) != 1:
        raise HyperparameterError(f"{key} takes one number, not {value!r}")
    return given[0]


def _number(value: object, kind: type[int | float], key: str) -> Number:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0:
        number = kind(value)
        if number == value:
            return number
    raise HyperparameterError(f"{key} takes a positive {'whole ' if kind is int else ''}number, not {value!r}")
