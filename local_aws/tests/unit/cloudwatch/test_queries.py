"""Metric data queries refer to each other."""

from __future__ import annotations

import pytest

from local_aws.cloudwatch.queries import Queries, QueryError
from local_aws.cloudwatch.store import Datum, Metric, MetricStore


def query(name: str, **members: object) -> dict[str, object]:
    if "Expression" in members:
        return {"Id": name, **members}
    metric = {"Namespace": "Test", "MetricName": name, "Dimensions": []}
    return {"Id": name, "MetricStat": {"Metric": metric, "Period": members.pop("Period", 10), "Stat": "Sum"}, **members}


def test_expressions_may_refer_to_later_ones() -> None:
    # given two metrics, and expressions before the queries that they refer to
    store = MetricStore()
    for name, value in (("a", 3.0), ("b", 4.0)):
        store.put([Datum(Metric("Test", name), 1000.0, ((value, 1.0),), resolution=1)])
    queries = Queries.read(
        [query("length", Expression="total ^ 0.5"), query("total", Expression="a * a + b * b"), query("a"), query("b")]
    )
    # when they are evaluated
    values = queries.evaluate(store, start=1000, end=1010, align=True)
    # then each has its value
    assert (values["total"], values["length"]) == ({1000.0: 25.0}, {1000.0: 5.0})


@pytest.mark.parametrize(
    ("queries", "reason"),
    [
        ([query("a", Expression="b"), query("b", Expression="a")], "refers to itself"),
        ([query("a", Expression="a + 1")], "refers to itself"),
        ([query("a", Expression="c")], "'c', which is no query"),
        ([query("a"), query("a")], "the same Id"),
        ([{"Id": "a"}], "either MetricStat or Expression"),
        ([query("Upper")], "a lowercase letter"),
        ([query("a", Period=7)], "multiple of 60"),
        ([query("a", Period="soon")], "number of seconds"),
        ([query("a", ReturnData="maybe")], "true or false"),
    ],
)
def test_invalid_queries_are_refused(queries: list[dict[str, object]], reason: str) -> None:
    with pytest.raises(QueryError, match=reason):
        Queries.read(queries)


def test_expression_over_different_periods_is_refused() -> None:
    queries = Queries.read([query("a"), query("b", Period=60), query("c", Expression="a + b")])
    with pytest.raises(QueryError, match="all of the same period"):
        queries.evaluate(MetricStore(), start=0, end=60, align=True)
