"""Fuzz targets and their assertions, which hold for any input.

A target takes any bytes and returns whether something was accepted. It asserts that nothing raises but
``InvalidInputError``, that reasons are from the bounded set, and that accepted values are within the schema's bounds.
"""

from __future__ import annotations

import base64
import importlib
import json
import math
import os
import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn
from unittest.mock import patch

from feature_schema import (
    FEATURES,
    ROW_COLUMNS,
    TARGET,
    InvalidInputError,
    parse_features,
    parse_lines,
    parse_request,
    split_message_header,
    to_row,
)
from feature_schema.contracts import MAX_INSTANCES, MIN_RECORDED_AT
from feature_schema.limits import MAX_CLOCK_SKEW, MAX_LINES
from feature_schema.parser import parse_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from feature_schema import Features, Sample
    from feature_schema.field import Field

NOW = datetime(2026, 11, 23, 6, 39, tzinfo=UTC)
IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")
_PREDICTION = {f"prediction.{name}" for name in (TARGET.name, "expected_error", "model", "source", "asked_at")}
FIELDS = {
    *(field.name for field in FEATURES),
    *(TARGET.name, "sample_id", "robot_id", "fc_id", "recorded_at", "schema_version", "features", "prediction"),
    "instances",
    *_PREDICTION,
}
REASONS = {
    *("malformed", "empty", "too_long", "too_many_lines", "duplicate_key", "unexpected_field"),
    *("unknown_schema_version", "in_the_future"),
    *(f"{fault}:{field}" for fault in ("missing", "out_of_range", "wrong_type") for field in FIELDS),
}
"""All reasons. Each is a dimension of a metric, so the set is bounded."""


def check(condition: object, message: str) -> None:
    """Raise ``AssertionError`` unless the condition holds (``-O`` removes ``assert``)."""
    if not condition:
        raise AssertionError(message)


def _check_reason(error: InvalidInputError) -> bool:
    check(error.reason in REASONS, f"unknown reason: {error.reason}")
    return False


def _check_features(features: Features) -> None:
    for field in FEATURES:
        _check_bounds(field, getattr(features, field.name))


def _check_bounds(field: Field, value: object) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    check(is_number and field.minimum <= value <= field.maximum, f"{field.name} is {value!r}")  # type: ignore[operator]


def _check_sample(sample: Sample) -> None:
    _check_features(sample.features)
    _check_bounds(TARGET, getattr(sample, TARGET.name))
    check(MIN_RECORDED_AT <= sample.recorded_at <= NOW + MAX_CLOCK_SKEW, f"recorded at {sample.recorded_at}")
    for name in (sample.sample_id, sample.robot_id, sample.fc_id):
        check(IDENTIFIER.fullmatch(name), f"identifier {name!r}")
    prediction = sample.prediction
    if prediction is not None:
        _check_bounds(TARGET, getattr(prediction, TARGET.name))
        check(prediction.model is None or IDENTIFIER.fullmatch(prediction.model), f"model {prediction.model!r}")
        error = prediction.expected_error
        check(error is None or 0 < error < math.inf, f"expected error {error}")
        asked_at = prediction.asked_at
        check(asked_at is None or MIN_RECORDED_AT <= asked_at <= NOW + MAX_CLOCK_SKEW, f"asked at {asked_at}")
    cells = to_row(sample, received_at=NOW)
    check(
        cells.isascii() and not re.search(r"[\r\n\"]", cells) and cells.count(",") == len(ROW_COLUMNS) - 1,
        f"row {cells!r}",
    )


def line(data: bytes) -> bool:
    """One line of a robot's message."""
    try:
        sample = parse_line(data, message_id="m", position=0, received_at=NOW)
    except InvalidInputError as error:
        return _check_reason(error)
    _check_sample(sample)
    return True


def message(data: bytes) -> bool:
    """A message of lines."""
    results = parse_lines(data, message_id="m", received_at=NOW)
    check(b"\n".join(text for text, _ in results) in {data, data.removesuffix(b"\n")}, "lines are lost")
    check(len(results) <= MAX_LINES + 1, "too many lines")
    for _, result in results:
        if isinstance(result, InvalidInputError):
            _check_reason(result)
        else:
            _check_sample(result)
    return any(not isinstance(result, InvalidInputError) for _, result in results)


def prediction_request(data: bytes) -> bool:
    """The body of a planner's request."""
    try:
        request = parse_request(data)
    except InvalidInputError as error:
        return _check_reason(error)
    check((request.features is None) != (request.instances is None), "neither features nor instances, or both")
    instances = [request.features] if request.features is not None else list(request.instances or ())
    check(1 <= len(instances) <= MAX_INSTANCES, f"{len(instances)} instances")
    for name in (request.fc_id, request.robot_id):
        check(name is None or IDENTIFIER.fullmatch(name), f"identifier {name!r}")
    for features in instances:
        _check_features(features)
    return True


def query(data: bytes) -> bool:
    """The query of a workshop client."""
    try:
        features = parse_features(data.decode(errors="surrogateescape"))
    except InvalidInputError as error:
        return _check_reason(error)
    _check_features(features)
    return True


def transform(data: bytes) -> bool:
    """A Firehose batch: records separated by zero bytes in the data."""
    from validator import batch_metrics, quarantine  # noqa: PLC0415 (instrumented when it is imported)
    from validator.transform import transform as transform_batch  # noqa: PLC0415

    received = int(NOW.timestamp() * 1000)
    parts = data.split(b"\0")
    records: list[dict[str, Any]] = [
        {
            "recordId": str(number),
            "approximateArrivalTimestamp": received,
            "data": base64.b64encode(part).decode(),
            **({"kinesisRecordMetadata": {"partitionKey": f"m-{number}"}} if number % 2 else {}),
        }
        for number, part in enumerate(parts)
    ]
    batch = transform_batch({"records": records})
    check(
        [result["recordId"] for result in batch.results] == [record["recordId"] for record in records],
        "a result is missing",
    )
    accepted, reasons = 0, []
    for record, part, result in zip(records, parts, batch.results, strict=True):
        check(result["result"] in {"Ok", "Dropped"}, f"result {result['result']}")
        key = record.get("kinesisRecordMetadata", {}).get("partitionKey", record["recordId"])
        lines, message_id = split_message_header(part, key)
        parsed = [value for _, value in parse_lines(lines, message_id=message_id, received_at=NOW)]
        reasons += [str(value) for value in parsed if isinstance(value, InvalidInputError)]
        expected = [to_row(value, received_at=NOW) for value in parsed if not isinstance(value, InvalidInputError)]
        check(base64.b64decode(result["data"]).decode().splitlines() == expected, "rows differ from the parser's")
        accepted += len(expected)
    check([str(line.error) for line in batch.rejected] == reasons, "errors differ from the parser's")
    check(accepted == len(batch.accepted), f"{accepted} rows of {len(batch.accepted)} samples")
    for rejected in batch.rejected:
        _check_reason(rejected.error)
        entry = json.loads(quarantine.to_json_line(rejected))
        raw = entry["raw"].encode() if "raw" in entry else base64.b64decode(entry["raw_base64"])
        check(raw == rejected.line, "the quarantine changed a line")
    total = batch_metrics.measure(batch.accepted, (line.error.reason for line in batch.rejected)).total()
    check(math.isfinite(total.squared) and math.isfinite(total.expected_squared), "live error is not finite")
    return bool(batch.accepted)


ENVIRONMENT = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "ENDPOINT_NAME": "none",
    "ENDPOINT_TIMEOUT": "1",
    "POWERTOOLS_SERVICE_NAME": "fuzz",
    "POWERTOOLS_METRICS_NAMESPACE": "Dwell",
    "POWERTOOLS_LOG_LEVEL": "CRITICAL",
}
"""Environment variables that the inference function reads at import."""


def _fail(*_arguments: object) -> NoReturn:
    from inference.endpoint import EndpointFailedError  # noqa: PLC0415

    raise EndpointFailedError("endpoint_error", "fuzzing")  # for a missing model, the function would read the table


STUBS: dict[str, object] = {"invoke": _fail, "is_paused": lambda: False, "_emit_metrics": lambda _answers: None}
"""Replacements of the endpoint, the table and the metrics."""


def _call_handler(event: dict[str, Any]) -> dict[str, Any]:
    """Return the response of the inference function, with ``STUBS`` in place."""
    if "inference.handler" not in sys.modules:
        with patch.dict(os.environ, ENVIRONMENT):
            importlib.import_module("inference.handler")
    names = vars(sys.modules["inference.handler"])
    originals = {name: names[name] for name in STUBS}
    names.update(STUBS)
    try:
        response: dict[str, Any] = names["handler"](event, None)  # it uses no context
    finally:
        names.update(originals)
    return response


def api(data: bytes) -> bool:
    """An event of API Gateway; the first byte selects its form."""
    form, content = data[:1], data[1:]
    text = content.decode(errors="replace")
    event: dict[str, Any] = {"requestContext": {"http": {"method": "POST"}, "stage": "$default"}, "headers": {}}
    event |= {"version": "2.0", "rawPath": "/predictions", "isBase64Encoded": False, "body": text}
    if form == b"b":
        event |= {"isBase64Encoded": True, "body": base64.b64encode(content).decode()}
    elif form == b"r":
        event |= {"isBase64Encoded": True}
    elif form == b"q":
        event |= {"rawPath": "/liveinference", "queryStringParameters": {"features": text}, "body": None}
        event["requestContext"]["http"]["method"] = "GET"
    event["requestContext"]["http"]["path"] = event["rawPath"]
    response = _call_handler(event)
    check(response["statusCode"] in {200, 400}, f"status {response['statusCode']}")
    if response["statusCode"] == 400:
        check(json.loads(response["body"])["reason"] in REASONS, f"response {response['body']}")
    elif form != b"q":
        body = json.loads(response["body"])
        for prediction in body.get("predictions", [body]):
            _check_bounds(TARGET, prediction[TARGET.name])
    return bool(response["statusCode"] == 200)


TARGETS: dict[str, Callable[[bytes], bool]] = {
    "line": line,
    "message": message,
    "request": prediction_request,
    "query": query,
    "transform": transform,
    "api": api,
}
