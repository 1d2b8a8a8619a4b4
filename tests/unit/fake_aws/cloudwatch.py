"""CloudWatch: metrics and alarms."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from tests.unit.fake_aws.requests import NOW, Pages, Steps, validate_request

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True)
class FakeCloudWatch:
    """Metrics as single counts, at their own time; alarms as they are, and how they changed."""

    steps: Steps
    counts: list[tuple[str, frozenset[tuple[str, str]], datetime, float]] = field(default_factory=list)
    alarms: list[dict[str, Any]] = field(default_factory=list)
    changes: list[tuple[str, datetime, str, str]] = field(default_factory=list)
    """Alarm, time, state before, state after; in any order."""
    now: datetime = NOW
    requests: list[dict[str, Any]] = field(default_factory=list)

    def count(self, metric: str, at: datetime, value: float, **dimensions: str) -> None:
        self.counts.append((metric, frozenset(dimensions.items()), at, value))

    def get_paginator(self, operation: str) -> Pages:
        return Pages(
            {
                "get_metric_data": self._data,
                "list_metrics": self._metrics,
                "describe_alarm_history": self._history,
            }[operation]
        )

    def _metrics(self, **parameters: Any) -> Iterator[dict[str, Any]]:
        validate_request("cloudwatch", "ListMetrics", parameters)
        assert parameters["Namespace"] == "Dwell"
        wanted = {dimension["Name"]: dimension.get("Value") for dimension in parameters["Dimensions"]}
        found = sorted(
            {
                tuple(sorted(dimensions))
                for metric, dimensions, _, _ in self.counts
                if metric == parameters["MetricName"]
                and all(value in (None, dict(dimensions).get(name)) for name, value in wanted.items())
                and wanted.keys() <= dict(dimensions).keys()
            }
        )
        for start in range(0, max(len(found), 1), 2):
            page = self.steps.take(lambda start=start: found[start : start + 2])  # type: ignore[misc]
            yield {
                "Metrics": [
                    {
                        "Namespace": "Dwell",
                        "MetricName": parameters["MetricName"],
                        "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions_],
                    }
                    for dimensions_ in page
                ]
            }

    def _history(self, **parameters: Any) -> Iterator[dict[str, Any]]:
        limits = parameters.pop("PaginationConfig")
        validate_request("cloudwatch", "DescribeAlarmHistory", parameters)
        assert parameters["HistoryItemType"] == "StateUpdate"
        assert parameters["ScanBy"] == "TimestampDescending"
        found = sorted(
            (change for change in self.changes if change[0] == parameters["AlarmName"]),
            key=lambda change: change[1],
            reverse=True,
        )[: limits["MaxItems"]]
        for start in range(0, max(len(found), 1), 3):
            page = self.steps.take(lambda start=start: found[start : start + 3])  # type: ignore[misc]
            yield {
                "AlarmHistoryItems": [
                    {
                        "AlarmName": alarm,
                        "Timestamp": at,
                        "HistoryItemType": "StateUpdate",
                        "HistorySummary": f"Alarm updated from {before} to {after}",
                        "HistoryData": "{}",
                    }
                    for alarm, at, before, after in page
                ]
            }

    def _data(self, **parameters: Any) -> Iterator[dict[str, Any]]:
        validate_request("cloudwatch", "GetMetricData", parameters)
        self.requests.append(parameters)
        results = [
            self._result(query, parameters["StartTime"], parameters["EndTime"]) for query in self._queries(parameters)
        ]
        halves = [
            [{**result, **{part: result[part][chosen] for part in ("Timestamps", "Values")}} for result in results]
            for chosen in (slice(None, 2), slice(2, None))
        ]
        for half_page in halves:
            yield {"MetricDataResults": self.steps.take(lambda page=half_page: page)}  # type: ignore[misc]

    @staticmethod
    def _queries(parameters: dict[str, Any]) -> list[dict[str, Any]]:
        queries = cast("list[dict[str, Any]]", parameters["MetricDataQueries"])
        assert len(queries) <= 500
        return queries

    def _result(self, query: dict[str, Any], start: datetime, end: datetime) -> dict[str, Any]:
        stat = query["MetricStat"]
        assert stat["Metric"]["Namespace"] == "Dwell"
        length, age = stat["Period"], self.now - start
        kept = next(
            shortest
            for shortest, within in ((1, 3), (60, 15 * 24), (300, 63 * 24), (3_600, 456 * 24))
            if age <= timedelta(hours=within, seconds=length)
        )
        assert length >= kept, f"no data in periods of {length} s as long ago as {age}"
        assert (end - start) / timedelta(seconds=length) <= 505
        wanted = frozenset((dimension["Name"], dimension["Value"]) for dimension in stat["Metric"]["Dimensions"])
        buckets: dict[float, float] = {}
        for metric, dimensions, at, value in self.counts:
            bucket = at.timestamp() // length * length
            if (metric, dimensions) == (stat["Metric"]["MetricName"], wanted) and (
                start.timestamp() <= bucket < end.timestamp()
            ):
                buckets[bucket] = buckets.get(bucket, 0.0) + value
        return {
            "Id": query["Id"],
            "Timestamps": [datetime.fromtimestamp(at, UTC) for at in buckets],
            "Values": list(buckets.values()),
            "StatusCode": "Complete",
        }

    def describe_alarms(self, **parameters: Any) -> dict[str, Any]:
        validate_request("cloudwatch", "DescribeAlarms", parameters)
        return self.steps.take(
            lambda: {
                "MetricAlarms": [
                    alarm
                    for alarm in self.alarms
                    if alarm["AlarmName"] in parameters["AlarmNames"]
                    and alarm["StateValue"] == parameters.get("StateValue", alarm["StateValue"])
                ]
            }
        )

    def put_metric_alarm(self, **parameters: Any) -> dict[str, Any]:
        """As AWS does it: the definition is replaced whole, and the state stays."""
        validate_request("cloudwatch", "PutMetricAlarm", parameters)

        def put() -> dict[str, Any]:
            state = {"StateValue": "INSUFFICIENT_DATA"}
            for alarm in self.alarms:
                if alarm["AlarmName"] == parameters["AlarmName"]:
                    state = {name: value for name, value in alarm.items() if name.startswith("State")}
            self.alarms = [alarm for alarm in self.alarms if alarm["AlarmName"] != parameters["AlarmName"]]
            self.alarms.append({**parameters, **state})
            return {}

        return self.steps.take(put)

    def set_alarm_state(self, **parameters: Any) -> dict[str, Any]:
        validate_request("cloudwatch", "SetAlarmState", parameters)

        def put() -> dict[str, Any]:
            alarm = self.alarm(parameters["AlarmName"])
            alarm |= {"StateValue": parameters["StateValue"], "StateReason": parameters["StateReason"]}
            return {}

        return self.steps.take(put)

    def alarm(self, name: str) -> dict[str, Any]:
        (found,) = [alarm for alarm in self.alarms if alarm["AlarmName"] == name]
        return found
