"""The history of a stack for tests of views: rounds before and after a drift, with their decisions and alarms.

It consists of records, metrics and alarm changes, which fakes and the local AWS can both store. All times are before
``now``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from feature_schema import FEATURES, get_schema_hash
from rounds import Decision, Endpoint, Record, Round, format_iso, format_name_stamp

if TYPE_CHECKING:
    from collections.abc import Iterator

BASELINE, PROMISED, DRIFTED, RECOVERED = 5_210.0, 1_842.0, 4_120.0, 1_905.0
"""Errors, in the target's unit."""
OUT_OF_RANGE, MISSING = f"out_of_range:{FEATURES[-1].name}", f"missing:{FEATURES[0].name}"


@dataclass(frozen=True, slots=True)
class Count:
    """A data point of a metric."""

    metric: str
    at: datetime
    value: float
    dimensions: dict[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """A change of an alarm's state."""

    alarm: str
    at: datetime
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class SampleHistory:
    """A history that began ``length`` before ``now``; ``entrant`` is the person who entered the second champion."""

    now: datetime
    length: timedelta = timedelta(hours=5)
    entrant: str | None = None
    endpoint: str = "live-inference-endpoint"

    def at(self, share: float) -> datetime:
        """Return the time after a share of the length, in whole seconds, as in names of rounds."""
        return (self.now - self.length * (1 - share)).astimezone(UTC).replace(microsecond=0)

    @property
    def first(self) -> str:
        """The name of the first champion."""
        return f"xgboost-{format_name_stamp(self.at(0.1))}"

    @property
    def second(self) -> str:
        """The name of the champion that serves now."""
        return f"xgboost-recent-{format_name_stamp(self.at(0.66))}"

    def records(self) -> list[Record]:
        """Return rounds, decisions and the endpoint."""
        first = self._round(
            0.1, "no-model", {"xgboost": PROMISED, "k-nearest-neighbours": 2_214.0, "linear": 2_608.0},
            promoted=self.first, reason="beats_baseline", deployed=0.17,
        )  # fmt: skip
        kept = self._round(
            0.42, "manual", {"xgboost": 1_851.0, "linear": 2_590.0, "k-nearest-neighbours": None},
            reason="not_better", champion=self.first, champion_rmse=1_847.0,
        )  # fmt: skip
        second = self._round(
            0.66, "model-error", {"xgboost-recent": RECOVERED, "xgboost": 2_764.0, "linear-recent": 2_671.0,
            "linear": 3_180.0, "k-nearest-neighbours-recent": 2_305.0, "k-nearest-neighbours": 3_422.0},
            promoted=self.second, reason="beats_champion", champion=self.first, champion_rmse=DRIFTED, deployed=0.74,
            entrant=self.entrant,
        )  # fmt: skip
        decisions = [
            self._decision(0.1, "no-model", "alarm", "start", "alarm"),
            self._decision(0.42, "manual", "manual", "start", "manual", note="new pods arrived"),
            self._decision(0.58, "model-error", "alarm", "refuse", "cool_down"),
            self._decision(0.62, "model-error", "schedule", "refuse", "too_few_samples", new_samples=7_214),
            self._decision(0.66, "model-error", "schedule", "start", "schedule"),
        ]
        endpoint = Endpoint(name=self.endpoint, serving_model=self.second, status="InService", updated_at=self.at(0.74))
        return [first, kept, second, *decisions, endpoint]

    def changes(self) -> list[Change]:
        """Return the changes of the alarms' states."""
        return [
            Change("NoModel", self.at(0.08), "INSUFFICIENT_DATA", "ALARM"),
            Change("NoModel", self.at(0.19), "ALARM", "OK"),
            Change("ModelError", self.at(0.02), "INSUFFICIENT_DATA", "OK"),
            Change("ModelError", self.at(0.58), "OK", "ALARM"),
            Change("ModelError", self.at(0.77), "ALARM", "OK"),
        ]

    def counts(self, *, every: float = 0.01) -> Iterator[Count]:
        """Yield the data points of the metrics, one for each share ``every`` of the time."""
        for step in range(round(1 / every)):
            share = (step + 0.5) * every
            at = self.at(share)
            yield Count("AcceptedSamples", at, 4_200, {})
            yield Count("RefusedSamples", at, 13, {})
            for reason, lines in ((OUT_OF_RANGE, 9), ("malformed", 3), (MISSING, 1)):
                yield Count("RefusedSamples", at, lines, {"reason": reason})
            if share < 0.18:
                continue
            model, promised = (self.first, PROMISED) if share < 0.75 else (self.second, RECOVERED)
            error = _error(share) * (1 + 0.035 * math.sin(97 * share) + 0.02 * math.sin(61 * share))
            for dimensions in ({}, {"model": model}):
                yield Count("SquaredError", at, 2_100 * error**2, dimensions)
                yield Count("ExpectedSquaredError", at, 2_100 * promised**2, dimensions)
                yield Count("PredictedSamples", at, 2_100, dimensions)

    def _round(
        self, share: float, cause: str, errors: dict[str, float | None], *, deployed: float | None = None, **known: Any
    ) -> Round:
        started = self.at(share)
        name = f"{format_name_stamp(started)}-{cause}"
        return Round.model_validate(
            {
                "name": name,
                "cause": cause,
                "trigger": "manual" if cause == "manual" else "alarm",
                "event": name,
                "started_at": started,
                "finished_at": self.at(share + 0.05),
                "seconds": (self.length * 0.05).total_seconds(),
                "job": f"dwell-{name}",
                "status": "promoted" if "promoted" in known else "kept",
                "baseline_rmse": BASELINE,
                "dataset": {
                    "manifest": "m",
                    "objects": 31,
                    "bytes": 9_000_000,
                    "cut_off": started,
                    "schema_hash": get_schema_hash(),
                    "train": 48_200,
                    "test": 12_050,
                },
                "candidates": [
                    {
                        "name": candidate,
                        "algorithm": candidate.removesuffix("-recent"),
                        "trained_on": "recent" if candidate.endswith("-recent") else "all",
                        "model": f"{candidate}-{format_name_stamp(started)}",
                        "rmse": error,
                        "expected_error": error,
                        "error": None if error is not None else "MemoryError: cannot hold the training set",
                    }
                    for candidate, error in errors.items()
                ],
                **({} if deployed is None else {"deployment": "live", "deployed_at": self.at(deployed)}),
                **known,
            }
        )

    def _decision(self, share: float, cause: str, trigger: Any, outcome: Any, reason: str, **facts: Any) -> Decision:
        at = self.at(share)
        return Decision(
            name=f"{format_iso(at)}#{cause}",
            cause=cause,
            trigger=trigger,
            outcome=outcome,
            reason=reason,
            round=f"{format_name_stamp(at)}-{cause}",
            decided_at=at,
            facts={"new_samples": 61_000, "minimum_samples": 10_000, **facts},
        )


def _error(share: float) -> float:
    """Return the live error: it rises with the drift at 0.5, until the second champion serves."""
    if share < 0.5:
        return PROMISED * 1.01
    if share < 0.75:
        return DRIFTED - (DRIFTED - PROMISED) * math.exp(-40 * (share - 0.5))
    return RECOVERED * 1.02
