"""A line of a message, with the facts that a reconciliation needs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class LineKind(StrEnum):
    """Kinds of lines: a JSON sample, a CSV row of the workshop's format, or a line that the validator must refuse."""

    SAMPLE = "sample"
    ROW = "row"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its newline.

    ``identity`` is the sample's id; the text of a broken line always contains it. A row has none until SNS has
    assigned an id to its message. ``reason`` is the code with which a broken line must be refused.
    """

    text: str
    kind: LineKind
    identity: str = ""
    reason: str = ""
