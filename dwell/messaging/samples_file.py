"""Files of samples: CSV, NDJSON (both also gzipped) and Parquet, record by record, told apart by their content.

Columns are found by name. A CSV file without a header is read by position: rows as the workshop's fulfilment centres
publish them, or rows as they are stored under ``samples/``.
"""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from feature_schema import FEATURES, ROW_COLUMNS, TARGET

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

WORKSHOP_ROW = (TARGET.name, *(feature.name for feature in FEATURES))
"""The columns of a row without a header, in their order; a stored row has those of ``feature_schema.ROW_COLUMNS``."""

_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"


class SamplesFileError(ValueError):
    """The file is not what it should be; the message names the file and the line."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a file.

    ``number`` counts records from 1; ``line`` is where it stands in the file (Parquet: the row's number). ``values``
    are its columns by name, or nothing where it has none that can be told apart; ``text`` is what stands in the file
    (Parquet: nothing).
    """

    number: int
    line: int
    values: dict[str, Any] | None
    text: str = ""


def records(path: Path) -> Iterator[Record]:
    """The file's records in their order. Blank lines are none. Raises ``SamplesFileError`` and ``OSError``."""
    with path.open("rb") as file:
        magic = file.peek(4)[:4]
        if magic == _PARQUET:
            yield from _parquet(path)
            return
        content: Iterable[bytes] = gzip.GzipFile(fileobj=file) if magic[:2] == _GZIP else file
        try:
            lines = _lines(content, path)
            first = next(lines, None)
            if first is not None:
                if first[1].lstrip()[:1] == "[":
                    raise SamplesFileError(
                        f"{path}: a JSON array; expected is one JSON object a line (`jq -c '.[]'` makes that of it)"
                    )
                form = _ndjson if first[1].lstrip()[:1] == "{" else _csv
                yield from form(_put_back(first, lines), path)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise SamplesFileError(f"{path}: damaged gzip: {error}") from error


def _lines(content: Iterable[bytes], path: Path) -> Iterator[tuple[int, str]]:
    """Lines that are not blank with their numbers, newlines included."""
    for number, line in enumerate(content, start=1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise SamplesFileError(f"{path}, line {number}: not UTF-8 (byte {error.start + 1})") from error
        if text.strip():
            yield number, text


def _put_back(first: tuple[int, str], rest: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    yield first
    yield from rest


def _ndjson(lines: Iterator[tuple[int, str]], _path: Path) -> Iterator[Record]:
    for number, (line, text) in enumerate(lines, start=1):
        try:
            values = json.loads(text, object_pairs_hook=_object, parse_constant=_no_number)
        except (ValueError, RecursionError):
            values = None
        yield Record(number, line, values if isinstance(values, dict) else None, text.strip())


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a key stands twice")
    return values


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _csv(lines: Iterator[tuple[int, str]], path: Path) -> Iterator[Record]:
    read: list[tuple[int, str]] = []

    def feed() -> Iterator[str]:
        for line in lines:
            read.append(line)
            yield line[1]

    header: tuple[str, ...] | None = None
    number = 0
    rows = csv.reader(feed(), strict=True)
    while True:
        read.clear()
        try:
            cells = next(rows, None)
        except csv.Error as error:
            raise SamplesFileError(f"{path}, line {read[-1][0] if read else '?'}: {error}") from error
        if cells is None:
            return
        line, text = read[0][0], " ".join(part.strip() for _, part in read)
        if number == 0 and header is None:
            header = _header(cells, f"{path}, line {line}")
            if header is not None:
                continue
        number += 1
        if header is not None and len(cells) != len(header):
            raise SamplesFileError(f"{path}, line {line}: {len(cells)} cells, and the header has {len(header)}")
        columns = header or {len(WORKSHOP_ROW): WORKSHOP_ROW, len(ROW_COLUMNS): ROW_COLUMNS}.get(len(cells))
        yield Record(number, line, None if columns is None else dict(zip(columns, cells, strict=True)), text)


def _header(cells: list[str], where: str) -> tuple[str, ...] | None:
    """The names in the first line, or nothing if it is a row already. Raises ``SamplesFileError``."""
    names = tuple(cell.strip() for cell in cells)
    if any(_is_number(name) for name in names):
        return None
    absent = [name for name in WORKSHOP_ROW if name not in names]
    if absent:
        raise SamplesFileError(
            f"{where}: neither a row nor a header with all columns of the schema; missing: {', '.join(absent)}"
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SamplesFileError(f"{where}: the header names a column twice: {', '.join(twice)}")
    return names


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _parquet(path: Path) -> Iterator[Record]:
    from pyarrow import ArrowException  # noqa: PLC0415 - takes half a second, and few files are Parquet
    from pyarrow.parquet import ParquetFile  # noqa: PLC0415

    number = 0
    try:
        with ParquetFile(path) as file:
            names = file.schema_arrow.names
            absent = [name for name in WORKSHOP_ROW if name not in names]
            if absent and "features" not in names:
                raise SamplesFileError(f"{path}: has not all columns of the schema; missing: {', '.join(absent)}")
            for batch in file.iter_batches(batch_size=2_000):
                for values in batch.to_pylist():
                    number += 1
                    yield Record(number, number, values)
    except (ArrowException, OSError) as error:
        raise SamplesFileError(f"{path}, row {number + 1}: not readable as Parquet: {error}") from error
