"""What a fleet costs a month, and which limit it meets first."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dwell.capacity import measurements as measured
from dwell.capacity.load import DAY, MOST_BUSY, Fleet, Load, load, machine
from dwell.capacity.prices import price, quota
from dwell.console.tables import counted

if TYPE_CHECKING:
    from dwell.template import Template

MONTH = 30 * DAY
MOST_ROBOTS = 100_000_000


def figure(value: float) -> str:
    """A number as people read it: three digits, or all there are before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


@dataclass(frozen=True, slots=True)
class Cost:
    """A line of the bill: ``dollars`` a month, and what it is counted from."""

    item: str
    dollars: float
    counted: str


@dataclass(frozen=True, slots=True)
class Limit:
    """What is needed of something, what there is, and the parameter (or quota) that moves it."""

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
    """A fleet's load, its bill and its limits, the tightest first. ``robots_at_most`` holds with these parameters."""

    fleet: Fleet
    load: Load
    costs: tuple[Cost, ...]
    limits: tuple[Limit, ...]
    robots_at_most: int

    @property
    def dollars(self) -> float:
        """The month's bill."""
        return math.fsum(one.dollars for one in self.costs)

    @property
    def broken(self) -> tuple[Limit, ...]:
        """The limits that this fleet breaks."""
        return tuple(one for one in self.limits if one.usage > 1)

    @property
    def dollars_a_million(self) -> float:
        """The month's bill over its samples, in millions."""
        return self.dollars / (self.load.samples * MONTH / 1e6)


def plan(fleet: Fleet, template: Template) -> Plan:
    """Everything about a fleet on a template. Raises ``FleetError``."""
    of = load(fleet, template)
    return Plan(fleet, of, costs(of, template), limits(of, template), robots_at_most(fleet, template))


def costs(of: Load, template: Template) -> tuple[Cost, ...]:
    """The bill of a month, the dearest first, at the steady rate of ``of``."""
    arm = template.parameters["Architecture"] == "arm64"
    gb_second = price("lambda_gb_second" if arm else "lambda_gb_second_x86")

    def runs(function: str, rate: float, seconds: float) -> float:
        memory: float = template.properties(function)["MemorySize"] / 1024
        return MONTH * rate * (price("lambda_request") + seconds * memory * gb_second)

    def told(rate: float) -> str:
        return f"{counted(rate, 'run', figure)} a second"

    gb_in = MONTH * of.bytes_in / 1e9
    chunks = math.ceil(of.message_bytes / 65_536)
    firehose_gb = MONTH * of.messages * math.ceil(of.message_bytes / 5_120) * 5_120 / 1e9
    if of.on_demand:
        a_gb = price("kinesis_gb_in") + price("kinesis_gb_out")
        stream = MONTH / 3_600 * price("kinesis_stream_hour") + gb_in * a_gb
        stream_told = f"on demand, {gb_in:,.0f} GB in and out"
    else:
        units = MONTH * of.messages * math.ceil(of.message_bytes / 25_600)
        stream = of.shards * MONTH / 3_600 * price("kinesis_shard_hour") + units * price("kinesis_put_unit")
        stream_told = f"{counted(of.shards, 'shard')}, {units / 1e6:,.0f} M units"
    logs_gb = MONTH * (of.messages + of.validations + of.questions) * measured.LOG_BYTES_A_RUN / 1e9
    endpoint_type, count = (template.parameters[name] for name in ("EndpointInstanceType", "EndpointInstanceCount"))
    endpoint = machine(endpoint_type)
    rounds = template.parameters["RoundsPerDay"] * MONTH / DAY
    round_hours = (measured.TRAINING_END_SECONDS + of.training.seconds) / 3_600
    stored_gb = MONTH / DAY * of.stored_bytes_a_day / 1e9
    alarm_price = "alarm_metric_month_fast" if template.parameters["AlarmPeriodSeconds"] < 60 else "alarm_metric_month"
    alarmed = sum(
        max(1, sum("MetricStat" in one for one in template.properties(name).get("Metrics", [])))
        for name in template.resources("AWS::CloudWatch::Alarm")
    )
    stored = MONTH / DAY * of.objects_a_day * price("s3_put") + stored_gb * price("s3_gb_month")
    learning = rounds * round_hours * machine(template.parameters["TrainingInstanceType"]).dollars
    watching = 20 * price("metric_month") + alarmed * price(alarm_price) + price("kms_key_month")
    publishes = MONTH * of.messages * chunks
    lines = (
        Cost("SNS", publishes * price("sns_publish"), f"{publishes / 1e6:,.1f} M publishes"),
        Cost("forwarder", runs("ForwarderFunction", of.messages, measured.FORWARD_SECONDS), told(of.messages)),
        Cost("Kinesis", stream, stream_told),
        Cost("Firehose", firehose_gb * price("firehose_gb"), f"{firehose_gb:,.0f} GB in steps of 5 KB"),
        Cost("validator", runs("ValidatorFunction", of.validations, of.validate_seconds), told(of.validations)),
        Cost("S3", stored, f"{counted(of.objects_a_day, 'object')} a day, {stored_gb:,.0f} GB after a month"),
        Cost("HTTP API", MONTH * of.questions * price("api_request"), told(of.questions)),
        Cost("inference", runs("InferenceFunction", of.questions, of.inference_seconds), told(of.questions)),
        Cost("endpoint", count * endpoint.dollars * MONTH / 3_600, f"{count} x {endpoint_type}"),
        Cost("training", learning, f"{counted(rounds, 'round')} of {of.training.seconds:,.0f} s, the most that may be"),
        Cost("logs", logs_gb * price("logs_gb"), f"{logs_gb:,.0f} GB"),
        Cost("metrics, alarms, key", watching, f"20 metrics, {alarmed} in alarms"),
    )
    return tuple(sorted(lines, key=lambda one: -one.dollars))


def limits(of: Load, template: Template) -> tuple[Limit, ...]:
    """What may break, the tightest first."""
    parameters = template.parameters
    training = machine(parameters["TrainingInstanceType"])
    shards = "shard" if of.shards == 1 else "shards"
    stream = (
        Limit("stream, on demand", of.bytes_in / 1e6, quota("on_demand_bytes") / 1e6, "MB/s", "quota of Kinesis")
        if of.on_demand
        else Limit("stream", of.shards_busy, of.shards, shards, "StreamShards (0: on demand)")
    )
    endpoint = f"half of {parameters['EndpointInstanceCount']} x {parameters['EndpointInstanceType']}"
    questions = min(parameters["ApiRequestsPerSecond"], quota("api_requests"))
    timeout = template.properties("RetrainingFunction")["Timeout"]
    instance = "EndpointInstanceCount, EndpointInstanceType"
    time = "MaximumSamples, TrainingMaxSeconds, TrainingInstanceType"
    found = [
        stream,
        Limit("publishes", of.messages, quota("sns_publishes"), "a second", "quota of SNS, or longer packing"),
        Limit("functions at once", of.concurrency, quota("lambda_concurrency"), "runs", "quota of Lambda"),
        Limit("validators at once", of.transforms_at_once, quota("firehose_transforms"), "a shard", "StreamShards"),
        Limit("questions", of.questions, questions, "a second", "ApiRequestsPerSecond, or more instances a question"),
        Limit("endpoint", of.endpoint_busy, MOST_BUSY * parameters["EndpointInstanceCount"], endpoint, instance),
        Limit("training memory", of.training.memory, training.memory, "GB", "MaximumSamples, TrainingInstanceType"),
        Limit("training time", of.training.seconds, parameters["TrainingMaxSeconds"], "seconds", time),
        Limit("listing of a dataset", of.listing_seconds, timeout, "seconds", "DeliveryBufferSeconds"),
    ]
    return tuple(sorted(found, key=lambda one: -one.usage))


def robots_at_most(fleet: Fleet, template: Template) -> int:
    """The largest fleet, otherwise as ``fleet``, that breaks no limit; 0 if even one robot does."""

    def holds(robots: int) -> bool:
        return all(one.usage <= 1 for one in limits(load(replace(fleet, robots=robots), template), template))

    low, high = 0, 1
    while high <= MOST_ROBOTS and holds(high):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
