"""The operators and functions of CloudWatch's metric math, over numbers, time series and arrays of time series.

In arithmetic and comparisons a missing value counts as 0 if the other operand has a value. An operation without a
result (a division by zero) drops the data point. An aggregate such as SUM turns one series into a number, and an array
into one series.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html#metric-math-syntax-functions-list
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
    """CloudWatch would refuse the expression, or it uses a function that is not emulated."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The requested periods: their starts in epoch seconds, ascending, and their length in seconds."""

    starts: Sequence[float]
    period: int


@dataclass(frozen=True, slots=True)
class Context:
    """The periods of an evaluation, and the series that METRICS() returns, by id."""

    grid: Grid
    metrics: Mapping[str, Series]


@dataclass(frozen=True, slots=True)
class Function:
    """A function and the arguments that it accepts."""

    apply: Callable[[Context, list[Argument]], Value]
    arity: tuple[int, ...] = (1,)
    words: tuple[str, ...] = ()
    """Words that an argument may be instead of a value."""
    takes: str = "values"
    """The kind of its arguments: ``values``, ``text`` or ``id``."""


def combine(function: Callable[[float, float], float], left: Value, right: Value) -> Value:
    """Apply an operator: numbers give a number, anything else is combined data point by data point."""
    if isinstance(left, list) and isinstance(right, list):
        raise ExpressionError("an operator takes at most one array of time series")
    if isinstance(left, list):
        return [_single(combine(function, series, right)) for series in left]
    if isinstance(right, list):
        return [_single(combine(function, left, series)) for series in right]
    if isinstance(left, float) and isinstance(right, float):
        return _number(function, left, right)
    times = sorted({*(left if isinstance(left, dict) else ()), *(right if isinstance(right, dict) else ())})
    return _finite({time: _number(function, _value_at(left, time), _value_at(right, time)) for time in times})


def array(value: Argument) -> list[Series]:
    """An array; a single series becomes an array of one. Raises ``ExpressionError`` for numbers."""
    return value if isinstance(value, list) else [_single(value)]


def _single(value: Argument) -> Series:
    if not isinstance(value, dict):
        raise ExpressionError("exactly one time series is expected")
    return value


def _scalar(value: Argument) -> float:
    if not isinstance(value, float):
        raise ExpressionError("a number is expected")
    return value


def _number(function: Callable[[float, float], float], left: float, right: float) -> float:
    """The result; NaN, which drops the data point, if there is none (a division by zero)."""
    try:
        result = function(left, right)
    except (ArithmeticError, ValueError):
        return math.nan
    return math.nan if isinstance(result, complex) else float(result)


def _finite(series: Series) -> Series:
    return {time: value for time, value in series.items() if math.isfinite(value)}


def _value_at(value: float | Series, time: float) -> float:
    return value if isinstance(value, float) else value.get(time, 0.0)


def _pointwise(function: Callable[[float], float]) -> Function:
    def apply(_: Context, arguments: list[Argument]) -> Value:
        (value,) = arguments
        if isinstance(value, str):
            raise ExpressionError("a time series is expected")
        return combine(lambda point, _: function(point), value, 0.0)

    return Function(apply)


def _each(function: Callable[[Series], Series]) -> Function:
    """A function of a whole series, applied to one series or to each of an array."""
    return Function(lambda _, arguments: _per_series(arguments[0], function))


def _per_series(value: Argument, function: Callable[[Series], Series]) -> Value:
    return [function(series) for series in value] if isinstance(value, list) else function(_single(value))


def _aggregate(function: Callable[[list[float]], float], *, missing_is_zero: bool = False) -> Function:
    """An aggregate: a number from one series, or one series from an array, per time."""

    def apply(_: Context, arguments: list[Argument]) -> Value:
        value = arguments[0]
        if not isinstance(value, list):
            points = list(_single(value).values())
            return function(points) if points else math.nan
        times = sorted({time for series in value for time in series})
        if missing_is_zero:
            return {time: function([series.get(time, 0.0) for series in value]) for time in times}
        return {time: function([series[time] for series in value if time in series]) for time in times}

    return Function(apply)


def _if(_: Context, arguments: list[Argument]) -> Value:
    condition, consequent, *alternatives = arguments
    otherwise = alternatives[0] if alternatives else {}
    if isinstance(consequent, (list, str)) or isinstance(otherwise, (list, str)):
        raise ExpressionError("IF takes numbers and single time series")
    if isinstance(condition, float):
        return consequent if condition != 0 else otherwise
    result: Series = {}
    for time, truth in _single(condition).items():
        if truth != 0:
            result[time] = _value_at(consequent, time)  # 0 if it has no value, as CloudWatch documents
        elif isinstance(otherwise, float) or time in otherwise:
            result[time] = _value_at(otherwise, time)
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
    for time in sorted({*series, *starts}):
        last = series.get(time, last)
        if last is not None:
            filled[time] = last
    return filled


def _linear(series: Series, starts: Sequence[float]) -> Series:
    filled = dict(series)
    for before, after in itertools.pairwise(sorted(series)):
        slope = (series[after] - series[before]) / (after - before)
        filled.update({time: series[before] + slope * (time - before) for time in starts if before < time < after})
    return dict(sorted(filled.items()))


def _changes(series: Series) -> Iterator[tuple[float, float, float]]:
    """Timestamp, change of the value and seconds since the previous data point, for all but the first."""
    for before, time in itertools.pairwise(sorted(series)):
        yield time, series[time] - series[before], time - before


def _running_sum(series: Series) -> Series:
    times = sorted(series)
    return dict(zip(times, itertools.accumulate(series[time] for time in times), strict=True))


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
    "DIFF": _each(lambda series: {time: change for time, change, _ in _changes(series)}),
    "DIFF_TIME": _each(lambda series: {time: seconds for time, _, seconds in _changes(series)}),
    "RATE": _each(lambda series: {time: change / seconds for time, change, seconds in _changes(series)}),
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
"""Functions of CloudWatch that are not emulated."""
