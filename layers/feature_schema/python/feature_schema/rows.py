"""Converts accepted samples to records, and records to rows of a dataset."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import astuple

from feature_schema.fast import decoders
from feature_schema.fields import TARGET
from feature_schema.limits import format_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from feature_schema.contracts import Sample

type Record = Any
"""An accepted sample: a struct with the fields of ``Sample``. A null or absent value is falsy, and times are text as in
a row: UTC with milliseconds, ``2026-11-23T06:39:00.123Z``."""

RECORD_TYPE = decoders.build_struct("Record", decoders.SHAPES["Sample"])

_encode_lines = msgspec.json.Encoder().encode_lines
_get_target = attrgetter(TARGET.name)
_NO_ECHO: tuple[Any, ...] = ("", "", "")


def to_record(sample: Sample) -> Record:
    """Convert a sample that the models accepted."""
    values = sample.model_dump()
    values["recorded_at"] = format_time(sample.recorded_at)
    if sample.prediction is not None and sample.prediction.asked_at is not None:
        values["prediction"]["asked_at"] = format_time(sample.prediction.asked_at)
    return msgspec.convert(values, RECORD_TYPE)


def to_row(sample: Sample, *, received_at: datetime) -> str:
    """Convert a sample that the stream received at an aware time; the result is as that of ``to_rows``."""
    return to_rows([to_record(sample)], [format_time(received_at)])[0].decode()


def to_rows(records: Sequence[Record], received_at: Iterable[str]) -> list[bytes]:
    """Convert records to rows: CSV without newline, columns as in ``fields.ROW_COLUMNS``, absent cells empty.

    ``received_at`` has the arrival of each record in the stream, in the format of a row.
    """
    csv = _encode_lines(list(map(_to_cells, records, received_at))).translate(None, b'[]"')
    return csv.split(b"\n")[:-1]


def _to_cells(record: Record, received_at: str) -> tuple[Any, ...]:
    """Return the cells of a row, nested: their JSON without brackets and quotation marks is CSV."""
    prediction = record.prediction
    if prediction:
        echo = (_get_target(prediction), prediction.expected_error or "", prediction.model or "")
        asked_at = prediction.asked_at or ""
    else:
        echo, asked_at = _NO_ECHO, ""
    return (
        _get_target(record),
        astuple(record.features),
        record.sample_id,
        record.robot_id,
        record.fc_id,
        record.recorded_at,
        echo,
        record.schema_version,
        received_at,
        asked_at,
    )
