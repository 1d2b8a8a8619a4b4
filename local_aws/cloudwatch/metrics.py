"""Replaces ministack's metrics by ``MetricStore``.

ministack merges all dimensions in a request without dimensions, does not evaluate expressions, and scans every data
point at each request.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from local_aws import hooks
from local_aws.cloudwatch import operations
from local_aws.cloudwatch.protocol import MODULE, RefusedError, serve
from local_aws.cloudwatch.queries import QueryError
from local_aws.cloudwatch.store import HIGH_RESOLUTION, Datum, Metric, MetricStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_stores: dict[tuple[str, str], MetricStore] = {}
_account: Callable[[], str]
_region: Callable[[], str]


def install() -> None:
    """Replace ministack's metric operations, its own publishing, and its reset."""
    global _account, _region  # noqa: PLW0603 (hooks are looked up once, at the start)
    _account = hooks.find("ministack.core.responses", "get_account_id", arguments=())
    _region = hooks.find("ministack.core.responses", "get_region", arguments=())
    serve("PutMetricData", "_put_metric_data", _put)
    serve("ListMetrics", "_list_metrics", lambda request: operations.list_metrics(request, store()))
    serve(
        "GetMetricStatistics",
        "_get_metric_statistics",
        lambda request: operations.metric_statistics(request, store()),
    )
    serve("GetMetricData", "_get_metric_data", lambda request: operations.metric_data(request, store()))
    hooks.replace(
        MODULE, "record_metric", publish, arguments=("namespace", "metric_name", "value", "unit", "dimensions")
    )
    reset: Callable[[], None] = hooks.find(MODULE, "reset", arguments=())

    def reset_all() -> None:
        reset()
        for metric_store in list(_stores.values()):
            metric_store.clear()

    hooks.replace(MODULE, "reset", reset_all)


def store() -> MetricStore:
    """The metrics of the current request's account and region."""
    return _stores.setdefault((_account(), _region()), MetricStore())


def arn(kind: str, name: str) -> str:
    """The ARN of a CloudWatch resource in the current request's account and region."""
    return f"arn:aws:cloudwatch:{_region()}:{_account()}:{kind}:{name}"


def prune(now: float) -> None:
    """Remove data past its retention, in all accounts and regions."""
    for metric_store in list(_stores.values()):
        metric_store.prune(now)


def publish(
    namespace: str,
    metric_name: str,
    value: float,
    unit: str = "None",
    dimensions: Mapping[str, str] | None = None,
) -> None:
    """Publish one value of an AWS service, now, with a resolution of one second.

    AWS services publish every minute; a finer resolution lets alarms with short periods react sooner.
    """
    metric = Metric.create(namespace, metric_name, dimensions or {})
    store().put([Datum(metric, time.time(), ((float(value), 1.0),), unit=unit, resolution=HIGH_RESOLUTION)])


def _put(request: dict[str, Any]) -> dict[str, Any]:
    try:
        store().put(operations.read_data(request, time.time()))
    except QueryError as error:
        raise RefusedError("InvalidParameterValue", str(error)) from None
    return {}
