"""What a run tells: ``report.json``, and everything that the page and the tables are made of."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from dwell.demo.error_series import Point


@dataclass(frozen=True, slots=True)
class Samples:
    """The reconciliation, counted by ``sample_id`` from the objects in S3.

    ``published`` = ``stored`` + ``quarantined`` + ``lost``: each sample once, however often it was sent.
    ``duplicates``: rows whose sample was stored already (a dataset takes each once). ``unexpected``: rows of samples
    that nobody published. ``failed``: objects that Firehose put aside unprocessed.
    """

    published: int
    stored: int
    quarantined: int
    duplicates: int
    lost: int
    unexpected: int
    failed: int


@dataclass(frozen=True, slots=True)
class LiveError:
    """Root mean squares in the target's unit; the noise floor is what the best possible predictor would have."""

    before_drift: float | None
    under_drift: float | None
    recovered: float | None
    noise_floor_before: float
    noise_floor_after: float


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened: ``kind`` is alarm, round, trial, promotion or drift."""

    at: datetime
    kind: str
    label: str


@dataclass(slots=True)
class Report:
    """One run of the lifecycle."""

    samples: Samples
    rounds: list[dict[str, Any]]
    live_error: LiveError
    predictions: dict[str, int]
    seconds: dict[str, float]
    leaderboard: list[dict[str, Any]]
    target: dict[str, Any]
    drift: dict[str, str]
    moments: list[Moment] = field(default_factory=list)
    error_series: list[Point] = field(default_factory=list)
    rate_series: list[tuple[datetime, int]] = field(default_factory=list)

    def write(self, path: Path) -> None:
        """Write ``report.json``; times are ISO 8601 in UTC."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=2, default=_iso) + "\n")


def _iso(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"no JSON for {type(value).__name__}")


def round_entry(record: dict[str, Any]) -> dict[str, Any]:
    """A round as the report tells it, from the leaderboard's record of it."""
    dataset = record.get("dataset") or {}
    return {
        "round": record["round"],
        "cause": record["cause"],
        "status": record["status"],
        "started_at": record["started_at"],
        "dataset": {"train": dataset.get("train"), "test": dataset.get("test")},
        "candidates": [
            {"name": candidate["name"], "rmse": candidate["rmse"]} for candidate in record.get("candidates") or []
        ],
        "baseline_rmse": record.get("baseline_rmse"),
        "champion_rmse": record.get("champion_rmse"),
        "promoted": record.get("promoted"),
        "deployment": record.get("deployment"),
        "seconds": record.get("seconds"),
    }
