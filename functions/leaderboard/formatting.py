"""Numbers, times and reason codes as text for people."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

    from rounds import Decision, Round

MISSING = "\N{EN DASH}"
"""Shown for a number that is not known."""
_UNIT_NAMES = {"m": "minute", "h": "hour", "d": "day"}

_STAMPED_NAME = re.compile(r"(?P<name>.+)(?P<stamp>-[0-9]{8}T[0-9]{6}Z)")
_DURATION_UNITS = (("day", "days", 86_400), ("h", "h", 3_600), ("min", "min", 60), ("s", "s", 1))

_REFUSAL_REASONS = {
    "in_flight": "another round was running",
    "paused": "the endpoint was paused",
    "deploying": "a model was being deployed",
    "cool_down": "the last round ended too recently",
    "backing_off": "the last models were taken back, so it rests longer",
    "daily_budget": "the day's rounds were used up",
    "too_few_samples": "too few new samples",
    "no_stored_samples": "no samples were stored yet",
    "already_played": "a round of the same second was there already",
}
_START_REASONS = {
    "alarm": "the alarm asked for it",
    "schedule": "the alarm was still on",
    "manual": "somebody asked for it",
}
TRAINED_ON_TEXTS = {"all": "everything", "recent": "the recent part", "continued": "the older part, then the recent"}
_ROUND_REASONS = {
    "beats_champion": "better than the champion",
    "beats_baseline": "better than the baseline",
    "no_winner": "no candidate could be trained",
    "not_finite": "an error was not a number",
    "not_promisable": "no answer may promise the winner's error",
    "not_compared": "winner and champion were not compared",
    "not_better": "nobody was better",
    "not_significant": "better, but perhaps by chance",
    "champion_changed": "another model went live, or was asked for, meanwhile",
    "schema_changed": "the schema changed meanwhile",
    "lock_lost": "another round took its turn",
}
_DEPLOYMENTS = {
    "awaiting_approval": "a person has to approve it",
    "rejected": "a person rejected it",
    "rolled_back": "it was taken back",
    "failed": "its deployment failed",
}


def format_number(value: float | None) -> str:
    """Format with a thousands separator: 3 significant digits below 100, else no decimals; a dash for None."""
    if value is None:
        return MISSING
    return f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"


def format_percent(part: float, total: float) -> str:
    """Format ``part`` of ``total`` as ``0.03 %`` or ``12 %``; a dash if the total is 0."""
    if not total:
        return MISSING
    percentage = 100 * part / total
    return f"{percentage:.2g} %" if 0 < percentage < 10 else f"{percentage:.0f} %"


def format_duration(interval: timedelta | float | None) -> str:
    """Format an interval (or seconds) in its largest unit, and the next one below 3 of it: ``21 s``, ``1 h 5 min``."""
    if interval is None:
        return MISSING
    seconds = round(interval.total_seconds() if isinstance(interval, timedelta) else interval)
    for index, (singular, plural, unit_seconds) in enumerate(_DURATION_UNITS):
        count, remaining = divmod(seconds, unit_seconds)
        if not count:
            continue
        text = f"{count} {singular if count == 1 else plural}"
        if count < 3 and index + 1 < len(_DURATION_UNITS):
            next_singular, next_plural, next_seconds = _DURATION_UNITS[index + 1]
            next_count = remaining // next_seconds
            text += f" {next_count} {next_singular if next_count == 1 else next_plural}" if next_count else ""
        return text
    return "0 s"


def describe_span(text: str) -> str:
    """Describe a requested span: ``the last 6 hours`` for ``6h``."""
    count, unit = int(text[:-1]), _UNIT_NAMES[text[-1]]
    return f"the last {unit}" if count == 1 else f"the last {count} {unit}s"


def format_clock(timestamp: datetime, zone: tzinfo, now: datetime, *, seconds: bool = False) -> str:
    """Format a time of day in the zone, with the date in front unless it is today's."""
    local = timestamp.astimezone(zone)
    time = local.strftime("%H:%M:%S" if seconds else "%H:%M")
    return time if local.date() == now.astimezone(zone).date() else f"{format_day(timestamp, zone)} {time}"


def format_day(timestamp: datetime, zone: tzinfo) -> str:
    """Format a date in the zone as ``23 Nov``."""
    local = timestamp.astimezone(zone)
    return f"{local.day} {local:%b}"


def get_zone_name(timestamp: datetime, zone: tzinfo) -> str:
    """Return ``UTC`` or ``UTC+01:00``."""
    return timestamp.astimezone(zone).tzname() or "UTC"


def split_model_name(model: str) -> tuple[str, str]:
    """Split a model's name into its candidate and the stamp of its round, which the page shows less prominently."""
    match = _STAMPED_NAME.fullmatch(model)
    return (match["name"], match["stamp"]) if match else (model, "")


def describe_decision(decision: Decision) -> str:
    """Describe the reason of a decision."""
    reasons = _START_REASONS if decision.outcome == "start" else _REFUSAL_REASONS
    text = reasons.get(decision.reason, decision.reason)
    if decision.reason == "too_few_samples":
        available, required = decision.facts.get("new_samples"), decision.facts.get("minimum_samples")
        if isinstance(available, int) and isinstance(required, int):
            text += f": {available:,} of {required:,}"
    return text


def describe_round(round_: Round) -> str:
    """Describe the result of a round, its reason, and the result of its deployment if that is not live."""
    if round_.status == "started":
        return "is running"
    default = {"promoted": "better", "kept": "the champion stays", "failed": "failed"}[round_.status]
    reason = default if round_.reason is None else _ROUND_REASONS.get(round_.reason, round_.reason) or default
    deployment = None if round_.deployment is None else _DEPLOYMENTS.get(round_.deployment)
    if deployment is None:
        return reason
    is_by_operator = round_.promoted is None
    text = f"{reason}; an operator asked for it, and {deployment}" if is_by_operator else f"{reason}, but {deployment}"
    return text + (f": {round_.deployment_reason}" if round_.deployment_reason else "")


def describe_ratio(error: float, reference: float) -> str:
    """Describe how an error compares with another: ``as much as``, ``12 % more than``."""
    percentage = round(100 * (error / reference - 1)) if reference else 0
    return "as much as" if not percentage else f"{abs(percentage)} % {'more' if percentage > 0 else 'less'} than"


def get_note(decision: Decision) -> str | None:
    """Return the note that an operator gave with a request for a round; None if there is none."""
    note = decision.facts.get("note")
    return note if isinstance(note, str) and note else None
