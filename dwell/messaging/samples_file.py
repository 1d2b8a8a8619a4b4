"""Reads files of samples record by record: CSV, NDJSON (both also gzipped) and Parquet, detected by content.

Columns are found by name. A CSV file without a header is read by position: the workshop's rows, or rows as they are
stored under ``samples/``.
"""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dwell.console.errors import InvalidUsageError
from feature_schema import FEATURES, ROW_COLUMNS, ROW_COLUMNS_0_1_0, TARGET

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

WORKSHOP_ROW = (TARGET.name, *(feature.name for feature in FEATURES))
"""The columns of a workshop row, in their order."""
_COLUMNS_BY_COUNT = {len(columns): columns for columns in (WORKSHOP_ROW, ROW_COLUMNS_0_1_0, ROW_COLUMNS)}
"""The columns of a row without a header, by its number of cells: of the workshop, or as it is stored."""

_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"


class SamplesFileError(InvalidUsageError):
    """The file is not readable as samples; the message names the file and the line."""


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One record of a file.

    ``number`` counts records from 1; ``line`` is its line number in the file (Parquet: the row number). ``values`` are
    its columns by name, ``None`` if it has no recognizable columns; ``text`` is the text in the file (Parquet: empty).
    """

    number: int
    line: int
    values: dict[str, Any] | None
    text: str = ""


def read_records(path: Path) -> Iterator[FileRecord]:
    """The records in file order, without blank lines. Raises ``SamplesFileError`` and ``OSError``."""
    with path.open("rb") as file:
        magic = file.peek(4)[:4]
        if magic == _PARQUET:
            yield from _read_parquet(path)
            return
        content: Iterable[bytes] = gzip.GzipFile(fileobj=file) if magic[:2] == _GZIP else file
        try:
            lines = _read_lines(content, path)
            first = next(lines, None)
            if first is not None:
                if first[1].lstrip()[:1] == "[":
                    raise SamplesFileError(
                        f"{path}: a JSON array; expected is one JSON object a line (`jq -c '.[]'` converts it)"
                    )
                read = _read_ndjson if first[1].lstrip()[:1] == "{" else _read_csv
                yield from read(_prepend(first, lines), path)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise SamplesFileError(f"{path}: damaged gzip: {error}") from error


def _read_lines(content: Iterable[bytes], path: Path) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers, including newlines."""
    for number, line in enumerate(content, start=1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise SamplesFileError(f"{path}, line {number}: not UTF-8 (byte {error.start + 1})") from error
        if text.strip():
            yield number, text


def _prepend(first: tuple[int, str], remaining: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    yield first
    yield from remaining


def _read_ndjson(lines: Iterator[tuple[int, str]], _path: Path) -> Iterator[FileRecord]:
    for number, (line, text) in enumerate(lines, start=1):
        try:
            values = json.loads(text, object_pairs_hook=_build_object, parse_constant=_reject_constant)
        except (ValueError, RecursionError):
            values = None
        yield FileRecord(number, line, values if isinstance(values, dict) else None, text.strip())


def _build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a key occurs twice")
    return values


def _reject_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _read_csv(lines: Iterator[tuple[int, str]], path: Path) -> Iterator[FileRecord]:
    consumed: list[tuple[int, str]] = []

    def feed_lines() -> Iterator[str]:
        for line in lines:
            consumed.append(line)
            yield line[1]

    header: tuple[str, ...] | None = None
    number = 0
    rows = csv.reader(feed_lines(), strict=True)
    while True:
        consumed.clear()
        try:
            cells = next(rows, None)
        except csv.Error as error:
            raise SamplesFileError(f"{path}, line {consumed[-1][0] if consumed else '?'}: {error}") from error
        if cells is None:
            return
        line, text = consumed[0][0], " ".join(part.strip() for _, part in consumed)
        if number == 0 and header is None:
            header = _parse_header(cells, f"{path}, line {line}")
            if header is not None:
                continue
        number += 1
        if header is not None and len(cells) != len(header):
            raise SamplesFileError(f"{path}, line {line}: {len(cells)} cells, but the header has {len(header)}")
        columns = header or _COLUMNS_BY_COUNT.get(len(cells))
        yield FileRecord(number, line, None if columns is None else dict(zip(columns, cells, strict=True)), text)


def _parse_header(cells: list[str], location: str) -> tuple[str, ...] | None:
    """The column names of a header line, or ``None`` if the line is a row. Raises ``SamplesFileError``."""
    names = tuple(cell.strip() for cell in cells)
    if any(_is_number(name) for name in names):
        return None
    missing = [name for name in WORKSHOP_ROW if name not in names]
    if missing:
        raise SamplesFileError(
            f"{location}: neither a row nor a header with all columns of the schema; missing: {', '.join(missing)}"
        )
    duplicates = sorted({name for name in names if names.count(name) > 1})
    if duplicates:
        raise SamplesFileError(f"{location}: the header has duplicate columns: {', '.join(duplicates)}")
    return names


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _read_parquet(path: Path) -> Iterator[FileRecord]:
    from pyarrow import ArrowException  # noqa: PLC0415 - takes half a second, and few files are Parquet
    from pyarrow.parquet import ParquetFile  # noqa: PLC0415

    number = 0
    try:
        with ParquetFile(path) as file:
            names = file.schema_arrow.names
            missing = [name for name in WORKSHOP_ROW if name not in names]
            if missing and "features" not in names:
                raise SamplesFileError(f"{path}: lacks columns of the schema: {', '.join(missing)}")
            for batch in file.iter_batches(batch_size=2_000):
                for values in batch.to_pylist():
                    number += 1
                    yield FileRecord(number, number, values)
    except (ArrowException, OSError) as error:
        raise SamplesFileError(f"{path}, row {number + 1}: not readable as Parquet: {error}") from error
