"""Encodes a record of a file as a line of a message: a JSON sample with a reproducible id."""

from __future__ import annotations

import json
import math
import uuid
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from dwell.console.times import as_utc
from feature_schema import FEATURES, PROVENANCE_COLUMNS, TARGET, VERSION, build_prediction
from feature_schema.limits import UNKNOWN_SENDER, format_time

if TYPE_CHECKING:
    from dwell.messaging.samples_file import FileRecord

_NAMESPACE = uuid.UUID("0d0c7b44-8a5e-5a0f-8d0c-5b0b0f6d8a11")
_SENDER = ("sample_id", "robot_id", "fc_id", "recorded_at", "schema_version")
_COLUMNS = {TARGET.name, *(feature.name for feature in FEATURES), *PROVENANCE_COLUMNS}


@dataclass(frozen=True, slots=True)
class FileOrigin:
    """The file of a record; missing ids and times are derived from it.

    ``digest`` of its content, its number of ``records``, and ``published_at``, the time of its first publication.
    """

    digest: str
    records: int
    published_at: datetime

    def sample_id(self, number: int) -> str:
        """The id for a record without one: the same for the same content and record number."""
        return str(uuid.uuid5(_NAMESPACE, f"{self.digest}/{number}"))

    def recorded_at(self, number: int) -> datetime:
        """The time for a record without one: a millisecond apart in file order, the last at ``published_at``.

        Models are tested on the newest samples, so the order of the file must be preserved.
        """
        return self.published_at - timedelta(milliseconds=self.records - number)


def encode_record(record: FileRecord, origin: FileOrigin) -> str:
    """The record as a line of a message, without newline.

    A record with columns becomes a JSON sample, valid or not; missing sender fields are added. A complete JSON sample,
    and a record without recognizable columns, stays as it is in the file.
    """
    values = record.values
    if values is None:
        return record.text
    if "features" in values:
        if record.text and all(name in values for name in _SENDER):
            return record.text
        present = {name: value for name, value in values.items() if value is not None}
        features = {name: value for name, value in _feature_items(present.get("features")) if value is not None}
        sample = {**present, "features": features}
    else:
        sample = _from_columns(values)
    return json.dumps(_derive_sender(record, origin) | sample, separators=(",", ":"), default=_to_json_value)


def find_ignored_columns(record: FileRecord) -> set[str]:
    """Names of columns that are not in the schema; they are not published."""
    values = record.values
    return set() if values is None or "features" in values else values.keys() - _COLUMNS


def _feature_items(features: object) -> list[tuple[str, Any]]:
    return list(features.items()) if isinstance(features, dict) else []


def _derive_sender(record: FileRecord, origin: FileOrigin) -> dict[str, Any]:
    return {
        "sample_id": origin.sample_id(record.number),
        "robot_id": UNKNOWN_SENDER,
        "fc_id": UNKNOWN_SENDER,
        "recorded_at": origin.recorded_at(record.number),
        "schema_version": VERSION,
    }


def _from_columns(values: dict[str, Any]) -> dict[str, Any]:
    present = {name: value for name, value in values.items() if not _is_missing(value)}
    sample: dict[str, Any] = {
        name: _to_text(present[name]) for name in ("sample_id", "robot_id", "fc_id", "recorded_at") if name in present
    }
    if "schema_version" in present:
        sample["schema_version"] = _to_number(present["schema_version"], is_integer=True)
    if TARGET.name in present:
        sample[TARGET.name] = _to_number(present[TARGET.name], is_integer=TARGET.type == "integer")
    sample["features"] = {
        feature.name: _to_number(present[feature.name], is_integer=feature.type == "integer")
        for feature in FEATURES
        if feature.name in present
    }
    if "predicted" in present:
        error = _to_number(present["expected_error"], is_integer=False) if "expected_error" in present else None
        model = str(present["model"]).strip() if "model" in present else None
        prediction = build_prediction(
            _to_number(present["predicted"], is_integer=False), model=model, expected_error=error
        )
        asked = {"asked_at": _to_text(present["asked_at"])} if "asked_at" in present else {}
        sample["prediction"] = prediction | asked
    return sample


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip()) or (value != value)  # noqa: PLR0124 - NaN


def _to_text(value: object) -> object:
    return value.strip() if isinstance(value, str) else value if isinstance(value, datetime) else str(value)


def _to_number(value: Any, *, is_integer: bool) -> Any:
    """A cell as a number; a cell that is none stays, and the schema refuses it. Integer columns accept 12.0."""
    if isinstance(value, str):
        try:
            value = from_json(value.strip(), allow_inf_nan=False)
        except ValueError:
            return value
    if isinstance(value, Decimal):
        value = float(value)
    if is_integer and isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return int(value)
    return value


def _to_json_value(value: object) -> str:
    """A time as text, in UTC if it has no zone. Any other value becomes text, which the schema refuses."""
    if isinstance(value, datetime):
        return format_time(as_utc(value))
    return value.isoformat() if isinstance(value, date) else str(value)
