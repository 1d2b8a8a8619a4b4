"""Parsing an inference request: one line of features for each prediction."""

from __future__ import annotations

import math
from dataclasses import dataclass

CSV = "text/csv"


@dataclass(frozen=True, slots=True)
class RejectedRequest:
    """A request that gets a 4xx response: its HTTP status, a reason code and a message for a person."""

    status: int
    reason: str
    message: str


def parse_media_type(header: str | None) -> str:
    """The media type in a Content-Type or Accept header, lower case and without parameters; empty if there is none."""
    return (header or "").partition(";")[0].strip().lower()


def parse_instances(body: str | bytes, content_type: str | None) -> list[list[float]] | RejectedRequest:
    """The instances in a request's body, each a list of finite numbers.

    The serving framework passes text for exactly ``text/csv`` and bytes for every other spelling of the type.
    """
    if parse_media_type(content_type) != CSV:
        return RejectedRequest(415, "unsupported_media_type", f"the content type must be {CSV}, not {content_type!r}")
    try:
        text = body if isinstance(body, str) else bytes(body).decode()
    except UnicodeDecodeError:
        return RejectedRequest(400, "malformed", "the body is not UTF-8")
    instances = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            values = [float(cell) for cell in line.split(",")]
        except ValueError:
            return RejectedRequest(400, "malformed", f"line {number} has a value that is not a number")
        if not all(map(math.isfinite, values)):
            return RejectedRequest(400, "not_finite", f"line {number} has a number that is not finite")
        instances.append(values)
    return instances or RejectedRequest(400, "empty", "the body has no line of features")


def check_width(instances: list[list[float]], width: int) -> RejectedRequest | None:
    """A rejection if an instance does not have ``width`` numbers.

    XGBoost predicts from an instance that lacks features without an error.
    """
    for number, values in enumerate(instances, start=1):
        if len(values) != width:
            return RejectedRequest(
                400, "wrong_width", f"line {number} has {len(values)} numbers, the model takes {width}"
            )
    return None
