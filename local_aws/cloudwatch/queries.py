"""Parses and evaluates metric data queries: metrics, and expressions over them. GetMetricData and alarms use them.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDataQuery.html
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local_aws.cloudwatch.expressions import Context, Expression, ExpressionError, Grid, is_id
from local_aws.cloudwatch.store import Metric, is_statistic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from local_aws.cloudwatch.expressions import Value
    from local_aws.cloudwatch.store import MetricStore, Series

HIGH_RESOLUTION_PERIODS = (1, 5, 10, 20, 30)


class QueryError(ValueError):
    """A request that CloudWatch refuses; the message says why."""


@dataclass(frozen=True, slots=True)
class MetricStat:
    """One statistic of one metric per period of ``period`` seconds."""

    metric: Metric
    period: int
    statistic: str
    unit: str | None = None

    @classmethod
    def read(cls, members: Mapping[str, Any]) -> MetricStat:
        """Parse the API's ``MetricStat``; numbers may be strings, as in a template. Raises ``QueryError``."""
        metric = members.get("Metric") or {}
        return cls(
            read_metric(metric.get("Namespace"), metric.get("MetricName"), metric.get("Dimensions")),
            read_period(members.get("Period")),
            read_statistic(members.get("Stat")),
            members.get("Unit") or None,
        )

    def series(self, store: MetricStore, *, start: float, end: float) -> Series:
        """Its values by the start of each period, from ``start`` on."""
        return store.series(self.metric, self.statistic, period=self.period, start=start, end=end, unit=self.unit)

    def describe(self) -> dict[str, Any]:
        """The API's ``MetricStat``."""
        return {
            "Metric": describe_metric(self.metric),
            "Period": self.period,
            "Stat": self.statistic,
            **({"Unit": self.unit} if self.unit else {}),
        }


def read_metric(namespace: str | None, name: str | None, dimensions: Sequence[Mapping[str, str]] | None) -> Metric:
    """Parse the API's members of a metric. Raises ``QueryError``."""
    if not namespace or not name:
        raise QueryError("a metric needs a Namespace and a MetricName")
    try:
        return Metric.create(namespace, name, {dimension["Name"]: dimension["Value"] for dimension in dimensions or ()})
    except (KeyError, TypeError):
        raise QueryError("each dimension needs a Name and a Value") from None


def describe_metric(metric: Metric) -> dict[str, Any]:
    """The API's members of a metric."""
    return {
        "Namespace": metric.namespace,
        "MetricName": metric.name,
        "Dimensions": [{"Name": name, "Value": value} for name, value in metric.dimensions],
    }


def read_period(value: object) -> int:
    """Parse a period: 1, 5, 10, 20, 30 or a multiple of 60 seconds. Raises ``QueryError``."""
    try:
        period = int(str(value))
    except ValueError:
        raise QueryError(f"Period must be a number of seconds, not {value!r}") from None
    if period not in HIGH_RESOLUTION_PERIODS and (period <= 0 or period % 60):
        raise QueryError(f"Period must be 1, 5, 10, 20, 30 or a multiple of 60, not {period}")
    return period


def read_statistic(value: object) -> str:
    """Parse the name of a statistic. Raises ``QueryError``."""
    if not isinstance(value, str) or not is_statistic(value):
        raise QueryError(f"{value!r} is not a statistic: use SampleCount, Sum, Average, Minimum, Maximum or p0 to p100")
    return value


def read_flag(value: object) -> bool:
    """Parse a boolean, which forms and templates carry as a string. Raises ``QueryError``."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise QueryError(f"true or false is expected, not {value!r}")


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a request: a metric, or an expression over the other queries."""

    id: str
    stat: MetricStat | None
    expression: Expression | None
    label: str | None = None
    return_data: bool = True

    @classmethod
    def read(cls, members: Mapping[str, Any]) -> Query:
        """Parse the API's ``MetricDataQuery``. Raises ``QueryError``."""
        name = str(members.get("Id", ""))
        if not is_id(name):
            raise QueryError(f"Id {name!r}: a lowercase letter, then letters, digits and underscores")
        stat, text = members.get("MetricStat"), members.get("Expression")
        if bool(stat) == bool(text):
            raise QueryError(f"query {name}: give either MetricStat or Expression")
        try:
            expression = Expression(str(text)) if text else None
        except ExpressionError as error:
            raise QueryError(f"query {name}: {error}") from None
        return cls(
            name,
            MetricStat.read(stat) if stat else None,
            expression,
            members.get("Label"),
            read_flag(members.get("ReturnData", True)),
        )

    def describe(self) -> dict[str, Any]:
        """The API's ``MetricDataQuery``."""
        return {
            "Id": self.id,
            **({"MetricStat": self.stat.describe()} if self.stat else {}),
            **({"Expression": self.expression.text} if self.expression else {}),
            **({"Label": self.label} if self.label is not None else {}),
            "ReturnData": self.return_data,
        }


@dataclass(frozen=True, slots=True)
class Queries:
    """All queries of a request, in its order; no query depends on itself."""

    requested: tuple[Query, ...]
    _evaluation_order: tuple[Query, ...] = field(repr=False)

    @classmethod
    def read(cls, queries: Sequence[Mapping[str, Any]]) -> Queries:
        """Parse a list of ``MetricDataQuery``. Raises ``QueryError``."""
        parsed = tuple(Query.read(members) for members in queries)
        by_id = {query.id: query for query in parsed}
        if len(by_id) != len(parsed):
            raise QueryError("two queries have the same Id")
        order: dict[str, Query] = {}
        for query in parsed:
            _append_after_operands(query, by_id, order, ())
        return cls(parsed, tuple(order.values()))

    def periods(self, query: Query) -> set[int]:
        """The periods of all metrics that a query depends on."""
        if query.stat is not None:
            return {query.stat.period}
        by_id = {other.id: other for other in self.requested}
        ids = query.expression.ids if query.expression else frozenset()
        periods = {period for operand in ids for period in self.periods(by_id[operand])}
        return periods or {other.stat.period for other in self.requested if other.stat}

    def evaluate(self, store: MetricStore, *, start: float, end: float, align: bool) -> dict[str, Value]:
        """The value of each query over the periods from ``start`` to ``end``, by the query's id.

        The first period begins at ``start``; with ``align``, at the last multiple of the period before ``start``.
        Raises ``QueryError`` if an expression has no metrics, or metrics of different periods.
        """
        metrics: dict[str, Series] = {}  # in the order of the request, which METRICS() follows
        for query in self.requested:
            if query.stat is not None:
                first = _aligned(start, query.stat.period) if align else start
                metrics[query.id] = query.stat.series(store, start=first, end=end)
        values: dict[str, Value] = dict(metrics)
        for query in self._evaluation_order:
            if query.expression is not None:
                context = Context(self._grid(query, start, end, align), metrics)
                try:
                    values[query.id] = query.expression.evaluate(values, context)
                except ExpressionError as error:
                    raise QueryError(f"query {query.id}: {error}") from None
        return values

    def _grid(self, query: Query, start: float, end: float, align: bool) -> Grid:
        periods = self.periods(query)
        if len(periods) != 1:
            raise QueryError(f"query {query.id}: an expression needs metrics, all of the same period")
        (period,) = periods
        first = _aligned(start, period) if align else start
        return Grid([first + step * period for step in range(math.ceil((end - first) / period))], period)


def _aligned(start: float, period: int) -> float:
    return start // period * period


def _append_after_operands(
    query: Query, by_id: Mapping[str, Query], order: dict[str, Query], path: tuple[str, ...]
) -> None:
    """Append a query to ``order`` after the queries that it refers to; ``path`` are those that led to it."""
    if query.id in path:
        raise QueryError(f"query {query.id} refers to itself: {' -> '.join((*path, query.id))}")
    if query.id in order:
        return
    for name in sorted(query.expression.ids) if query.expression else ():
        if name not in by_id:
            raise QueryError(f"query {query.id} refers to {name!r}, which is no query")
        _append_after_operands(by_id[name], by_id, order, (*path, query.id))
    order[query.id] = query
