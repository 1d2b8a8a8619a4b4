"""The store of metrics is bounded in time."""

from __future__ import annotations

from local_aws.cloudwatch.store import RETENTION_SECONDS, Datum, Metric, MetricStore
from local_aws.tests.unit.cloudwatch.factories import NOW


def test_prune_removes_data_beyond_retention() -> None:
    # given a value each second for longer than the retention, and a series that ended
    store = MetricStore()
    metric, ended = Metric("Test", "a"), Metric("Test", "ended")
    oldest = int(NOW) - RETENTION_SECONDS - 100
    store.put(Datum(metric, at, ((1.0, 1.0),), resolution=1) for at in range(oldest, int(NOW)))
    store.put([Datum(ended, oldest, ((1.0, 1.0),))])
    # when it is pruned, then older data and the empty series are removed
    store.prune(int(NOW))
    values = store.series(metric, "Sum", period=1, start=0, end=NOW)
    assert (len(values), min(values)) == (RETENTION_SECONDS, int(NOW) - RETENTION_SECONDS)
    assert store.metrics() == [metric]
