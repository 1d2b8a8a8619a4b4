"""One line of a message, and what a reconciliation has to know of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a line is: a JSON sample, a row as the workshop's fulfilment centres publish it, or something refusable."""

    SAMPLE = "sample"
    ROW = "row"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its newline.

    ``identity`` is the sample's id; the text of a broken line always has it inside. A row has none before SNS has
    named its message. ``reason`` is the code with which a broken line has to be refused.
    """

    text: str
    kind: Kind
    identity: str = ""
    reason: str = ""
