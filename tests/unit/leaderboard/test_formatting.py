"""Numbers, times and reason codes as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_args

import pytest

from leaderboard import formatting
from promotion import promotion_gate
from retraining import decision
from tests.unit.fake_aws import NOW
from tests.unit.leaderboard.leaderboard_fixtures import PAGE


def ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "\N{EN DASH}"), (0, "0"), (0.034_56, "0.0346"), (5.5, "5.5"), (99.96, "100"), (1_842.4, "1,842")],
)
def test_a_number_has_the_digits_that_matter(value: float | None, text: str) -> None:
    assert formatting.format_number(value) == text


@pytest.mark.parametrize(
    ("part", "total", "text"),
    [(0, 0, "\N{EN DASH}"), (0, 9, "0 %"), (13, 4_213, "0.31 %"), (1, 20, "5 %"), (1, 3, "33 %"), (9, 9, "100 %")],
)
def test_a_percentage_below_ten_has_two_digits(part: int, total: int, text: str) -> None:
    assert formatting.format_percent(part, total) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "\N{EN DASH}"),
        (0.2, "0 s"),
        (21.4, "21 s"),
        (60, "1 min"),
        (119, "1 min 59 s"),
        (200, "3 min"),
        (3_900, "1 h 5 min"),
        (90_000, "1 day 1 h"),
        (4 * 86_400, "4 days"),
    ],
)
def test_a_duration_has_one_or_two_units(seconds: float | None, text: str) -> None:
    assert formatting.format_duration(seconds) == text


@pytest.mark.parametrize(
    ("span", "text"), [("1h", "the last hour"), ("90m", "the last 90 minutes"), ("7d", "the last 7 days")]
)
def test_a_span_is_described_in_words(span: str, text: str) -> None:
    assert formatting.describe_span(span) == text


def test_every_reason_of_a_decision_or_round_has_a_text() -> None:
    refused = PAGE.state.decisions[0]
    newest = PAGE.state.rounds[0]
    for reason in get_args(decision.Reason):
        outcome = "start" if reason in {"alarm", "schedule", "manual"} else "refuse"
        text = formatting.describe_decision(refused.model_copy(update={"reason": reason, "outcome": outcome}))
        assert text != reason, reason
    for reason in get_args(promotion_gate.Reason):
        assert formatting.describe_round(newest.model_copy(update={"reason": reason})) != reason, reason


def test_a_time_of_another_day_has_a_date() -> None:
    assert formatting.format_clock(ago(1), UTC, NOW) == "05:39"
    assert formatting.format_clock(ago(7), UTC, NOW) == "22 Nov 23:39"
    assert formatting.format_clock(ago(7), timezone(timedelta(hours=1)), NOW) == "00:39"


@pytest.mark.parametrize(
    ("error", "reference", "text"),
    [(104, 100, "4 % more than"), (90, 100, "10 % less than"), (100.2, 100, "as much as"), (1, 0, "as much as")],
)
def test_a_ratio_is_described_in_words(error: float, reference: float, text: str) -> None:
    assert formatting.describe_ratio(error, reference) == text


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("is running", {"status": "started", "reason": None}),
        ("better than the champion, but its deployment failed", {"deployment": "failed"}),
        ("better than the champion, but a person has to approve it", {"deployment": "awaiting_approval"}),
        (
            "better than the champion, but it was taken back: NewModelError, 1.4",
            {"deployment": "rolled_back", "deployment_reason": "NewModelError, 1.4"},
        ),
        (
            "nobody was better; an operator asked for it, and it was taken back",
            {"status": "kept", "reason": "not_better", "promoted": None, "deployment": "rolled_back"},
        ),
        ("AlgorithmError: no rows", {"status": "failed", "reason": "AlgorithmError: no rows"}),
        ("the champion stays", {"status": "kept", "reason": None}),
    ],
)
def test_a_round_is_described_with_its_result(text: str, changes: dict[str, Any]) -> None:
    assert formatting.describe_round(PAGE.state.rounds[0].model_copy(update=changes)) == text
