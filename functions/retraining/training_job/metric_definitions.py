"""The job's metrics: how a line of its output tells one, and how SageMaker reads it from there.

Pure and without imports of its siblings: the job imports it by its own name, the retraining function as part of a
package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ROWS = ("train", "test")
"""The parts of a dataset whose rows are counted."""


def rmse_of(who: str) -> str:
    """The name of the error (in the target's unit) of a candidate, ``baseline``, ``champion`` or ``winner``."""
    return f"{who}:rmse"


def rows_of(part: str) -> str:
    """The name of the number of rows in a part of the dataset."""
    return f"dataset:{part}"


def metric_line(name: str, value: float) -> str:
    """The line of output that tells a metric."""
    return f"metric {name}={value:.9g}"


def metric_definitions(candidates: Iterable[str]) -> list[dict[str, str]]:
    """``AlgorithmSpecification.MetricDefinitions`` of ``CreateTrainingJob``, for the named candidates.

    The framework's own log repeats every hyperparameter, so a line is only a metric behind the word ``metric``.
    """
    names = [rmse_of(who) for who in (*candidates, "baseline", "champion", "winner")] + [rows_of(part) for part in ROWS]
    return [{"Name": name, "Regex": rf"metric {name}=([0-9]+[.]?[0-9]*(?:e[+-][0-9]+)?)"} for name in names]
