"""A stored object's rows, thinned by the hash of the sample's id before they are parsed.

The hash decides, not chance: a sample that is stored twice is chosen twice or not at all, so that duplicates meet.
"""

from __future__ import annotations

import zlib
from datetime import datetime

from msgspec import Struct

from feature_schema import BASELINE, FEATURES, ROW_COLUMNS, ROW_COLUMNS_0_1_0, TARGET, clip_to_bounds

HASH_RANGE = 2**32

_COLUMNS = {name: index for index, name in enumerate(ROW_COLUMNS)}
_TARGET = _COLUMNS[TARGET.name]
_FEATURES = slice(_COLUMNS[FEATURES[0].name], _COLUMNS[FEATURES[-1].name] + 1)
_BASELINE = _COLUMNS[BASELINE] if isinstance(BASELINE, str) else None
_SAMPLE_ID, _SENDER, _SEGMENT = _COLUMNS["sample_id"], _COLUMNS["robot_id"], _COLUMNS["fc_id"]
_RECORDED_AT, _PREDICTED, _MODEL = _COLUMNS["recorded_at"], _COLUMNS["predicted"], _COLUMNS["model"]
_VERSION = _COLUMNS["schema_version"]
_RECEIVED_AT, _ASKED_AT = _COLUMNS["received_at"], _COLUMNS["asked_at"]
_CELL_COUNTS = {len(ROW_COLUMNS_0_1_0), len(ROW_COLUMNS)}


class StoredRow(Struct, frozen=True):
    """One stored sample. Times are seconds since 1970, errors and the target are in the target's unit."""

    sample_id: str
    sender: str
    segment: str
    recorded_at: float
    received_at: float
    asked_at: float
    target: float
    baseline: float
    features: str
    """The features as the CSV row that the endpoint is asked with."""
    predicted: float | None = None
    model: str | None = None


class SampledRows(Struct, frozen=True):
    """Rows of the object ``key``: ``share`` of its ``stored`` rows were chosen by the hash of their ids."""

    key: str
    rows: tuple[StoredRow, ...]
    stored: int
    share: float


def hash_fraction(sample_id: str) -> float:
    """A number in [0, 1) that follows from the id alone. CRC-32 spreads ids evenly and costs 0.1 µs."""
    return zlib.crc32(sample_id.encode()) / HASH_RANGE


def sampled_share(stored: int, max_rows: int) -> float:
    """The share of an object's ``stored`` rows that is measured: all, or about ``max_rows``.

    A power of two, so that the shares of two objects are nested: the rows of the smaller share are among those of the
    larger, and a sample that was stored twice meets its duplicate.
    """
    share = 1.0
    while stored * share > max_rows:
        share /= 2
    return share


def read_rows(key: str, content: bytes, *, max_rows: int, schema_version: int) -> SampledRows:
    """The rows of the object ``key``, from its decompressed ``content``: about ``max_rows`` of them at most.

    Lines that are no row of this version of the schema are left out, as a training job leaves them out. Rows that
    version 0.1.0 stored lack ``received_at`` and ``asked_at``, and ``asked_at`` is empty in rows whose sender does not
    echo it: such a time is ``recorded_at``.
    """
    lines = content.splitlines()
    share = sampled_share(len(lines), max_rows)
    limit = share * HASH_RANGE
    version = str(schema_version).encode()
    rows = []
    for line in lines:
        cells = line.split(b",")
        if len(cells) not in _CELL_COUNTS or cells[_VERSION] != version or zlib.crc32(cells[_SAMPLE_ID]) >= limit:
            continue
        rows.append(_parse(line.decode().split(",")))
    return SampledRows(key, tuple(rows), len(lines), share)


def _parse(cells: list[str]) -> StoredRow:
    recorded_at = to_seconds(cells[_RECORDED_AT])
    predicted = cells[_PREDICTED]
    return StoredRow(
        sample_id=cells[_SAMPLE_ID],
        sender=cells[_SENDER],
        segment=cells[_SEGMENT],
        recorded_at=recorded_at,
        received_at=_optional_seconds(cells, _RECEIVED_AT, recorded_at),
        asked_at=_optional_seconds(cells, _ASKED_AT, recorded_at),
        target=float(cells[_TARGET]),
        baseline=clip_to_bounds(float(BASELINE if _BASELINE is None else cells[_BASELINE])),
        features=",".join(cells[_FEATURES]),
        predicted=float(predicted) if predicted else None,
        model=cells[_MODEL] or None,
    )


def to_seconds(text: str) -> float:
    """Seconds since 1970 of a row's time, which is ISO 8601 in UTC with a ``Z``."""
    return datetime.fromisoformat(text).timestamp()


def _optional_seconds(cells: list[str], index: int, default: float) -> float:
    return to_seconds(cells[index]) if index < len(cells) and cells[index] else default
