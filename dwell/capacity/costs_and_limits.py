"""What a fleet costs a month, and which limit it reaches first."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dwell.capacity import measurements
from dwell.capacity.load import DAY_SECONDS, MAX_BUSY_SHARE, FleetProfile, Load, compute_load, get_instance, run_seconds
from dwell.capacity.prices import price, quota
from dwell.console.numbers import format_count, format_estimate

if TYPE_CHECKING:
    from dwell.template import Template

MONTH_SECONDS = 30 * DAY_SECONDS
MAX_ROBOTS = 100_000_000


@dataclass(frozen=True, slots=True)
class Cost:
    """A line of the bill: ``dollars`` a month, and in ``counted`` the quantities behind it."""

    item: str
    dollars: float
    counted: str


@dataclass(frozen=True, slots=True)
class Limit:
    """How much of a resource is needed and allowed, in ``unit``, and the parameter (or quota) that changes it."""

    name: str
    needed: float
    allowed: float
    unit: str
    moved_by: str

    @property
    def usage(self) -> float:
        """The share that is used; above 1 the limit breaks."""
        return self.needed / self.allowed


@dataclass(frozen=True, slots=True)
class Plan:
    """A fleet's load, costs and limits, the tightest first; ``robots_at_most`` is the largest fleet within them."""

    fleet: FleetProfile
    load: Load
    costs: tuple[Cost, ...]
    limits: tuple[Limit, ...]
    robots_at_most: int

    @property
    def dollars(self) -> float:
        """The costs of a month."""
        return math.fsum(cost.dollars for cost in self.costs)

    @property
    def broken(self) -> tuple[Limit, ...]:
        """The limits that the fleet exceeds."""
        return tuple(limit for limit in self.limits if limit.usage > 1)

    @property
    def dollars_a_million(self) -> float:
        """Dollars for a million samples."""
        return self.dollars / (self.load.samples * MONTH_SECONDS / 1e6)


def compute_plan(fleet: FleetProfile, template: Template) -> Plan:
    """Load, costs and limits of a fleet on a template. Raises ``InvalidFleetError``."""
    load = compute_load(fleet, template)
    return Plan(fleet, load, costs(load, template), limits(load, template), max_robots(fleet, template))


def costs(load: Load, template: Template) -> tuple[Cost, ...]:
    """The costs of a month at the steady rate of ``load``, the highest first."""
    arm = template.parameters["Architecture"] == "arm64"
    gb_second = price("lambda_gb_second" if arm else "lambda_gb_second_x86")

    def run_cost(function: str, rate: float, seconds: float) -> float:
        memory: float = template.properties(function)["MemorySize"] / 1024
        return MONTH_SECONDS * rate * (price("lambda_request") + seconds * memory * gb_second)

    def describe_rate(rate: float) -> str:
        return f"{format_count(rate, 'run', format_estimate)} a second"

    gb_in = MONTH_SECONDS * load.bytes_in / 1e9
    chunks = math.ceil(load.message_bytes / 65_536)
    firehose_gb = MONTH_SECONDS * load.messages * math.ceil(load.message_bytes / 5_120) * 5_120 / 1e9
    if load.on_demand:
        gb_price = price("kinesis_gb_in") + price("kinesis_gb_out")
        stream = MONTH_SECONDS / 3_600 * price("kinesis_stream_hour") + gb_in * gb_price
        stream_counted = f"on demand, {gb_in:,.0f} GB in and out"
    else:
        units = MONTH_SECONDS * load.messages * math.ceil(load.message_bytes / 25_600)
        stream = load.shards * MONTH_SECONDS / 3_600 * price("kinesis_shard_hour") + units * price("kinesis_put_unit")
        stream_counted = f"{format_count(load.shards, 'shard')}, {units / 1e6:,.0f} M units"
    logs_gb = MONTH_SECONDS * (load.messages + load.validations + load.questions) * measurements.LOG_BYTES_PER_RUN / 1e9
    endpoint_type, count = (template.parameters[name] for name in ("EndpointInstanceType", "EndpointInstanceCount"))
    endpoint = get_instance(endpoint_type)
    rounds = template.parameters["RoundsPerDay"] * MONTH_SECONDS / DAY_SECONDS
    round_hours = (measurements.TRAINING_END_SECONDS + load.training.seconds) / 3_600
    stored_gb = MONTH_SECONDS / DAY_SECONDS * load.stored_bytes_a_day / 1e9
    alarm_price = "alarm_metric_month_fast" if template.parameters["AlarmPeriodSeconds"] < 60 else "alarm_metric_month"
    alarm_metrics = sum(
        max(1, sum("MetricStat" in metric for metric in template.properties(name).get("Metrics", [])))
        for name in template.resources("AWS::CloudWatch::Alarm")
    )
    storage = MONTH_SECONDS / DAY_SECONDS * load.objects_a_day * price("s3_put") + stored_gb * price("s3_gb_month")
    objects = load.objects_a_day / DAY_SECONDS
    rows_per_object = load.samples / objects
    monitor_work = measurements.MONITOR_SECONDS_PER_OBJECT + rows_per_object * measurements.MONITOR_SECONDS_PER_ROW
    monitor_memory = template.properties("MonitorFunction")["MemorySize"]
    monitor_seconds = measurements.MONITOR_WAIT_SECONDS + run_seconds(monitor_work, monitor_memory)
    monitor_requests = MONTH_SECONDS * objects * (2 * price("s3_get") + price("s3_put"))
    training = rounds * round_hours * get_instance(template.parameters["TrainingInstanceType"]).dollars
    monitoring = 20 * price("metric_month") + alarm_metrics * price(alarm_price) + price("kms_key_month")
    publishes = MONTH_SECONDS * load.messages * chunks
    lines = (
        Cost("SNS", publishes * price("sns_publish"), f"{publishes / 1e6:,.1f} M publishes"),
        Cost(
            "forwarder",
            run_cost("ForwarderFunction", load.messages, measurements.FORWARD_SECONDS),
            describe_rate(load.messages),
        ),
        Cost("Kinesis", stream, stream_counted),
        Cost("Firehose", firehose_gb * price("firehose_gb"), f"{firehose_gb:,.0f} GB in steps of 5 KB"),
        Cost(
            "validator",
            run_cost("ValidatorFunction", load.validations, load.validate_seconds),
            describe_rate(load.validations),
        ),
        Cost("S3", storage, f"{format_count(load.objects_a_day, 'object')} a day, {stored_gb:,.0f} GB after a month"),
        Cost(
            "monitor",
            run_cost("MonitorFunction", objects, monitor_seconds) + monitor_requests,
            f"{format_count(objects, 'object', format_estimate)} a second of {rows_per_object:,.0f} rows",
        ),
        Cost("HTTP API", MONTH_SECONDS * load.questions * price("api_request"), describe_rate(load.questions)),
        Cost(
            "inference",
            run_cost("InferenceFunction", load.questions, load.inference_seconds),
            describe_rate(load.questions),
        ),
        Cost("endpoint", count * endpoint.dollars * MONTH_SECONDS / 3_600, f"{count} x {endpoint_type}"),
        Cost(
            "training",
            training,
            f"{format_count(rounds, 'round')} of {load.training.seconds:,.0f} s, the maximum",
        ),
        Cost("logs", logs_gb * price("logs_gb"), f"{logs_gb:,.0f} GB"),
        Cost("metrics, alarms, key", monitoring, f"20 metrics, {alarm_metrics} in alarms"),
    )
    return tuple(sorted(lines, key=lambda cost: -cost.dollars))


def limits(load: Load, template: Template) -> tuple[Limit, ...]:
    """The limits that the load may exceed, the tightest first."""
    parameters = template.parameters
    training = get_instance(parameters["TrainingInstanceType"])
    shards = "shard" if load.shards == 1 else "shards"
    stream = (
        Limit("stream, on demand", load.bytes_in / 1e6, quota("on_demand_bytes") / 1e6, "MB/s", "quota of Kinesis")
        if load.on_demand
        else Limit("stream", load.shards_busy, load.shards, shards, "StreamShards (0: on demand)")
    )
    endpoint = f"half of {parameters['EndpointInstanceCount']} x {parameters['EndpointInstanceType']}"
    questions = min(parameters["ApiRequestsPerSecond"], quota("api_requests"))
    timeout = template.properties("RetrainingFunction")["Timeout"]
    instance = "EndpointInstanceCount, EndpointInstanceType"
    time = "MaximumSamples, TrainingMaxSeconds, TrainingInstanceType"
    all_limits = [
        stream,
        Limit("publishes", load.messages, quota("sns_publishes"), "a second", "quota of SNS, or larger messages"),
        Limit("functions at once", load.concurrency, quota("lambda_concurrency"), "runs", "quota of Lambda"),
        Limit("validators at once", load.transforms_at_once, quota("firehose_transforms"), "a shard", "StreamShards"),
        Limit("questions", load.questions, questions, "a second", "ApiRequestsPerSecond, or more instances a question"),
        Limit("endpoint", load.endpoint_busy, MAX_BUSY_SHARE * parameters["EndpointInstanceCount"], endpoint, instance),
        Limit("training memory", load.training.memory, training.memory, "GB", "MaximumSamples, TrainingInstanceType"),
        Limit("training time", load.training.seconds, parameters["TrainingMaxSeconds"], "seconds", time),
        Limit("listing of a dataset", load.listing_seconds, timeout, "seconds", "DeliveryBufferSeconds"),
    ]
    return tuple(sorted(all_limits, key=lambda limit: -limit.usage))


def max_robots(fleet: FleetProfile, template: Template) -> int:
    """The largest number of robots, otherwise as ``fleet``, that exceeds no limit; 0 if one robot does."""

    def is_within_limits(robots: int) -> bool:
        return all(
            limit.usage <= 1 for limit in limits(compute_load(replace(fleet, robots=robots), template), template)
        )

    low, high = 0, 1
    while high <= MAX_ROBOTS and is_within_limits(high):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_within_limits(middle) else (low, middle)
    return low
