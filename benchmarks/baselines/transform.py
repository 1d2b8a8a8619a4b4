"""A Firehose transform written like AWS' samples: base64, ``json.loads``, checks, and base64 again.

It takes one JSON sample per record and returns the same rows as the validator. It does not detect duplicate keys, write
a quarantine (an invalid record is ``ProcessingFailed``) or metrics, or limit the size of the response.
"""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from feature_schema import FEATURES, TARGET, VERSION

FEATURE_NAMES = {feature.name for feature in FEATURES}
FIELDS = {"sample_id", "robot_id", "fc_id", "recorded_at", "schema_version", TARGET.name, "features", "prediction"}
ECHO_FIELDS = {TARGET.name, "expected_error", "model", "source", "asked_at"}
IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")
CLOCK_TOLERANCE = timedelta(minutes=5)


def check_number(value: Any, minimum: float, maximum: float, *, whole: bool = False) -> float:
    """Return the number. Raises ``TypeError`` if it is none, ``ValueError`` if it is out of bounds."""
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        raise TypeError("not a number")
    if not minimum <= value <= maximum:
        raise ValueError("out of range")
    return value if whole else float(value)


def check_identifier(value: Any) -> None:
    """Raise ``ValueError`` if the value is not an identifier."""
    if not isinstance(value, str) or not IDENTIFIER.fullmatch(value):
        raise ValueError("not an identifier")


def to_row(payload: dict[str, Any], received_at: datetime) -> str:
    """Return a sample as a CSV row. Raises ``ValueError``, ``KeyError`` or ``TypeError`` for an invalid one."""
    if set(payload) - FIELDS or payload["schema_version"] != VERSION:
        raise ValueError("unknown field or version")
    for name in ("sample_id", "robot_id", "fc_id"):
        check_identifier(payload[name])
    recorded_at = parse_time(payload["recorded_at"], received_at)
    features = payload["features"]
    if set(features) - FEATURE_NAMES:
        raise ValueError("unknown feature")
    cells: list[Any] = []
    for field, value in [(TARGET, payload[TARGET.name]), *((feature, features[feature.name]) for feature in FEATURES)]:
        cells.append(check_number(value, field.minimum, field.maximum, whole=field.type == "integer"))
    *echo_cells, asked_at = build_echo_cells(payload.get("prediction"), received_at)
    cells += [
        payload["sample_id"],
        payload["robot_id"],
        payload["fc_id"],
        recorded_at,
        *echo_cells,
        VERSION,
        received_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        asked_at,
    ]
    return ",".join(str(cell) for cell in cells)


def parse_time(text: str, received_at: datetime) -> str:
    """Return a time as a cell. Raises ``ValueError``."""
    time = datetime.fromisoformat(text)
    if time.tzinfo is None or time > received_at + CLOCK_TOLERANCE:
        raise ValueError("not a time, or in the future")
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def build_echo_cells(echo: dict[str, Any] | None, received_at: datetime) -> list[Any]:
    """Return the cells of the echoed prediction. Raises ``ValueError``, ``KeyError`` or ``TypeError``."""
    if echo is None:
        return ["", "", "", ""]
    if set(echo) - ECHO_FIELDS or echo.get("source", "model") not in {"model", "fallback"}:
        raise ValueError("unknown field or source")
    predicted = check_number(echo[TARGET.name], TARGET.minimum, TARGET.maximum)
    if echo.get("expected_error") is not None:
        check_number(echo["expected_error"], 0, TARGET.maximum - TARGET.minimum)
    if echo.get("model") is not None:
        check_identifier(echo["model"])
    asked_at = "" if echo.get("asked_at") is None else parse_time(echo["asked_at"], received_at)
    return [predicted, echo.get("expected_error") or "", echo.get("model") or "", asked_at]


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Transform a batch."""
    output = []
    for record in event["records"]:
        received_at = datetime.fromtimestamp(record["approximateArrivalTimestamp"] / 1000, UTC)
        try:
            payload = json.loads(base64.b64decode(record["data"]))
            data = base64.b64encode(f"{to_row(payload, received_at)}\n".encode()).decode()
            output.append({"recordId": record["recordId"], "result": "Ok", "data": data})
        except (ValueError, KeyError, TypeError):
            output.append({"recordId": record["recordId"], "result": "ProcessingFailed", "data": record["data"]})
    return {"records": output}
