"""A log of every published sample, so that a reconciliation can compare it with what arrived."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dwell.messaging.line import LineKind
from feature_schema import derive_csv_sample_id

if TYPE_CHECKING:
    from pathlib import Path

    from dwell.messaging.batching import Message
    from dwell.messaging.line import Line


@dataclass(frozen=True, slots=True)
class BrokenLine:
    """A broken line as it was published, and the code with which it must be refused."""

    reason: str
    raw: str


@dataclass(slots=True)
class PublishLog:
    """Everything that was published.

    ``published_ids``: ids of valid samples; workshop rows have the id that the schema derives for them. ``broken``: by
    the id inside the raw text. ``duplicates``: valid samples that were published again. ``unconfirmed_ids`` (and
    ``unconfirmed_rows``, whose ids are unknown) were in messages that SNS did not confirm: they may have arrived or
    not. ``failures`` counts those messages by error code.
    """

    published_ids: set[str] = field(default_factory=set)
    broken: dict[str, BrokenLine] = field(default_factory=dict)
    duplicates: int = 0
    messages: int = 0
    unconfirmed_ids: set[str] = field(default_factory=set)
    unconfirmed_rows: int = 0
    failures: Counter[str] = field(default_factory=Counter)

    def confirm(self, message: Message, message_id: str) -> None:
        """Record that SNS accepted ``message`` with the id ``message_id``."""
        self.messages += 1
        for position, line in enumerate(message.lines):
            if line.kind is LineKind.BROKEN:
                self.broken[line.identity] = BrokenLine(line.reason, line.text)
                self.unconfirmed_ids.discard(line.identity)
            else:
                self._add(derive_csv_sample_id(message_id, position) if line.kind is LineKind.ROW else line.identity)

    def _add(self, sample_id: str) -> None:
        if sample_id in self.published_ids:
            self.duplicates += 1
        self.published_ids.add(sample_id)
        self.unconfirmed_ids.discard(sample_id)

    def fail(self, message: Message, code: str) -> None:
        """Record that SNS did not confirm ``message``; it may have arrived."""
        self.failures[code] += 1
        for line in message.lines:
            if line.kind is LineKind.ROW:
                self.unconfirmed_rows += 1
            elif not self._is_confirmed(line):
                self.unconfirmed_ids.add(line.identity)

    def _is_confirmed(self, line: Line) -> bool:
        return line.identity in self.published_ids or line.identity in self.broken

    def merge(self, other: PublishLog) -> None:
        """Add the log of another publisher. A sample in both was published twice."""
        self.duplicates += other.duplicates + len(self.published_ids & other.published_ids)
        self.published_ids |= other.published_ids
        self.broken |= other.broken
        self.messages += other.messages
        self.unconfirmed_ids |= other.unconfirmed_ids
        self.unconfirmed_ids -= self.published_ids | self.broken.keys()
        self.unconfirmed_rows += other.unconfirmed_rows
        self.failures += other.failures

    def save(self, path: Path) -> None:
        """Write the log as NDJSON: totals first, then one object for each sample."""
        with path.open("w", encoding="utf-8") as file:
            totals = {
                "messages": self.messages,
                "duplicates": self.duplicates,
                "unconfirmed_rows": self.unconfirmed_rows,
                "failures": self.failures,
            }
            file.write(json.dumps(totals) + "\n")
            file.writelines(json.dumps({"published": sample_id}) + "\n" for sample_id in sorted(self.published_ids))
            file.writelines(json.dumps({"unconfirmed": sample_id}) + "\n" for sample_id in sorted(self.unconfirmed_ids))
            file.writelines(
                json.dumps({"broken": identity, "reason": line.reason, "raw": line.raw}) + "\n"
                for identity, line in sorted(self.broken.items())
            )

    @classmethod
    def load(cls, path: Path) -> PublishLog:
        """Read a log that ``save`` wrote. Raises ``ValueError`` for any other file."""
        try:
            totals, *entries = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
            log = cls(
                duplicates=totals["duplicates"],
                messages=totals["messages"],
                unconfirmed_rows=totals["unconfirmed_rows"],
                failures=Counter(totals["failures"]),
            )
            for entry in entries:
                log._add_entry(entry)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is not a log of published samples") from error
        return log

    def _add_entry(self, entry: dict[str, str]) -> None:
        match entry:
            case {"published": sample_id}:
                self.published_ids.add(sample_id)
            case {"unconfirmed": sample_id}:
                self.unconfirmed_ids.add(sample_id)
            case {"broken": sample_id, "reason": reason, "raw": raw}:
                self.broken[sample_id] = BrokenLine(reason, raw)
            case _:
                raise ValueError(f"not an entry of a publish log: {entry}")
