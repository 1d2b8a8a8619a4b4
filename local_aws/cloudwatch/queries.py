"""Metric data queries, as GetMetricData and alarms on metric math carry them: metrics, and expressions over them."""

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
    """A request that CloudWatch refuses, said in a sentence."""


@dataclass(frozen=True, slots=True)
class MetricStat:
    """One statistic of one metric, by periods of so many seconds."""

    metric: Metric
    period: int
    statistic: str
    unit: str | None = None

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> MetricStat:
        """From the API's ``MetricStat``; numbers may be texts, as they are in a template."""
        named = given.get("Metric") or {}
        return cls(
            read_metric(named.get("Namespace"), named.get("MetricName"), named.get("Dimensions")),
            read_period(given.get("Period")),
            read_statistic(given.get("Stat")),
            given.get("Unit") or None,
        )

    def series(self, store: MetricStore, *, start: float, end: float) -> Series:
        """Its values over the periods from ``start`` on, as the store divides time."""
        return store.series(self.metric, self.statistic, period=self.period, start=start, end=end, unit=self.unit)

    def describe(self) -> dict[str, Any]:
        return {
            "Metric": describe_metric(self.metric),
            "Period": self.period,
            "Stat": self.statistic,
            **({"Unit": self.unit} if self.unit else {}),
        }


def read_metric(namespace: str | None, name: str | None, dimensions: Sequence[Mapping[str, str]] | None) -> Metric:
    """A metric from the API's members. Raises ``QueryError``."""
    if not namespace or not name:
        raise QueryError("a metric needs a Namespace and a MetricName")
    try:
        return Metric.of(namespace, name, {each["Name"]: each["Value"] for each in dimensions or ()})
    except (KeyError, TypeError):
        raise QueryError("each dimension needs a Name and a Value") from None


def describe_metric(metric: Metric) -> dict[str, Any]:
    """The API's members for a metric."""
    return {
        "Namespace": metric.namespace,
        "MetricName": metric.name,
        "Dimensions": [{"Name": name, "Value": value} for name, value in metric.dimensions],
    }


def read_period(given: object) -> int:
    """A period in seconds: 1, 5, 10, 20, 30 or a multiple of 60. Raises ``QueryError``."""
    try:
        period = int(str(given))
    except ValueError:
        raise QueryError(f"Period must be a number of seconds, not {given!r}") from None
    if period not in HIGH_RESOLUTION_PERIODS and (period <= 0 or period % 60):
        raise QueryError(f"Period must be 1, 5, 10, 20, 30 or a multiple of 60, not {period}")
    return period


def read_statistic(given: object) -> str:
    """A statistic's name. Raises ``QueryError``."""
    if not isinstance(given, str) or not is_statistic(given):
        raise QueryError(f"no statistic {given!r}: SampleCount, Sum, Average, Minimum, Maximum or p0 to p100")
    return given


def read_flag(given: object) -> bool:
    """A boolean as JSON, CBOR, forms and templates have it. Raises ``QueryError``."""
    if isinstance(given, bool):
        return given
    if isinstance(given, str) and given.lower() in ("true", "false"):
        return given.lower() == "true"
    raise QueryError(f"true or false is expected, not {given!r}")


@dataclass(frozen=True, slots=True)
class Query:
    """One of several queries that belong together: a metric or an expression over the others."""

    id: str
    stat: MetricStat | None
    expression: Expression | None
    label: str | None = None
    return_data: bool = True

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Query:
        name = str(given.get("Id", ""))
        if not is_id(name):
            raise QueryError(f"Id {name!r}: a lowercase letter, then letters, digits and underscores")
        stat, text = given.get("MetricStat"), given.get("Expression")
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
            given.get("Label"),
            read_flag(given.get("ReturnData", True)),
        )

    def describe(self) -> dict[str, Any]:
        """The API's members, as they were given."""
        return {
            "Id": self.id,
            **({"MetricStat": self.stat.describe()} if self.stat else {}),
            **({"Expression": self.expression.text} if self.expression else {}),
            **({"Label": self.label} if self.label is not None else {}),
            "ReturnData": self.return_data,
        }


@dataclass(frozen=True, slots=True)
class Queries:
    """Queries in the order given, each sound and none in a circle. Raises ``QueryError``."""

    given: tuple[Query, ...]
    _order: tuple[Query, ...] = field(repr=False)

    @classmethod
    def read(cls, given: Sequence[Mapping[str, Any]]) -> Queries:
        queries = tuple(Query.read(each) for each in given)
        named = {query.id: query for query in queries}
        if len(named) != len(queries):
            raise QueryError("two queries have the same Id")
        order: dict[str, Query] = {}
        for query in queries:
            _place(query, named, order, ())
        return cls(queries, tuple(order.values()))

    def periods(self, query: Query) -> set[int]:
        """The periods of the metrics that a query rests on."""
        if query.stat is not None:
            return {query.stat.period}
        named = {each.id: each for each in self.given}
        ids = query.expression.ids if query.expression else frozenset()
        found = {period for each in ids for period in self.periods(named[each])}
        return found or {each.stat.period for each in self.given if each.stat}

    def evaluate(self, store: MetricStore, *, start: float, end: float, align: bool) -> dict[str, Value]:
        """What each query yields over its periods from ``start`` to ``end``, by id.

        The first period begins at ``start``, or with ``align`` at the multiple of the period before it.

        Raises ``QueryError`` for an expression over metrics of different periods, or none.
        """
        metrics: dict[str, Series] = {}  # in the order of the request, which METRICS() follows
        for query in self.given:
            if query.stat is not None:
                first = _aligned(start, query.stat.period) if align else start
                metrics[query.id] = query.stat.series(store, start=first, end=end)
        values: dict[str, Value] = dict(metrics)
        for query in self._order:
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


def _place(query: Query, named: Mapping[str, Query], order: dict[str, Query], above: tuple[str, ...]) -> None:
    """Put a query after those it refers to."""
    if query.id in above:
        raise QueryError(f"query {query.id} refers to itself: {' -> '.join((*above, query.id))}")
    if query.id in order:
        return
    for name in sorted(query.expression.ids) if query.expression else ():
        if name not in named:
            raise QueryError(f"query {query.id} refers to {name!r}, which is no query")
        _place(named[name], named, order, (*above, query.id))
    order[query.id] = query
