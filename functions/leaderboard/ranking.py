"""The ranking of models: a pure function of rounds.

Errors of different test sets do not compare: after a drift the same model errs more, and an older, easier test set
would put yesterday's models on top. So the models that were scored on the newest test set come first, lowest error
first; the champion is among them, because every round scores it again. Then come those whose newest test set is the
one before, and so on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from rounds import Candidate, Dataset, Round

Status = Literal["candidate", "awaiting_approval", "rejected", "deploying", "live", "retired", "rolled_back", "failed"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A model. ``test_rmse`` is its error on the newest test set that it was scored on, that of round ``test_set``."""

    model: str
    candidate: str
    entrant: str | None
    """Who entered it by hand; null if the loop did."""
    algorithm: str
    trained_on: str
    round: str
    dataset: Dataset | None
    test_set: str
    test_rmse: float | None
    baseline_rmse: float | None
    """The error of the baseline on that same test set."""
    expected_error: float | None
    status: Status
    error: str | None
    live_since: datetime | None
    rank: int | None = None
    """From 1; null for a model without a test error."""

    @property
    def live(self) -> bool:
        """Whether it answers now."""
        return self.status == "live"


def rank(rounds: Sequence[Round], *, live: str | None, coming: Collection[str | None] = ()) -> list[Entry]:
    """Rank the models of the rounds (in any order), best first.

    ``live`` is the model that answers now, ``coming`` are those that are on their way to the endpoint.
    """
    played = sorted((one for one in rounds if one.status in {"promoted", "kept"}), key=_by_name)
    entries: dict[str, Entry] = {}
    for one in played:
        for candidate in one.candidates:
            if candidate.model is not None:
                entries[candidate.model] = _entry(candidate, candidate.model, one, live, coming)
        if one.champion in entries and one.champion_rmse is not None:
            entries[one.champion] = replace(
                entries[one.champion],
                test_set=one.name,
                test_rmse=one.champion_rmse,
                baseline_rmse=one.baseline_rmse,
            )
    ordered = sorted(entries.values(), key=_lowest_error_first)
    ordered.sort(key=_test_set, reverse=True)  # stable: within a test set the errors stay in order
    position = 0
    ranked = []
    for entry in ordered:
        if entry.test_rmse is not None:
            position += 1
        ranked.append(replace(entry, rank=None if entry.test_rmse is None else position))
    return ranked


def _by_name(one: Round) -> str:
    return one.name


def _lowest_error_first(one: Entry) -> tuple[bool, float, str]:
    return one.test_rmse is None, one.test_rmse or 0.0, one.model


def _test_set(one: Entry) -> str:
    return one.test_set


def _entry(candidate: Candidate, model: str, one: Round, live: str | None, coming: Collection[str | None]) -> Entry:
    submitted = one.submitted == model
    return Entry(
        model=model,
        candidate=candidate.name,
        entrant=one.entrant,
        algorithm=candidate.algorithm,
        trained_on=candidate.trained_on,
        round=one.name,
        dataset=one.dataset,
        test_set=one.name,
        test_rmse=candidate.rmse,
        baseline_rmse=one.baseline_rmse,
        expected_error=candidate.expected_error,
        status=_status(one, candidate, submitted=submitted, live=model == live, coming=model in coming),
        error=one.deployment_reason if submitted and model != live else candidate.error,
        live_since=one.deployed_at if submitted and one.deployment == "live" else None,
    )


def _status(one: Round, candidate: Candidate, *, submitted: bool, live: bool, coming: bool) -> Status:
    if live:
        return "live"
    if candidate.rmse is None:
        return "failed"
    if not submitted:
        return "candidate"
    if one.deployment is None:
        # A winner that waited for the endpoint is a candidate again once an operator wants another model there.
        return "deploying" if coming else "candidate"
    return "retired" if one.deployment == "live" else one.deployment
