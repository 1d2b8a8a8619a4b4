"""The result of a run: the contents of ``report.json``, of the page and of the printed tables."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dwell.client.leaderboard import CandidateList

if TYPE_CHECKING:
    from pathlib import Path

    from dwell.client.leaderboard import ListedRound, RankedModel
    from dwell.demo.error_series import ErrorPoint


class RoundSummary(CandidateList):
    """A round in ``report.json``."""

    round: str
    cause: str
    status: str
    started_at: str
    dataset: dict[str, int | None]
    baseline_rmse: float | None
    champion_rmse: float | None
    promoted: str | None
    deployment: str | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class SampleCounts:
    """The reconciliation, counted by ``sample_id`` from the objects in S3.

    ``published`` = ``stored`` + ``quarantined`` + ``lost``: each sample counts once, however often it was sent.
    ``duplicates``: rows whose sample was stored already (a dataset counts it once). ``unexpected``: stored samples that
    were not published. ``failed``: objects that Firehose could not process.
    """

    published: int
    stored: int
    quarantined: int
    duplicates: int
    lost: int
    unexpected: int
    failed: int


@dataclass(frozen=True, slots=True)
class LiveErrorSummary:
    """Root mean squares in the target's unit; the noise floor is the error of the best possible predictor."""

    before_drift: float | None
    under_drift: float | None
    recovered: float | None
    noise_floor_before: float
    noise_floor_after: float


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """An event in the charts: ``kind`` is alarm, round, trial, promotion or drift."""

    at: datetime
    kind: str
    label: str


@dataclass(slots=True)
class Report:
    """A run of the lifecycle."""

    samples: SampleCounts
    rounds: list[RoundSummary]
    live_error: LiveErrorSummary
    predictions: dict[str, int]
    seconds: dict[str, float]
    leaderboard: list[RankedModel]
    target: dict[str, Any]
    drift: dict[str, str]
    moments: list[TimelineEvent] = field(default_factory=list)
    error_series: list[ErrorPoint] = field(default_factory=list)
    rate_series: list[tuple[datetime, int]] = field(default_factory=list)

    def write(self, path: Path) -> None:
        """Write ``report.json``; times are ISO 8601 in UTC."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=2, default=_to_iso) + "\n")


def _to_iso(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def summarize_round(round_: ListedRound) -> RoundSummary:
    """The part of a round that the report contains."""
    dataset = round_.get("dataset") or {}
    return {
        "round": round_["round"],
        "cause": round_["cause"],
        "status": round_["status"],
        "started_at": round_["started_at"],
        "dataset": {"train": dataset.get("train"), "test": dataset.get("test")},
        "candidates": [
            {"name": candidate["name"], "rmse": candidate["rmse"]} for candidate in round_.get("candidates") or []
        ],
        "baseline_rmse": round_.get("baseline_rmse"),
        "champion_rmse": round_.get("champion_rmse"),
        "promoted": round_.get("promoted"),
        "deployment": round_.get("deployment"),
        "seconds": round_.get("seconds"),
    }
