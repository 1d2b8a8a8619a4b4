"""The facts that a decision rests on, gathered with a handful of requests however much has happened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from retraining.decision import DecisionInputs
from rounds import Endpoint, MetricQuery, Round, format_iso, get_metric_sums

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

    from retraining.triggers import Trigger
    from rounds import Store

DAY = timedelta(hours=24)
BEGINNING = timedelta(days=15)
"""How far back the first round looks for samples: the first step at which CloudWatch coarsens its metrics."""
_LOOKED_AT = 100
"""More rounds than a day's budget would ever allow."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """DecisionInputs, and since when samples were counted as new."""

    facts: DecisionInputs
    since: datetime


def load_decision_inputs(
    cause: Trigger,
    *,
    store: Store,
    cloudwatch: CloudWatchClient,
    service: str,
    endpoint_name: str,
    in_flight: str | None,
    deploying: bool,
    now: datetime,
) -> Evidence:
    """Read the last rounds and count new samples: since the breach, else since the last dataset that was used."""
    endpoint = store.get(Endpoint, endpoint_name)
    others = [one for one in store.newest(Round, limit=_LOOKED_AT) if one.name != cause.round]
    used = [one.dataset.cut_off for one in others if one.dataset and one.status in {"promoted", "kept"}]
    since = cause.recent_since or max(used, default=now - BEGINNING)
    accepted = MetricQuery("AcceptedSamples", (("service", service),))
    return Evidence(
        facts=DecisionInputs(
            now=now,
            in_flight=in_flight,
            last_round_at=max((one.deployed_at or one.finished_at or one.started_at for one in others), default=None),
            new_samples=int(get_metric_sums(cloudwatch, [accepted], since=since, now=now)[accepted]),
            rounds_today=sum(one.started_at > now - DAY for one in others if one.trigger != "manual"),
            deploying=deploying,
            paused=endpoint is not None and endpoint.pause is not None,
            rollbacks=_rollbacks(others),
            judged=cause.judged,
        ),
        since=since,
    )


def _rollbacks(rounds: list[Round]) -> int:
    """How many of the newest deployments were taken back, since the last that was not. ``rounds``: newest first."""
    ends = [one.deployment for one in rounds if one.deployment in {"live", "rolled_back", "failed"}]
    return next((number for number, end in enumerate(ends) if end == "live"), len(ends))


def as_record(evidence: Evidence) -> dict[str, object]:
    """The facts as a decision keeps them, JSON-ready."""
    facts = evidence.facts
    return {
        "now": format_iso(facts.now),
        "in_flight": facts.in_flight,
        "last_round_at": None if facts.last_round_at is None else format_iso(facts.last_round_at),
        "new_samples": facts.new_samples,
        "since": format_iso(evidence.since),
        "rounds_today": facts.rounds_today,
        "deploying": facts.deploying,
        "paused": facts.paused,
        "rollbacks": facts.rollbacks,
    }
