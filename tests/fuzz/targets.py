"""What is fuzzed, and what must hold whatever comes in.

Each target takes any bytes, and answers whether something was accepted. It raises nothing if every promise is kept: no
exception but a ``Refusal``, a reason out of the bounded set, and what is accepted within the schema's bounds.
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
_PREDICTION = {f"prediction.{name}" for name in (TARGET.name, "expected_error", "model", "source")}
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
"""A metric counts each, so there may not be more."""


def check(kept: object, promise: str) -> None:
    """Raise ``AssertionError`` unless a promise is kept (``assert`` would be silent under ``-O``)."""
    if not kept:
        raise AssertionError(promise)


def _refused(refusal: InvalidInputError) -> bool:
    check(refusal.reason in REASONS, f"an unknown reason: {refusal.reason}")
    return False


def _features(features: Features) -> None:
    for field in FEATURES:
        _within(field, getattr(features, field.name))


def _within(field: Field, value: object) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    check(number and field.minimum <= value <= field.maximum, f"{field.name} is {value!r}")  # type: ignore[operator]


def _sample(sample: Sample) -> None:
    _features(sample.features)
    _within(TARGET, getattr(sample, TARGET.name))
    check(MIN_RECORDED_AT <= sample.recorded_at <= NOW + MAX_CLOCK_SKEW, f"recorded at {sample.recorded_at}")
    for name in (sample.sample_id, sample.robot_id, sample.fc_id):
        check(IDENTIFIER.fullmatch(name), f"an identifier {name!r}")
    echo = sample.prediction
    if echo is not None:
        _within(TARGET, getattr(echo, TARGET.name))
        check(echo.model is None or IDENTIFIER.fullmatch(echo.model), f"a model {echo.model!r}")
        check(echo.expected_error is None or 0 < echo.expected_error < math.inf, f"expects {echo.expected_error}")
    cells = to_row(sample)
    check(
        cells.isascii() and not re.search(r"[\r\n\"]", cells) and cells.count(",") == len(ROW_COLUMNS) - 1,
        f"a row {cells!r}",
    )


def line(data: bytes) -> bool:
    """One line of a robot's message."""
    try:
        sample = parse_line(data, message_id="m", position=0, received_at=NOW)
    except InvalidInputError as refusal:
        return _refused(refusal)
    _sample(sample)
    return True


def message(data: bytes) -> bool:
    """A message of lines."""
    answers = parse_lines(data, message_id="m", received_at=NOW)
    check(b"\n".join(text for text, _ in answers) in {data, data.removesuffix(b"\n")}, "lines are lost")
    check(len(answers) <= MAX_LINES + 1, "too many lines")
    for _, answer in answers:
        if isinstance(answer, InvalidInputError):
            _refused(answer)
        else:
            _sample(answer)
    return any(not isinstance(answer, InvalidInputError) for _, answer in answers)


def request(data: bytes) -> bool:
    """The body of a planner's request."""
    try:
        asked = parse_request(data)
    except InvalidInputError as refusal:
        return _refused(refusal)
    check((asked.features is None) != (asked.instances is None), "neither one nor many, or both")
    instances = [asked.features] if asked.features is not None else list(asked.instances or ())
    check(1 <= len(instances) <= MAX_INSTANCES, f"{len(instances)} instances")
    for features in instances:
        _features(features)
    return True


def query(data: bytes) -> bool:
    """The query of a workshop client."""
    try:
        features = parse_features(data.decode(errors="surrogateescape"))
    except InvalidInputError as refusal:
        return _refused(refusal)
    _features(features)
    return True


def transform(data: bytes) -> bool:
    """A Firehose batch of as many records as there are zero bytes in the data, and one more."""
    from validator import batch_metrics, quarantine  # noqa: PLC0415 (instrumented when it is imported)
    from validator.transform import transform as read  # noqa: PLC0415

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
    batch = read({"records": records})
    check(
        [answer["recordId"] for answer in batch.results] == [one["recordId"] for one in records], "an answer is missing"
    )
    accepted, reasons = 0, []
    for record, part, answer in zip(records, parts, batch.results, strict=True):
        check(answer["result"] in {"Ok", "Dropped"}, f"a result {answer['result']}")
        key = record.get("kinesisRecordMetadata", {}).get("partitionKey", record["recordId"])
        lines, message_id = split_message_header(part, key)
        said = [one for _, one in parse_lines(lines, message_id=message_id, received_at=NOW)]
        reasons += [str(one) for one in said if isinstance(one, InvalidInputError)]
        expected = [to_row(one) for one in said if not isinstance(one, InvalidInputError)]
        check(base64.b64decode(answer["data"]).decode().splitlines() == expected, "read fast, it is something else")
        accepted += len(expected)
    check([str(one.error) for one in batch.rejected] == reasons, "read fast, it is refused for something else")
    check(accepted == len(batch.accepted), f"{accepted} rows of {len(batch.accepted)} samples")
    for refused in batch.rejected:
        _refused(refused.error)
        kept = json.loads(quarantine.to_json_line(refused))
        raw = kept["raw"].encode() if "raw" in kept else base64.b64decode(kept["raw_base64"])
        check(raw == refused.line, "the quarantine changed a line")
    readings = batch_metrics.measure(batch.accepted, (one.error.reason for one in batch.rejected))
    total = readings.total()
    check(math.isfinite(total.squared) and math.isfinite(total.expected_squared), "a live error that is no number")
    return bool(batch.accepted)


ENVIRONMENT = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "ENDPOINT_NAME": "none",
    "ENDPOINT_TIMEOUT": "1",
    "POWERTOOLS_SERVICE_NAME": "fuzz",
    "POWERTOOLS_METRICS_NAMESPACE": "Dwell",
    "POWERTOOLS_LOG_LEVEL": "CRITICAL",
}
"""What the inference function reads when it is imported."""


def _nobody(*_arguments: object) -> NoReturn:
    from inference.endpoint import EndpointFailedError  # noqa: PLC0415

    raise EndpointFailedError("endpoint_error", "nobody answers")  # a missing model would have the table asked


STUBS: dict[str, object] = {"invoke": _nobody, "is_paused": lambda: False, "_emit_metrics": lambda _answers: None}
"""In place of the endpoint, the table and the metrics."""


def _answered(event: dict[str, Any]) -> dict[str, Any]:
    """The inference function's answer, while no endpoint answers it, and without its metrics."""
    if "inference.handler" not in sys.modules:
        with patch.dict(os.environ, ENVIRONMENT):
            importlib.import_module("inference.handler")
    names = vars(sys.modules["inference.handler"])
    usual = {name: names[name] for name in STUBS}
    names.update(STUBS)
    try:
        answer: dict[str, Any] = names["handler"](event, None)  # it looks at no context
    finally:
        names.update(usual)
    return answer


def api(data: bytes) -> bool:
    """A request as API Gateway hands it over; the first byte chooses its form."""
    form, rest = data[:1], data[1:]
    text = rest.decode(errors="replace")
    asked: dict[str, Any] = {"requestContext": {"http": {"method": "POST"}, "stage": "$default"}, "headers": {}}
    asked |= {"version": "2.0", "rawPath": "/predictions", "isBase64Encoded": False, "body": text}
    if form == b"b":
        asked |= {"isBase64Encoded": True, "body": base64.b64encode(rest).decode()}
    elif form == b"r":
        asked |= {"isBase64Encoded": True}
    elif form == b"q":
        asked |= {"rawPath": "/liveinference", "queryStringParameters": {"features": text}, "body": None}
        asked["requestContext"]["http"]["method"] = "GET"
    asked["requestContext"]["http"]["path"] = asked["rawPath"]
    answer = _answered(asked)
    check(answer["statusCode"] in {200, 400}, f"status {answer['statusCode']}")
    if answer["statusCode"] == 400:
        check(json.loads(answer["body"])["reason"] in REASONS, f"an answer {answer['body']}")
    elif form != b"q":
        given = json.loads(answer["body"])
        for one in given.get("predictions", [given]):
            _within(TARGET, one[TARGET.name])
    return bool(answer["statusCode"] == 200)


TARGETS: dict[str, Callable[[bytes], bool]] = {
    "line": line,
    "message": message,
    "request": request,
    "query": query,
    "transform": transform,
    "api": api,
}
