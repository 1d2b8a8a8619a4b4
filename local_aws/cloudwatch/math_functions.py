"""The operators and functions of CloudWatch's metric math, over numbers, time series and arrays of time series.

A missing value counts as 0 in arithmetic and comparisons if the other side has one. What has no result (a division by
zero) drops the data point. A function such as SUM makes a number of one series, and one series of an array.
"""

from __future__ import annotations

import itertools
import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from local_aws.cloudwatch.store import Series

type Value = float | Series | list[Series]
type Argument = Value | str


class ExpressionError(ValueError):
    """The expression is none that CloudWatch takes, or asks for what this emulator does not have."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The periods that were asked for: their starts in epoch seconds, ascending, and their length."""

    starts: Sequence[float]
    period: int


@dataclass(frozen=True, slots=True)
class Context:
    """What an expression is evaluated over; ``metrics`` are the series that METRICS() stands for, by id."""

    grid: Grid
    metrics: Mapping[str, Series]


@dataclass(frozen=True, slots=True)
class Function:
    apply: Callable[[Context, list[Argument]], Value]
    arity: tuple[int, ...] = (1,)
    words: tuple[str, ...] = ()
    """What an argument may say instead of a value."""
    takes: str = "values"
    """What its arguments are: values, a text or an id."""


def combine(function: Callable[[float, float], float], left: Value, right: Value) -> Value:
    """An operator: between numbers a number, else point by point."""
    if isinstance(left, list) and isinstance(right, list):
        raise ExpressionError("an operator takes at most one array of time series")
    if isinstance(left, list):
        return [_one(combine(function, series, right)) for series in left]
    if isinstance(right, list):
        return [_one(combine(function, left, series)) for series in right]
    if isinstance(left, float) and isinstance(right, float):
        return _number(function, left, right)
    times = sorted({*(left if isinstance(left, dict) else ()), *(right if isinstance(right, dict) else ())})
    return _finite({at: _number(function, _value_at(left, at), _value_at(right, at)) for at in times})


def array(value: Argument) -> list[Series]:
    """One series as an array of one; refuses numbers."""
    return value if isinstance(value, list) else [_one(value)]


def _one(value: Argument) -> Series:
    if not isinstance(value, dict):
        raise ExpressionError("exactly one time series is expected")
    return value


def _scalar(value: Argument) -> float:
    if not isinstance(value, float):
        raise ExpressionError("a number is expected")
    return value


def _number(function: Callable[[float, float], float], left: float, right: float) -> float:
    """The result as a number; NaN, which drops the data point, where there is none (a division by zero)."""
    try:
        result = function(left, right)
    except (ArithmeticError, ValueError):
        return math.nan
    return math.nan if isinstance(result, complex) else float(result)


def _finite(series: Series) -> Series:
    return {at: value for at, value in series.items() if math.isfinite(value)}


def _value_at(value: float | Series, at: float) -> float:
    return value if isinstance(value, float) else value.get(at, 0.0)


def _pointwise(function: Callable[[float], float]) -> Function:
    def apply(_: Context, arguments: list[Argument]) -> Value:
        (value,) = arguments
        if isinstance(value, str):
            raise ExpressionError("a time series is expected")
        return combine(lambda point, _: function(point), value, 0.0)

    return Function(apply)


def _each(function: Callable[[Series], Series]) -> Function:
    """A function of a whole series, for one series or each of an array."""
    return Function(lambda _, arguments: _per_series(arguments[0], function))


def _per_series(value: Argument, function: Callable[[Series], Series]) -> Value:
    return [function(series) for series in value] if isinstance(value, list) else function(_one(value))


def _aggregate(function: Callable[[list[float]], float], *, missing_is_zero: bool = False) -> Function:
    """A number from one series; from an array one series, by timestamp."""

    def apply(_: Context, arguments: list[Argument]) -> Value:
        value = arguments[0]
        if not isinstance(value, list):
            points = list(_one(value).values())
            return function(points) if points else math.nan
        times = sorted({at for series in value for at in series})
        if missing_is_zero:
            return {at: function([series.get(at, 0.0) for series in value]) for at in times}
        return {at: function([series[at] for series in value if at in series]) for at in times}

    return Function(apply)


def _if(_: Context, arguments: list[Argument]) -> Value:
    condition, chosen, *rest = arguments
    otherwise = rest[0] if rest else {}
    if isinstance(chosen, (list, str)) or isinstance(otherwise, (list, str)):
        raise ExpressionError("IF takes numbers and single time series")
    if isinstance(condition, float):
        return chosen if condition != 0 else otherwise
    result: Series = {}
    for at, truth in _one(condition).items():
        if truth != 0:
            result[at] = _value_at(chosen, at)  # 0 where it has no value, as CloudWatch documents
        elif isinstance(otherwise, float) or at in otherwise:
            result[at] = _value_at(otherwise, at)
    return _finite(result)


def _fill(context: Context, arguments: list[Argument]) -> Value:
    value, filler = arguments
    starts = context.grid.starts
    if filler == "REPEAT":
        return _per_series(value, lambda series: _repeat(series, starts))
    if filler == "LINEAR":
        return _per_series(value, lambda series: _linear(series, starts))
    if isinstance(filler, (list, str)):
        raise ExpressionError("FILL fills with a number, one time series, REPEAT or LINEAR")
    blank = dict.fromkeys(starts, filler) if isinstance(filler, float) else filler
    return _per_series(value, lambda series: _finite(dict(sorted({**blank, **series}.items()))))


def _repeat(series: Series, starts: Sequence[float]) -> Series:
    filled: Series = {}
    last: float | None = None
    for at in sorted({*series, *starts}):
        last = series.get(at, last)
        if last is not None:
            filled[at] = last
    return filled


def _linear(series: Series, starts: Sequence[float]) -> Series:
    filled = dict(series)
    for before, after in itertools.pairwise(sorted(series)):
        slope = (series[after] - series[before]) / (after - before)
        filled.update({at: series[before] + slope * (at - before) for at in starts if before < at < after})
    return dict(sorted(filled.items()))


def _changes(series: Series) -> Iterator[tuple[float, float, float]]:
    """Timestamp, difference of value and difference of time, for each data point but the first."""
    for before, at in itertools.pairwise(sorted(series)):
        yield at, series[at] - series[before], at - before


def _running_sum(series: Series) -> Series:
    times = sorted(series)
    return dict(zip(times, itertools.accumulate(series[at] for at in times), strict=True))


def _metrics(context: Context, arguments: list[Argument]) -> Value:
    part = arguments[0] if arguments else ""
    if not isinstance(part, str):
        raise ExpressionError('METRICS takes a text in quotation marks, as in METRICS("errors")')
    return [series for name, series in context.metrics.items() if part in name]


def _period(context: Context, arguments: list[Argument]) -> Value:
    if not isinstance(arguments[0], str) or arguments[0] not in context.metrics:
        raise ExpressionError("PERIOD takes a metric, not the result of an expression")
    return float(context.grid.period)


def _end(position: int) -> Function:
    def apply(_: Context, arguments: list[Argument]) -> Value:
        value = arguments[0]
        if not isinstance(value, list) or not value:
            raise ExpressionError("FIRST and LAST take an array of time series")
        return value[position]

    return Function(apply)


FUNCTIONS: dict[str, Function] = {
    "ABS": _pointwise(abs),
    "CEIL": _pointwise(math.ceil),
    "FLOOR": _pointwise(math.floor),
    "LOG": _pointwise(math.log),
    "LOG10": _pointwise(math.log10),
    "SUM": _aggregate(math.fsum),
    "AVG": _aggregate(statistics.fmean, missing_is_zero=True),
    "MIN": _aggregate(min),
    "MAX": _aggregate(max),
    "STDDEV": _aggregate(statistics.pstdev),
    "DATAPOINT_COUNT": _aggregate(lambda points: float(len(points))),
    "DIFF": _each(lambda series: {at: change for at, change, _ in _changes(series)}),
    "DIFF_TIME": _each(lambda series: {at: seconds for at, _, seconds in _changes(series)}),
    "RATE": _each(lambda series: {at: change / seconds for at, change, seconds in _changes(series)}),
    "RUNNING_SUM": _each(_running_sum),
    "FILL": Function(_fill, arity=(2,), words=("REPEAT", "LINEAR")),
    "IF": Function(_if, arity=(2, 3)),
    "METRICS": Function(_metrics, arity=(0, 1), takes="text"),
    "METRIC_COUNT": Function(lambda _, arguments: float(len(array(arguments[0])))),
    "REMOVE_EMPTY": Function(lambda _, arguments: [series for series in array(arguments[0]) if series]),
    "FIRST": _end(0),
    "LAST": _end(-1),
    "PERIOD": Function(_period, takes="id"),
    "TIME_SERIES": Function(
        lambda context, arguments: _finite(dict.fromkeys(context.grid.starts, _scalar(arguments[0])))
    ),
}

UNSUPPORTED = frozenset(
    {
        *("ANOMALY_DETECTION_BAND", "DB_PERF_INSIGHTS", "INSIGHT_RULE_METRIC", "LAMBDA", "SEARCH", "SERVICE_QUOTA"),
        *("DATE", "DAY", "EPOCH", "HOUR", "MINUTE", "MONTH", "SLICE", "SORT", "YEAR"),
    }
)
"""Functions that CloudWatch has and this emulator has not."""
