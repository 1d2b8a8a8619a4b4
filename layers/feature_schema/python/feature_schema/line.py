"""From a line on the wire to a sample, and from a sample to a row of a dataset.

A line is a JSON sample, or a row as the workshop's fulfilment centres publish it: target and features, separated by
commas. Every input gets an answer: a sample, or a ``Refusal`` that says why not.
"""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from feature_schema import schema
from feature_schema.description import FEATURES, TARGET
from feature_schema.refusal import Refusal, refusal
from feature_schema.sample import PredictionRequest, Sample, predicted
from feature_schema.schema import Features, Target

MAX_LINE_BYTES = 4_096 + 1_024 * len(FEATURES)
"""A sample takes about 200 bytes and 20 for each feature; what is far longer is no sample."""

MAX_LINES = 1_048_576 // (2 * (1 + len(FEATURES)))
"""Lines in one message: what a record of the stream (1 MiB) holds of rows in which every number has one digit. A
message of a million newlines is no reason to run out of memory."""

CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far a sender's clock may be ahead of the stream's."""

UNKNOWN_SENDER = "unknown"
"""``robot_id`` and ``fc_id`` of a workshop row, which names neither."""

_NAMESPACE = uuid.UUID("6f0cf3a6-3ff1-5a3c-9f5f-5d1f0a1f6c53")
_NUMBERS = TypeAdapter(list[Any])


def csv_sample_id(message_id: str, position: int) -> str:
    """The id of a workshop row: the same for every delivery of the same message (``position`` counts lines from 0)."""
    return str(uuid.uuid5(_NAMESPACE, f"{message_id}/{position}"))


def parse_line(line: bytes, *, message_id: str, position: int, received_at: datetime) -> Sample:
    """Read one line, without its newline.

    ``message_id`` and ``position`` identify the line if it carries no id of its own; ``received_at`` (aware) is when
    the stream took it. Raises ``Refusal``, and nothing else.
    """
    if len(line) > MAX_LINE_BYTES:
        raise Refusal("too_long", detail=f"{len(line)} bytes, at most {MAX_LINE_BYTES}")
    text = line.strip()
    if not text:
        raise Refusal("empty")
    try:
        if text[:1] in b'{["':
            sample = Sample.model_validate_json(text)
            if text.count(b'"') != _quotes(sample):
                _refuse_duplicate_keys(text)
        else:
            sample = _workshop_sample(text, csv_sample_id(message_id, position), received_at)
    except ValidationError as error:
        raise refusal(error) from None
    if sample.recorded_at > received_at + CLOCK_TOLERANCE:
        raise Refusal("in_the_future", "recorded_at", "recorded after it was received")
    return sample


def parse_lines(data: bytes, *, message_id: str, received_at: datetime) -> list[tuple[bytes, Sample | Refusal]]:
    """Read a message of one or many lines; a final newline ends the last line and starts no new one.

    A message of more than ``MAX_LINES`` lines is refused as a whole, as if it were one line.
    """
    newlines = data.count(b"\n")
    if newlines > MAX_LINES:
        return [(data, Refusal("too_many_lines", detail=f"{newlines} lines, at most {MAX_LINES} in a message"))]
    lines = data.split(b"\n")
    if len(lines) > 1 and not lines[-1]:
        lines.pop()
    answers: list[tuple[bytes, Sample | Refusal]] = []
    for position, line in enumerate(lines):
        try:
            answers.append((line, parse_line(line, message_id=message_id, position=position, received_at=received_at)))
        except Refusal as refused:
            answers.append((line, refused))
    return answers


def _quotes(sample: Sample) -> int:
    """How many quotation marks a sample has that was written without duplicate keys and escapes."""
    strings = 4  # sample_id, robot_id, fc_id, recorded_at
    keys = len(sample.model_fields_set) + len(FEATURES)
    if sample.prediction is not None:
        given = sample.prediction.model_fields_set
        keys += len(given)
        strings += ("source" in given) + (sample.prediction.model is not None)
    return 2 * (keys + strings)


def _refuse_duplicate_keys(text: bytes) -> None:
    def check(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        if len(set(keys)) != len(keys):
            raise Refusal("duplicate_key", detail="a key stands twice in one object")
        return dict(pairs)

    json.loads(text, object_pairs_hook=check)


def _numbers(text: bytes, names: tuple[str, ...]) -> dict[str, Any]:
    """A comma-separated row as a dictionary. JSON's grammar of a number decides what a number is."""
    try:
        values = _NUMBERS.validate_python(from_json(b"[" + text + b"]", allow_inf_nan=False))
    except ValueError:
        raise Refusal("malformed", detail="neither a JSON object nor comma-separated numbers") from None
    if len(values) != len(names):
        raise Refusal("malformed", detail=f"{len(values)} numbers, {len(names)} expected")
    return dict(zip(names, values, strict=True))


_FEATURE_NAMES = tuple(feature.name for feature in FEATURES)


def _workshop_sample(text: bytes, sample_id: str, received_at: datetime) -> Sample:
    values = _numbers(text, (TARGET.name, *_FEATURE_NAMES))
    target = Target.model_validate({TARGET.name: values.pop(TARGET.name)})
    return Sample(
        **target.model_dump(),
        sample_id=sample_id,
        robot_id=UNKNOWN_SENDER,
        fc_id=UNKNOWN_SENDER,
        recorded_at=received_at,
        schema_version=schema.VERSION,
        features=Features.model_validate(values),
    )


def parse_features(text: str) -> Features:
    """The features of ``GET /liveinference?features=``: numbers in the order of a row. Raises ``Refusal``."""
    try:
        return Features.model_validate(_numbers(text.encode(errors="replace"), _FEATURE_NAMES))
    except ValidationError as error:
        raise refusal(error) from None


def parse_request(body: bytes | str) -> PredictionRequest:
    """The body of ``POST /predictions``. Raises ``Refusal``."""
    text = body.encode(errors="surrogatepass") if isinstance(body, str) else body
    try:
        request = PredictionRequest.model_validate_json(text)
    except ValidationError as error:
        raise refusal(error) from None
    asked = len(request.instances or ()) + (request.features is not None)
    if text.count(b'"') != 2 * (len(request.model_fields_set) + asked * len(FEATURES)):
        _refuse_duplicate_keys(text)
    if request.features is None and request.instances is None:
        raise Refusal("missing:features", "features", "give either 'features' or 'instances'")
    if request.features is not None and request.instances is not None:
        raise Refusal("unexpected_field", "instances", "give either 'features' or 'instances', not both")
    return request


def row(sample: Sample) -> str:
    """A sample as a row of a dataset: CSV without newline, columns as ``description.ROW``, absent cells empty."""
    answer = sample.prediction
    recorded_at = sample.recorded_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    cells: list[Any] = [
        getattr(sample, TARGET.name),
        *sample.features.__dict__.values(),
        sample.sample_id,
        sample.robot_id,
        sample.fc_id,
        recorded_at,
    ]
    if answer is None:
        cells += ["", "", ""]
    else:
        cells += [predicted(answer), answer.expected_error or "", answer.model or ""]
    cells.append(sample.schema_version)
    return ",".join(str(cell) for cell in cells)
