"""What an endpoint is asked: lines of features, or why it is no such thing.

A module of its own because the serving framework imports the served one several times: a class defined there would
not be the same class twice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

CSV = "text/csv"


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that is answered with a 4xx: an HTTP status, a short reason and a sentence for a person."""

    status: int
    reason: str
    message: str


def media_type(header: str | None) -> str:
    """The type in a Content-Type or Accept header, without parameters; empty if there is none."""
    return (header or "").partition(";")[0].strip().lower()


def parse(body: str | bytes, content_type: str | None) -> list[list[float]] | Refused:
    """Instances, each a list of finite numbers. The framework gives text for exactly ``text/csv``, else bytes."""
    if media_type(content_type) != CSV:
        return Refused(415, "unsupported_media_type", f"the content type must be {CSV}, not {content_type!r}")
    try:
        text = body if isinstance(body, str) else bytes(body).decode()
    except UnicodeDecodeError:
        return Refused(400, "malformed", "the body is not UTF-8")
    instances = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            values = [float(cell) for cell in line.split(",")]
        except ValueError:
            return Refused(400, "malformed", f"line {number} holds something that is no number")
        if not all(map(math.isfinite, values)):
            return Refused(400, "not_finite", f"line {number} holds a number that is not finite")
        instances.append(values)
    return instances or Refused(400, "empty", "the body holds no line of features")


def refuse_width(instances: list[list[float]], width: int) -> Refused | None:
    """A refusal if an instance has not ``width`` numbers: an algorithm may answer all the same, and be wrong."""
    for number, values in enumerate(instances, start=1):
        if len(values) != width:
            return Refused(400, "wrong_width", f"line {number} has {len(values)} numbers, the model takes {width}")
    return None
