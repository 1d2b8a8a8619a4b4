"""Samples in a file, whatever its form: NDJSON, CSV with or without names, Parquet. Each becomes a line on the wire.

A row that has no ``sample_id`` gets one that follows from the file's content and the row's number: a file that is
published again, in part or whole, is the same samples again, and a dataset takes each once.
"""

from __future__ import annotations

import csv
import hashlib
import json
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from feature_schema import FEATURES, TARGET, VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FORMS = {".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson", ".json": "ndjson", ".parquet": "parquet"}
"""What a file's name says about its form."""

_NAMESPACE = uuid.UUID("b7c7c0b8-7c5f-5d0e-9a53-2e9f9c1a2f10")
_SENDER = ("robot_id", "fc_id")
_COLUMNS = (TARGET.name, *(feature.name for feature in FEATURES))


class SamplesFileError(ValueError):
    """The file cannot be read as samples; the message says why, with the line where one is at fault."""


@dataclass(frozen=True, slots=True)
class FileLine:
    """A sample as a line on the wire. ``number`` counts the file's lines (or rows) from 1."""

    number: int
    text: str


def form_of(path: Path) -> str:
    """The form of a file, by its name. Raises ``SamplesFileError``."""
    try:
        return FORMS[path.suffix.lower()]
    except KeyError:
        raise SamplesFileError(f"{path.name}: the name must end with one of {', '.join(FORMS)}") from None


def digest(path: Path) -> str:
    """A hash of the file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(path: Path, *, content: str, ends_at: datetime, count: int | None = None) -> Iterator[FileLine]:
    """The file's samples, in order. Raises ``SamplesFileError``.

    ``content`` is the file's ``digest``. Rows without a time are taken to be a millisecond apart, the last of
    ``count`` at ``ends_at``: the order of the file is the order of time. Without ``count`` all are at ``ends_at``.
    """
    form = form_of(path)
    if form == "ndjson":
        with path.open("r", encoding="utf-8", errors="surrogateescape") as file:
            for number, line in enumerate(file, 1):
                yield FileLine(number, line.rstrip("\r\n"))
        return
    rows = _csv_rows(path) if form == "csv" else _parquet_rows(path)
    for position, (number, row) in enumerate(rows):
        recorded_at = ends_at - timedelta(milliseconds=0 if count is None else count - 1 - position)
        yield FileLine(number, json.dumps(_sample(row, number, content, recorded_at), separators=(",", ":")))


def _sample(row: dict[str, Any], number: int, content: str, recorded_at: datetime) -> dict[str, Any]:
    sample: dict[str, Any] = {
        "sample_id": row.pop("sample_id", None) or str(uuid.uuid5(_NAMESPACE, f"{content}/{number}")),
        **{name: row.pop(name, None) or "unknown" for name in _SENDER},
        "recorded_at": row.pop("recorded_at", None) or recorded_at.isoformat(timespec="milliseconds"),
        "schema_version": VERSION,
        TARGET.name: row.pop(TARGET.name, None),
    }
    # What is left are the features; one too many is for the schema to refuse.
    return sample | {"features": row}


def _csv_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows by column name. Without a first line of names, they are the workshop's: target, then features in order."""
    with path.open("r", encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        try:
            first = next(reader, None)
            if first is None:
                return
            named = TARGET.name in (cell.strip() for cell in first)
            names = tuple(cell.strip() for cell in first) if named else _COLUMNS
            if not named:
                yield reader.line_num, _named(first, names, reader.line_num)
            for cells in reader:
                yield reader.line_num, _named(cells, names, reader.line_num)
        except (csv.Error, UnicodeDecodeError) as error:
            raise SamplesFileError(f"{path.name}, line {reader.line_num + 1}: {error}") from error


def _named(cells: list[str], names: tuple[str, ...], number: int) -> dict[str, Any]:
    if len(cells) != len(names):
        raise SamplesFileError(f"line {number}: {len(cells)} cells, {len(names)} expected ({', '.join(names)})")
    return {name: _value(name, cell.strip()) for name, cell in zip(names, cells, strict=True)}


def _value(name: str, cell: str) -> Any:
    """A number as JSON reads it; anything else stays text, and the schema says what is wrong with it."""
    if name not in _COLUMNS:
        return cell
    try:
        return json.loads(cell)
    except ValueError:
        return cell


def _parquet_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    from pyarrow import ArrowException  # noqa: PLC0415 (a large import for one form)
    from pyarrow.parquet import ParquetFile  # noqa: PLC0415

    number = 0
    try:
        with ParquetFile(path) as file:
            for batch in file.iter_batches():
                for row in batch.to_pylist():
                    number += 1
                    yield number, {name: _plain(value) for name, value in row.items()}
    except (ArrowException, OSError) as error:
        raise SamplesFileError(f"{path.name}: {error}") from error


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
