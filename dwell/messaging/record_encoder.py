"""From a record of a file to a line on the wire: a JSON sample, with an id that is the same whenever it is made."""

from __future__ import annotations

import json
import math
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from feature_schema import FEATURES, PROVENANCE_COLUMNS, TARGET, VERSION, build_prediction
from feature_schema.limits import UNKNOWN_SENDER

if TYPE_CHECKING:
    from dwell.messaging.samples_file import Record

_NAMESPACE = uuid.UUID("0d0c7b44-8a5e-5a0f-8d0c-5b0b0f6d8a11")
_SENDER = ("sample_id", "robot_id", "fc_id", "recorded_at", "schema_version")
_COLUMNS = {TARGET.name, *(feature.name for feature in FEATURES), *PROVENANCE_COLUMNS}


@dataclass(frozen=True, slots=True)
class Origin:
    """The file that records come from: what they do not say themselves follows from it.

    ``digest`` is of its content, ``records`` how many it has, ``published_at`` when it was first published.
    """

    digest: str
    records: int
    published_at: datetime

    def sample_id(self, number: int) -> str:
        """The id of a record that has none: the same for the same file and record, whoever publishes it."""
        return str(uuid.uuid5(_NAMESPACE, f"{self.digest}/{number}"))

    def recorded_at(self, number: int) -> datetime:
        """The time of a record that has none: a millisecond apart in the order of the file, the last when published.

        The newest records are what models are tested on, so the order of a file has to survive.
        """
        return self.published_at - timedelta(milliseconds=self.records - number)


def line(record: Record, origin: Origin) -> str:
    """The record as one line of a message.

    A record that has its columns becomes a JSON sample, right or wrong; what it does not say of its sender is filled
    in. A JSON sample that says everything, and what cannot be told apart into columns, stays as it stands in the file.
    """
    values = record.values
    if values is None:
        return record.text
    if "features" in values:
        if record.text and all(name in values for name in _SENDER):
            return record.text
        given = {name: value for name, value in values.items() if value is not None}
        sample = {**given, "features": {k: v for k, v in _items(given.get("features")) if v is not None}}
    else:
        sample = _from_columns(values)
    return json.dumps(_sender(record, origin) | sample, separators=(",", ":"), default=_plain)


def ignored(record: Record) -> set[str]:
    """Columns that the schema does not know, and that are not published."""
    values = record.values
    return set() if values is None or "features" in values else values.keys() - _COLUMNS


def _items(features: object) -> list[tuple[str, Any]]:
    return list(features.items()) if isinstance(features, dict) else []


def _sender(record: Record, origin: Origin) -> dict[str, Any]:
    return {
        "sample_id": origin.sample_id(record.number),
        "robot_id": UNKNOWN_SENDER,
        "fc_id": UNKNOWN_SENDER,
        "recorded_at": origin.recorded_at(record.number),
        "schema_version": VERSION,
    }


def _from_columns(values: dict[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in values.items() if not _is_absent(value)}
    sample: dict[str, Any] = {
        name: _text(given[name]) for name in ("sample_id", "robot_id", "fc_id", "recorded_at") if name in given
    }
    if "schema_version" in given:
        sample["schema_version"] = _number(given["schema_version"], whole=True)
    if TARGET.name in given:
        sample[TARGET.name] = _number(given[TARGET.name], whole=TARGET.type == "integer")
    sample["features"] = {
        feature.name: _number(given[feature.name], whole=feature.type == "integer")
        for feature in FEATURES
        if feature.name in given
    }
    if "predicted" in given:
        error = _number(given["expected_error"], whole=False) if "expected_error" in given else None
        model = str(given["model"]).strip() if "model" in given else None
        sample["prediction"] = build_prediction(
            _number(given["predicted"], whole=False), model=model, expected_error=error
        )
    return sample


def _is_absent(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip()) or (value != value)  # noqa: PLR0124 - NaN


def _text(value: object) -> object:
    return value.strip() if isinstance(value, str) else value if isinstance(value, datetime) else str(value)


def _number(value: Any, *, whole: bool) -> Any:
    """A cell as the number that it is, or as it is: then the schema refuses it. 12.0 is a whole number in a file."""
    if isinstance(value, str):
        try:
            value = from_json(value.strip(), allow_inf_nan=False)
        except ValueError:
            return value
    if isinstance(value, Decimal):
        value = float(value)
    if whole and isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return int(value)
    return value


def _plain(value: object) -> str:
    """A time in JSON; without a zone it is UTC's. Anything else is told as text, and refused as such."""
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return aware.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else str(value)
