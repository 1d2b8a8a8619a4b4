"""How numbers, times and codes read to a person."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

    from rounds import Decision, Round

NOTHING = "\N{EN DASH}"
_SPANS = {"m": "minute", "h": "hour", "d": "day"}

_STAMPED = re.compile(r"(?P<name>.+)(?P<stamp>-[0-9]{8}T[0-9]{6}Z)")
_LENGTHS = (("day", "days", 86_400), ("h", "h", 3_600), ("min", "min", 60), ("s", "s", 1))

_REFUSED = {
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
_STARTED = {
    "alarm": "the alarm asked for it",
    "schedule": "the alarm was still on",
    "manual": "somebody asked for it",
}
TRAINED_ON = {"all": "everything", "recent": "the recent part", "continued": "the older part, then the recent"}
_ENDED = {
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
_DEPLOYED = {
    "awaiting_approval": "a person has to approve it",
    "rejected": "a person rejected it",
    "rolled_back": "it was taken back",
    "failed": "its deployment failed",
}


def number(value: float | None) -> str:
    """A figure for people: thousands apart, as many decimals as matter, a dash for nothing."""
    if value is None:
        return NOTHING
    return f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"


def percent(part: float, whole: float) -> str:
    """A share: ``0.03 %``, ``12 %``; a dash of nothing."""
    if not whole:
        return NOTHING
    share = 100 * part / whole
    return f"{share:.2g} %" if 0 < share < 10 else f"{share:.0f} %"


def lasted(span: timedelta | float | None) -> str:
    """A length of time in its largest unit, and the next where that says more: ``21 s``, ``1 h 5 min``."""
    if span is None:
        return NOTHING
    seconds = round(span.total_seconds() if isinstance(span, timedelta) else span)
    for position, (one, many, length) in enumerate(_LENGTHS):
        count, rest = divmod(seconds, length)
        if not count:
            continue
        text = f"{count} {one if count == 1 else many}"
        if count < 3 and position + 1 < len(_LENGTHS):
            next_one, next_many, next_length = _LENGTHS[position + 1]
            further = rest // next_length
            text += f" {further} {next_one if further == 1 else next_many}" if further else ""
        return text
    return "0 s"


def span(text: str) -> str:
    """What was asked for, in words: ``the last 6 hours`` for ``6h``."""
    count, unit = int(text[:-1]), _SPANS[text[-1]]
    return f"the last {unit}" if count == 1 else f"the last {count} {unit}s"


def clock(at: datetime, zone: tzinfo, now: datetime, *, seconds: bool = False) -> str:
    """A time of the day, with the date if that is not today's."""
    there = at.astimezone(zone)
    time = there.strftime("%H:%M:%S" if seconds else "%H:%M")
    return time if there.date() == now.astimezone(zone).date() else f"{day(at, zone)} {time}"


def day(at: datetime, zone: tzinfo) -> str:
    """``23 Nov``."""
    there = at.astimezone(zone)
    return f"{there.day} {there:%b}"


def zone_name(at: datetime, zone: tzinfo) -> str:
    """``UTC`` or ``UTC+01:00``."""
    return at.astimezone(zone).tzname() or "UTC"


def name_and_stamp(model: str) -> tuple[str, str]:
    """A model's name in two parts, of which the second, the time of its round, may stand back."""
    parts = _STAMPED.fullmatch(model)
    return (parts["name"], parts["stamp"]) if parts else (model, "")


def decided(decision: Decision) -> str:
    """Why it was decided so."""
    words = (_STARTED if decision.outcome == "start" else _REFUSED).get(decision.reason, decision.reason)
    if decision.reason == "too_few_samples":
        found, least = decision.facts.get("new_samples"), decision.facts.get("minimum_samples")
        if isinstance(found, int) and isinstance(least, int):
            words += f": {found:,} of {least:,}"
    return words


def ended(one: Round) -> str:
    """What came of a round, and why."""
    why = None if one.reason is None else _ENDED.get(one.reason, one.reason)
    if one.status == "started":
        return "is running"
    why = why or {"promoted": "better", "kept": "the champion stays", "failed": "failed"}[one.status]
    then = None if one.deployment is None else _DEPLOYED.get(one.deployment)
    if then is None:
        return why
    by_hand = one.promoted is None
    told = f"{why}; an operator asked for it, and {then}" if by_hand else f"{why}, but {then}"
    return told + (f": {one.deployment_reason}" if one.deployment_reason else "")


def compared(value: float, other: float) -> str:
    """How an error relates to another: ``as much as``, ``12 % more than``."""
    share = round(100 * (value / other - 1)) if other else 0
    return "as much as" if not share else f"{abs(share)} % {'more' if share > 0 else 'less'} than"


def note(decision: Decision) -> str | None:
    """What an operator said when asking for a round."""
    said = decision.facts.get("note")
    return said if isinstance(said, str) and said else None
