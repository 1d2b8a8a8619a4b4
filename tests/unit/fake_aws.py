"""Fakes of the AWS services behind the loop: they keep state, refuse what AWS refuses, and can die at any step.

Requests are checked against botocore's own service models, so a request that boto3 would not send is not taken here.
"""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import botocore.session
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from boto3.dynamodb.conditions import ConditionBase
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient

STACK = "dwell"
BUCKET = "dwell-data"
ENDPOINT = "dwell"
NOW = datetime(2026, 11, 23, 6, 39, 5, 250_000, tzinfo=UTC)


class Died(BaseException):
    """The function's process is gone. No handler of errors gets hold of that."""


@dataclass(slots=True)
class Steps:
    """Counts requests to AWS, and ends the process just before or just after one of them took effect."""

    count: int = 0
    fatal: int | None = None
    effective: bool = True
    """Whether the fatal request still takes effect."""

    def take[Answer](self, do: Callable[[], Answer]) -> Answer:
        self.count += 1
        if self.count != self.fatal:
            return do()
        if self.effective:
            with suppress(ClientError):  # a refusal is an answer too, and nobody is left to hear it
                do()
        raise Died


@cache
def _service(name: str) -> Any:
    return botocore.session.get_session().get_service_model(name)


def check(service: str, operation: str, parameters: dict[str, Any]) -> None:
    """Refuse what boto3 would refuse to send."""
    report = ParamValidator().validate(parameters, _service(service).operation_model(operation).input_shape)
    assert not report.has_errors(), report.generate_report()


def refused(operation: str, code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


class _ConditionFailedError(ClientError):
    pass


def _holds(condition: ConditionBase, item: dict[str, Any] | None) -> bool:
    expression = condition.get_expression()
    operator, values = expression["operator"], expression["values"]
    if operator == "AND":
        return all(_holds(value, item) for value in values)
    present = item is not None and values[0].name in item
    if operator == "attribute_not_exists":
        return not present
    assert operator == "="
    return present and item is not None and item[values[0].name] == values[1]


@dataclass(slots=True)
class FakeTable:
    """A table with keys ``kind`` and ``name``; items go through DynamoDB's own types, and pages are short."""

    steps: Steps
    items: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    before_put: Callable[[dict[str, Any]], None] | None = None
    """Called before each write: what another writer does meanwhile."""
    meta: Any = field(
        default_factory=lambda: SimpleNamespace(
            client=SimpleNamespace(exceptions=SimpleNamespace(ConditionalCheckFailedException=_ConditionFailedError))
        )
    )

    def get_item(self, **given: Any) -> dict[str, Any]:
        assert given["ConsistentRead"]
        item = self.steps.take(lambda: self.items.get((given["Key"]["kind"], given["Key"]["name"])))
        return {} if item is None else {"Item": dict(item)}

    def put_item(self, **given: Any) -> dict[str, Any]:
        packed = {name: TypeSerializer().serialize(value) for name, value in given["Item"].items()}
        item = {name: TypeDeserializer().deserialize(value) for name, value in packed.items()}
        if self.before_put is not None:
            self.before_put(item)

        def put() -> dict[str, Any]:
            key = (item["kind"], item["name"])
            if not _holds(given["ConditionExpression"], self.items.get(key)):
                raise _ConditionFailedError(
                    {"Error": {"Code": "ConditionalCheckFailedException", "Message": "The conditional request failed"}},
                    "PutItem",
                )
            self.items[key] = item
            return {}

        return self.steps.take(put)

    def query(self, **given: Any) -> dict[str, Any]:
        assert given["ConsistentRead"]
        assert not given["ScanIndexForward"]
        keys = sorted(self.items, reverse=True)
        found = [self.items[key] for key in keys if _holds(given["KeyConditionExpression"], self.items[key])]
        if "ExclusiveStartKey" in given:
            found = [item for item in found if item["name"] < given["ExclusiveStartKey"]["name"]]
        size = min(given["Limit"], 3)
        page = self.steps.take(lambda: found[:size])
        answer: dict[str, Any] = {"Items": page}
        if len(found) > size:
            answer["LastEvaluatedKey"] = {"kind": page[-1]["kind"], "name": page[-1]["name"]}
        return answer

    def kind(self, kind: str) -> dict[str, dict[str, Any]]:
        return {name: item for (of, name), item in self.items.items() if of == kind}


@dataclass(frozen=True, slots=True)
class Pages:
    """A paginator."""

    pages: Callable[..., Iterator[dict[str, Any]]]

    def paginate(self, **parameters: Any) -> Iterator[dict[str, Any]]:
        return self.pages(**parameters)


@dataclass(slots=True)
class Version:
    key: str
    content: bytes
    at: datetime
    number: str
    latest: bool = True


class _NoKeyError(ClientError):
    pass


@dataclass(slots=True)
class FakeS3:
    """A versioned bucket."""

    steps: Steps
    versions: list[Version] = field(default_factory=list)
    now: datetime = NOW
    listed: list[str] = field(default_factory=list)
    exceptions: Any = field(default_factory=lambda: SimpleNamespace(NoSuchKey=_NoKeyError))

    def store(self, key: str, content: bytes, at: datetime) -> Version:
        for version in self.versions:
            if version.key == key:
                version.latest = False
        version = Version(key, content, at.replace(microsecond=0), f"v{len(self.versions) + 1}")
        self.versions.append(version)
        return version

    def content(self, key: str) -> bytes:
        return next(version.content for version in self.versions if version.key == key and version.latest)

    def put_object(self, **parameters: Any) -> dict[str, Any]:
        check("s3", "PutObject", parameters)
        assert parameters["Bucket"] == BUCKET
        return self.steps.take(
            lambda: {"VersionId": self.store(parameters["Key"], parameters["Body"], self.now).number}
        )

    def get_object(self, **parameters: Any) -> dict[str, Any]:
        check("s3", "GetObject", parameters)

        def get() -> dict[str, Any]:
            for version in self.versions:
                if version.key == parameters["Key"] and version.latest:
                    return {"ContentLength": len(version.content), "Body": io.BytesIO(version.content)}
            raise _NoKeyError({"Error": {"Code": "NoSuchKey", "Message": "absent"}}, "GetObject")

        return self.steps.take(get)

    def get_paginator(self, operation: str) -> Pages:
        assert operation == "list_object_versions"
        return Pages(self._list)

    def _list(self, **parameters: Any) -> Iterator[dict[str, Any]]:
        check("s3", "ListObjectVersions", parameters)
        self.listed.append(parameters["Prefix"])
        found = sorted(
            (version for version in self.versions if version.key.startswith(parameters["Prefix"])),
            key=lambda version: version.key,
        )
        if not found:
            self.steps.take(lambda: None)
            yield {}
        for start in range(0, len(found), 2):
            page = self.steps.take(lambda start=start: found[start : start + 2])  # type: ignore[misc]
            yield {
                "Versions": [
                    {
                        "Key": one.key,
                        "VersionId": one.number,
                        "IsLatest": one.latest,
                        "Size": len(one.content),
                        "LastModified": one.at,
                    }
                    for one in page
                ]
            }


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
        check("cloudwatch", "ListMetrics", parameters)
        assert parameters["Namespace"] == "Dwell"
        wanted = {one["Name"]: one.get("Value") for one in parameters["Dimensions"]}
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
                        "Dimensions": [{"Name": name, "Value": value} for name, value in one],
                    }
                    for one in page
                ]
            }

    def _history(self, **parameters: Any) -> Iterator[dict[str, Any]]:
        limits = parameters.pop("PaginationConfig")
        check("cloudwatch", "DescribeAlarmHistory", parameters)
        assert parameters["HistoryItemType"] == "StateUpdate"
        assert parameters["ScanBy"] == "TimestampDescending"
        found = sorted(
            (one for one in self.changes if one[0] == parameters["AlarmName"]), key=lambda one: one[1], reverse=True
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
        check("cloudwatch", "GetMetricData", parameters)
        self.requests.append(parameters)
        results = [
            self._result(query, parameters["StartTime"], parameters["EndTime"]) for query in self._queries(parameters)
        ]
        halves = [
            [{**one, **{part: one[part][chosen] for part in ("Timestamps", "Values")}} for one in results]
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
        wanted = frozenset((one["Name"], one["Value"]) for one in stat["Metric"]["Dimensions"])
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
        check("cloudwatch", "DescribeAlarms", parameters)
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
        check("cloudwatch", "PutMetricAlarm", parameters)

        def put() -> dict[str, Any]:
            state = {"StateValue": "INSUFFICIENT_DATA"}
            for alarm in self.alarms:
                if alarm["AlarmName"] == parameters["AlarmName"]:
                    state = {name: value for name, value in alarm.items() if name.startswith("State")}
            self.alarms = [one for one in self.alarms if one["AlarmName"] != parameters["AlarmName"]]
            self.alarms.append({**parameters, **state})
            return {}

        return self.steps.take(put)

    def set_alarm_state(self, **parameters: Any) -> dict[str, Any]:
        check("cloudwatch", "SetAlarmState", parameters)

        def put() -> dict[str, Any]:
            alarm = self.alarm(parameters["AlarmName"])
            alarm |= {"StateValue": parameters["StateValue"], "StateReason": parameters["StateReason"]}
            return {}

        return self.steps.take(put)

    def alarm(self, name: str) -> dict[str, Any]:
        (found,) = [alarm for alarm in self.alarms if alarm["AlarmName"] == name]
        return found


_CHANGING = {"Creating", "Updating", "RollingBack", "Deleting"}


@dataclass(slots=True)
class FakeSageMaker:
    """Jobs, models, configurations and one endpoint, which change only when a test says so."""

    steps: Steps
    now: datetime = NOW
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    configurations: dict[str, dict[str, Any]] = field(default_factory=dict)
    endpoint: dict[str, Any] | None = None
    pending: str | None = None
    deployments: list[str] = field(default_factory=list)
    """The configurations that the endpoint was created with or updated to, in order."""
    packages: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The model registry: descriptions by ARN."""
    rollouts: list[dict[str, Any] | None] = field(default_factory=list)
    """How the traffic was to move, for each of them."""

    def create_training_job(self, **parameters: Any) -> dict[str, Any]:
        check("sagemaker", "CreateTrainingJob", parameters)

        def create() -> dict[str, Any]:
            name = parameters["TrainingJobName"]
            if name in self.jobs:
                raise refused("CreateTrainingJob", "ResourceInUse", "Training job names must be unique")
            self.jobs[name] = {
                **parameters,
                "TrainingJobStatus": "InProgress",
                "SecondaryStatus": "Starting",
                "CreationTime": self.now,
            }
            return {"TrainingJobArn": name}

        return self.steps.take(create)

    def end_job(self, name: str, status: str, at: datetime, *, reason: str | None = None) -> None:
        job = self.jobs[name]
        job |= {"TrainingJobStatus": status, "SecondaryStatus": status, "TrainingEndTime": at, "LastModifiedTime": at}
        if reason is not None:
            job["FailureReason"] = reason
        job["ModelArtifacts"] = {
            "S3ModelArtifacts": f"{job['OutputDataConfig']['S3OutputPath']}{name}/output/model.tar.gz"
        }

    def describe_training_job(self, **parameters: Any) -> dict[str, Any]:
        check("sagemaker", "DescribeTrainingJob", parameters)
        return self.steps.take(
            lambda: self._get(self.jobs, parameters["TrainingJobName"], "Requested resource not found.")
        )

    def describe_model(self, **parameters: Any) -> dict[str, Any]:
        check("sagemaker", "DescribeModel", parameters)
        return self.steps.take(lambda: self._get(self.models, parameters["ModelName"], "Could not find model"))

    def describe_endpoint_config(self, **parameters: Any) -> dict[str, Any]:
        check("sagemaker", "DescribeEndpointConfig", parameters)
        name = parameters["EndpointConfigName"]
        return self.steps.take(lambda: self._get(self.configurations, name, "Could not find endpoint configuration"))

    def describe_endpoint(self, **parameters: Any) -> dict[str, Any]:
        check("sagemaker", "DescribeEndpoint", parameters)
        assert parameters["EndpointName"] == ENDPOINT
        known = {} if self.endpoint is None else {ENDPOINT: self.endpoint}
        return self.steps.take(lambda: self._get(known, ENDPOINT, f'Could not find endpoint "{ENDPOINT}".'))

    @staticmethod
    def _get(of: dict[str, dict[str, Any]], name: str, absent: str) -> dict[str, Any]:
        if name not in of:
            raise refused("Describe", "ValidationException", absent)
        return dict(of[name])

    def create_model(self, **parameters: Any) -> dict[str, Any]:
        check("sagemaker", "CreateModel", parameters)
        return self.steps.take(lambda: self._create(self.models, parameters["ModelName"], parameters))

    def create_endpoint_config(self, **parameters: Any) -> dict[str, Any]:
        check("sagemaker", "CreateEndpointConfig", parameters)
        assert parameters["ProductionVariants"][0]["ModelName"] in self.models
        return self.steps.take(lambda: self._create(self.configurations, parameters["EndpointConfigName"], parameters))

    @staticmethod
    def _create(of: dict[str, dict[str, Any]], name: str, parameters: dict[str, Any]) -> dict[str, Any]:
        if name in of:
            raise refused("Create", "ValidationException", f"Cannot create already existing {name}")
        of[name] = parameters
        return {}

    def create_model_package(self, **parameters: Any) -> dict[str, Any]:
        """The next version, or for a token that was seen before, the same once more."""
        check("sagemaker", "CreateModelPackage", parameters)

        def create() -> dict[str, Any]:
            for arn, package in self.packages.items():
                if package["ClientToken"] == parameters["ClientToken"]:
                    return {"ModelPackageArn": arn}
            group = parameters["ModelPackageGroupName"]
            arn = f"arn:aws:sagemaker:us-east-1:123456789012:model-package/{group}/{len(self.packages) + 1}"
            self.packages[arn] = {**parameters, "ModelPackageArn": arn}
            return {"ModelPackageArn": arn}

        return self.steps.take(create)

    def describe_model_package(self, **parameters: Any) -> dict[str, Any]:
        check("sagemaker", "DescribeModelPackage", parameters)
        return self.steps.take(lambda: self._get(self.packages, parameters["ModelPackageName"], "does not exist"))

    def create_endpoint(self, **parameters: Any) -> dict[str, Any]:
        check("sagemaker", "CreateEndpoint", parameters)
        assert parameters["EndpointConfigName"] in self.configurations

        def create() -> dict[str, Any]:
            if self.endpoint is not None:
                raise refused("CreateEndpoint", "ValidationException", "Cannot create already existing endpoint")
            self.endpoint = {
                "EndpointName": ENDPOINT,
                "EndpointConfigName": parameters["EndpointConfigName"],
                "EndpointStatus": "Creating",
                "CreationTime": self.now,
                "LastModifiedTime": self.now,
            }
            self.deployments.append(parameters["EndpointConfigName"])
            self.rollouts.append(parameters.get("DeploymentConfig"))
            return {}

        return self.steps.take(create)

    def update_endpoint(self, **parameters: Any) -> dict[str, Any]:
        check("sagemaker", "UpdateEndpoint", parameters)
        assert parameters["EndpointConfigName"] in self.configurations

        def update() -> dict[str, Any]:
            if self.endpoint is None or self.endpoint["EndpointStatus"] in {*_CHANGING, "Failed"}:
                raise refused("UpdateEndpoint", "ValidationException", "Cannot update in-progress endpoint")
            self.endpoint |= {"EndpointStatus": "Updating", "LastModifiedTime": self.now}
            self.pending = parameters["EndpointConfigName"]
            self.endpoint["PendingDeploymentSummary"] = {"EndpointConfigName": self.pending}
            self.deployments.append(parameters["EndpointConfigName"])
            self.rollouts.append(parameters.get("DeploymentConfig"))
            return {}

        return self.steps.take(update)

    def delete_endpoint(self, **parameters: Any) -> dict[str, Any]:
        check("sagemaker", "DeleteEndpoint", parameters)

        def delete() -> dict[str, Any]:
            assert self.endpoint is not None
            self.endpoint |= {"EndpointStatus": "Deleting", "LastModifiedTime": self.now}
            return {}

        return self.steps.take(delete)

    def settle(self, at: datetime, *, fail: str | None = None) -> None:
        """The endpoint ends its change: well, or as AWS fails it (a creation is Failed, an update rolls back)."""
        assert self.endpoint is not None
        creating = self.endpoint["EndpointStatus"] == "Creating"
        self.endpoint.pop("PendingDeploymentSummary", None)
        self.endpoint["LastModifiedTime"] = at
        self.endpoint["EndpointStatus"] = "Failed" if fail and creating else "InService"
        if fail:
            self.endpoint["FailureReason"] = fail
        else:
            self.endpoint.pop("FailureReason", None)
            self.endpoint["EndpointConfigName"] = self.pending or self.endpoint["EndpointConfigName"]
        self.pending = None


class Cloud:
    """All of it, and a clock that stands until a test moves it."""

    def __init__(self) -> None:
        self.steps = Steps()
        self.table = FakeTable(self.steps)
        self.s3 = FakeS3(self.steps)
        self.sagemaker = FakeSageMaker(self.steps)
        self.cloudwatch = FakeCloudWatch(self.steps)
        self.time = NOW
        self.move(timedelta())

    def move(self, by: timedelta) -> None:
        self.time += by
        self.s3.now = self.sagemaker.now = self.cloudwatch.now = self.time

    def clock(self) -> datetime:
        return self.time

    def clients(self) -> tuple[Table, S3Client, SageMakerClient, CloudWatchClient]:
        """The fakes under the types of what they stand for."""
        return (
            cast("Table", self.table),
            cast("S3Client", self.s3),
            cast("SageMakerClient", self.sagemaker),
            cast("CloudWatchClient", self.cloudwatch),
        )
