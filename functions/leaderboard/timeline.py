"""What the chart shows, in words: for whoever cannot see it, and for whoever wants the exact times."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feature_schema import TARGET
from leaderboard import formatting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, tzinfo

    from leaderboard.page_data import Look


def events(look: Look) -> list[tuple[datetime, str]]:
    """Alarms, rounds and promotions of the window, newest first."""
    window = look.course
    found = sorted(_everything(look), key=lambda one: one[0], reverse=True)
    return [one for one in found if window.since <= one[0] <= window.until]


def summary(look: Look, zone: tzinfo) -> str:
    """The chart in a few sentences."""
    window = look.course
    times = [formatting.clock(at, zone, look.now) for at in (window.since, window.until)]
    sentences = [f"Live error from {times[0]} to {times[1]} {formatting.zone_name(look.now, zone)}."]
    if look.live_error:
        errors = [one.rmse for one in look.live_error]
        low, high, last = (formatting.number(error) for error in (min(errors), max(errors), errors[-1]))
        promised = formatting.number(look.live_error[-1].promised)
        sentences.append(
            f"Lowest {low}, highest {high}, last {last} {TARGET.unit}, where {promised} {TARGET.unit} were promised."
        )
    else:
        sentences.append("No live error is known.")
    alarms = sum(one.since <= window.until and (one.until is None or one.until >= window.since) for one in look.alarms)
    rounds = sum(window.since <= one.started_at <= window.until for one in look.standing.rounds)
    promotions = sum(window.since <= one.since <= window.until for one in look.serving)
    counted = [_count(alarms, "alarm"), _count(rounds, "round"), _count(promotions, "promotion")]
    sentences.append(f"{', '.join(counted)}; the tables below tell each.")
    return " ".join(sentences)


def _everything(look: Look) -> Iterator[tuple[datetime, str]]:
    for alarm in look.alarms:
        yield alarm.since, f"Alarm {alarm.alarm} went on"
        if alarm.until is not None:
            yield alarm.until, f"Alarm {alarm.alarm} went off"
    for one in look.standing.rounds:
        yield one.started_at, f"A round started: {one.cause}"
        if one.finished_at is not None:
            yield one.finished_at, f"The round of {one.cause} ended: {one.status}, {formatting.ended(one)}"
    for served in look.serving:
        yield served.since, f"{served.model} went live"


def _count(number: int, of: str) -> str:
    return f"{number} {of if number == 1 else of + 's'}"
