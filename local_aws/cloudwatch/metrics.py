"""CloudWatch metrics: the emulator keeps them in a store of ours, and answers from it.

ministack merges dimensions where none are named, does not evaluate expressions, and walks through every data point at
each request.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from local_aws import hooks
from local_aws.cloudwatch import operations as metric_api
from local_aws.cloudwatch.protocol import MODULE, RefusedError, serve
from local_aws.cloudwatch.queries import QueryError
from local_aws.cloudwatch.store import HIGH_RESOLUTION, Datum, Metric, MetricStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_stores: dict[tuple[str, str], MetricStore] = {}
_account: Callable[[], str]
_region: Callable[[], str]


def install() -> None:
    """Take the place of ministack's metric operations, of its own publishing and of its reset."""
    global _account, _region  # noqa: PLW0603 (hooks are found once, when the emulator starts)
    _account = hooks.find("ministack.core.responses", "get_account_id", arguments=())
    _region = hooks.find("ministack.core.responses", "get_region", arguments=())
    serve("PutMetricData", "_put_metric_data", _put)
    serve("ListMetrics", "_list_metrics", lambda request: metric_api.list_metrics(request, store()))
    serve(
        "GetMetricStatistics",
        "_get_metric_statistics",
        lambda request: metric_api.metric_statistics(request, store()),
    )
    serve("GetMetricData", "_get_metric_data", lambda request: metric_api.metric_data(request, store()))
    hooks.replace(
        MODULE, "record_metric", publish, arguments=("namespace", "metric_name", "value", "unit", "dimensions")
    )
    reset: Callable[[], None] = hooks.find(MODULE, "reset", arguments=())

    def reset_all() -> None:
        reset()
        for kept in list(_stores.values()):
            kept.clear()

    hooks.replace(MODULE, "reset", reset_all)


def store() -> MetricStore:
    """The metrics of the account and region at work."""
    return _stores.setdefault((_account(), _region()), MetricStore())


def arn(kind: str, name: str) -> str:
    """The ARN of something of CloudWatch's in the account and region at work."""
    return f"arn:aws:cloudwatch:{_region()}:{_account()}:{kind}:{name}"


def prune(now: float) -> None:
    """Forget what is past its retention, in all accounts and regions."""
    for kept in list(_stores.values()):
        kept.prune(now)


def publish(
    namespace: str,
    metric_name: str,
    value: float,
    unit: str = "None",
    dimensions: Mapping[str, str] | None = None,
) -> None:
    """Publish one value for an AWS service, now.

    AWS does so by the minute; here the second counts, so that an alarm of a local stack need not wait for one.
    """
    metric = Metric.of(namespace, metric_name, dimensions or {})
    store().put([Datum(metric, time.time(), ((float(value), 1.0),), unit=unit, resolution=HIGH_RESOLUTION)])


def _put(request: dict[str, Any]) -> dict[str, Any]:
    try:
        store().put(metric_api.read_data(request, time.time()))
    except QueryError as error:
        raise RefusedError("InvalidParameterValue", str(error)) from None
    return {}
