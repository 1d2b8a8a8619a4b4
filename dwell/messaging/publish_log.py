"""The ledger: what was published, sample by sample, so that what arrived can be compared with it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dwell.messaging.line import Kind
from feature_schema import derive_csv_sample_id

if TYPE_CHECKING:
    from pathlib import Path

    from dwell.messaging.batching import Message
    from dwell.messaging.line import Line


@dataclass(frozen=True, slots=True)
class Broken:
    """A broken line as it was published, and the code it has to be refused with."""

    reason: str
    raw: str


@dataclass(slots=True)
class Ledger:
    """Everything that was published.

    ``published_ids``: ids of good samples, workshop rows by the id that the schema derives for them. ``broken``: by
    the id inside the raw text. ``duplicates``: good samples that were published again. ``unconfirmed_ids`` (and
    ``unconfirmed_rows``, whose ids nobody knows) were in messages that SNS did not confirm: they may have arrived or
    not. ``failures`` counts those messages by error code.
    """

    published_ids: set[str] = field(default_factory=set)
    broken: dict[str, Broken] = field(default_factory=dict)
    duplicates: int = 0
    messages: int = 0
    unconfirmed_ids: set[str] = field(default_factory=set)
    unconfirmed_rows: int = 0
    failures: Counter[str] = field(default_factory=Counter)

    def confirm(self, message: Message, message_id: str) -> None:
        """SNS took ``message`` under ``message_id``."""
        self.messages += 1
        for position, line in enumerate(message.lines):
            if line.kind is Kind.BROKEN:
                self.broken[line.identity] = Broken(line.reason, line.text)
                self.unconfirmed_ids.discard(line.identity)
            else:
                self._publish(derive_csv_sample_id(message_id, position) if line.kind is Kind.ROW else line.identity)

    def _publish(self, sample_id: str) -> None:
        if sample_id in self.published_ids:
            self.duplicates += 1
        self.published_ids.add(sample_id)
        self.unconfirmed_ids.discard(sample_id)

    def fail(self, message: Message, code: str) -> None:
        """SNS did not confirm ``message``: whether it arrived is not known."""
        self.failures[code] += 1
        for line in message.lines:
            if line.kind is Kind.ROW:
                self.unconfirmed_rows += 1
            elif not self._knows(line):
                self.unconfirmed_ids.add(line.identity)

    def _knows(self, line: Line) -> bool:
        return line.identity in self.published_ids or line.identity in self.broken

    def merge(self, other: Ledger) -> None:
        """Add the book of another publisher. A sample in both was published twice."""
        self.duplicates += other.duplicates + len(self.published_ids & other.published_ids)
        self.published_ids |= other.published_ids
        self.broken |= other.broken
        self.messages += other.messages
        self.unconfirmed_ids |= other.unconfirmed_ids
        self.unconfirmed_ids -= self.published_ids | self.broken.keys()
        self.unconfirmed_rows += other.unconfirmed_rows
        self.failures += other.failures

    def save(self, path: Path) -> None:
        """Write the ledger as NDJSON: totals first, then one object a sample."""
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
    def load(cls, path: Path) -> Ledger:
        """Read a ledger that ``save`` wrote. Raises ``ValueError`` for a file that is none."""
        try:
            totals, *entries = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
            ledger = cls(
                duplicates=totals["duplicates"],
                messages=totals["messages"],
                unconfirmed_rows=totals["unconfirmed_rows"],
                failures=Counter(totals["failures"]),
            )
            for entry in entries:
                ledger._read(entry)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is no ledger of published samples") from error
        return ledger

    def _read(self, entry: dict[str, str]) -> None:
        match entry:
            case {"published": sample_id}:
                self.published_ids.add(sample_id)
            case {"unconfirmed": sample_id}:
                self.unconfirmed_ids.add(sample_id)
            case {"broken": sample_id, "reason": reason, "raw": raw}:
                self.broken[sample_id] = Broken(reason, raw)
            case _:
                raise ValueError(f"not an entry of a ledger: {entry}")
