"""Loading what a decision needs, with a bounded number of requests."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from retraining.decision import DecisionInputs
from rounds import Endpoint, MetricQuery, Round, format_iso, get_metric_sums

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

    from retraining.triggers import Trigger
    from rounds import Store

DAY = timedelta(hours=24)
MAX_LOOKBACK = timedelta(days=15)
"""How far back the first round counts samples: CloudWatch keeps one-minute datapoints for 15 days
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html)."""
MAX_ROUNDS_READ = 100
"""The newest rounds that are read; more than a day's budget allows."""


def load_decision_inputs(
    trigger: Trigger,
    *,
    store: Store,
    cloudwatch: CloudWatchClient,
    service: str,
    endpoint_name: str,
    in_flight: str | None,
    is_deploying: bool,
    now: datetime,
) -> DecisionInputs:
    """Read the latest rounds and the endpoint, and count new samples.

    Samples count from the start of the drift, but not before the cut-off of the last dataset whose round completed.
    """
    endpoint = store.get(Endpoint, endpoint_name)
    rounds = [round_ for round_ in store.newest(Round, limit=MAX_ROUNDS_READ) if round_.name != trigger.round_name]
    cut_offs = [round_.dataset.cut_off for round_ in rounds if round_.dataset and round_.status in {"promoted", "kept"}]
    # A round needs new evidence: samples that a completed round has learned from count for no other, however long the
    # alarm stays in ALARM. A fleet that falls silent so starts no second round.
    starts = cut_offs if trigger.drift_start is None else [*cut_offs, trigger.drift_start]
    samples_since = max(starts, default=now - MAX_LOOKBACK)
    accepted = MetricQuery("AcceptedSamples", (("service", service),))
    return DecisionInputs(
        now=now,
        in_flight=in_flight,
        last_round_at=max(
            (round_.deployed_at or round_.finished_at or round_.started_at for round_ in rounds), default=None
        ),
        new_samples=int(get_metric_sums(cloudwatch, [accepted], since=samples_since, now=now)[accepted]),
        samples_since=samples_since,
        rounds_today=sum(round_.started_at > now - DAY for round_ in rounds if round_.trigger != "manual"),
        is_deploying=is_deploying,
        is_paused=endpoint is not None and endpoint.pause is not None,
        rollbacks=_count_rollbacks(rounds),
        evaluation_window=trigger.evaluation_window,
    )


def _count_rollbacks(rounds: list[Round]) -> int:
    """How many deployments did not stay live since the last one that did. ``rounds``: newest first."""
    deployments = [round_.deployment for round_ in rounds if round_.deployment in {"live", "rolled_back", "failed"}]
    return next((index for index, deployment in enumerate(deployments) if deployment == "live"), len(deployments))


def to_facts(inputs: DecisionInputs) -> dict[str, object]:
    """The inputs as a decision's record stores them: JSON-ready, under the stored names."""
    return {
        "now": format_iso(inputs.now),
        "in_flight": inputs.in_flight,
        "last_round_at": None if inputs.last_round_at is None else format_iso(inputs.last_round_at),
        "new_samples": inputs.new_samples,
        "since": format_iso(inputs.samples_since),
        "rounds_today": inputs.rounds_today,
        "deploying": inputs.is_deploying,
        "paused": inputs.is_paused,
        "rollbacks": inputs.rollbacks,
    }
