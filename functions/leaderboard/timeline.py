"""The chart in words: for screen readers, and for readers who want exact times."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

from feature_schema import TARGET
from leaderboard.formatting import describe_round, format_clock, format_number, get_zone_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, tzinfo

    from leaderboard.page_data import PageData


def build_timeline(data: PageData) -> list[tuple[datetime, str]]:
    """Return alarms, rounds and promotions of the charted range, as (time, sentence), newest first."""
    charted = data.charted_range
    events = sorted(_list_events(data), key=itemgetter(0), reverse=True)
    return [event for event in events if charted.since <= event[0] <= charted.until]


def summarize(data: PageData, zone: tzinfo) -> str:
    """Describe the chart in a few sentences."""
    charted = data.charted_range
    start, end = (format_clock(timestamp, zone, data.now) for timestamp in (charted.since, charted.until))
    sentences = [f"Live error from {start} to {end} {get_zone_name(data.now, zone)}."]
    if data.live_error:
        errors = [interval.rmse for interval in data.live_error]
        lowest, highest, last = (format_number(error) for error in (min(errors), max(errors), errors[-1]))
        promised = format_number(data.live_error[-1].promised)
        sentences.append(
            f"Lowest {lowest}, highest {highest}, last {last} {TARGET.unit}, "
            f"where {promised} {TARGET.unit} were promised."
        )
    else:
        sentences.append("No live error is known.")
    alarms = sum(
        period.since <= charted.until and (period.until is None or period.until >= charted.since)
        for period in data.alarms
    )
    rounds = sum(charted.since <= round_.started_at <= charted.until for round_ in data.state.rounds)
    promotions = sum(charted.since <= period.since <= charted.until for period in data.serving_periods)
    counts = [_count(alarms, "alarm"), _count(rounds, "round"), _count(promotions, "promotion")]
    sentences.append(f"{', '.join(counts)}; the tables below tell each.")
    return " ".join(sentences)


def _list_events(data: PageData) -> Iterator[tuple[datetime, str]]:
    for alarm in data.alarms:
        yield alarm.since, f"Alarm {alarm.alarm} went on"
        if alarm.until is not None:
            yield alarm.until, f"Alarm {alarm.alarm} went off"
    for round_ in data.state.rounds:
        yield round_.started_at, f"A round started: {round_.cause}"
        if round_.finished_at is not None:
            yield (
                round_.finished_at,
                f"The round of {round_.cause} ended: {round_.status}, {describe_round(round_)}",
            )
    for period in data.serving_periods:
        yield period.since, f"{period.model} went live"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun if number == 1 else noun + 's'}"
