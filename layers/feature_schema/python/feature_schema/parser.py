"""Parses lines and requests with the pydantic models. ``fast`` does the same without pydantic for valid input.

A line is a JSON sample, or a CSV row as the workshop's fulfilment centres publish it: target and features, separated by
commas. Every input results in a value or an ``InvalidInputError``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from feature_schema import schema
from feature_schema.contracts import PredictionRequest, Sample
from feature_schema.errors import InvalidInputError, to_input_error
from feature_schema.fields import FEATURES, TARGET
from feature_schema.limits import MAX_CLOCK_SKEW, MAX_LINE_BYTES, UNKNOWN_SENDER, derive_csv_sample_id, split_lines
from feature_schema.schema import Features, Target

if TYPE_CHECKING:
    from datetime import datetime

_FEATURE_NAMES = tuple(feature.name for feature in FEATURES)
_NUMBERS = TypeAdapter(list[Any])
_NEITHER_FORMAT = "neither a JSON object nor comma-separated numbers"


def parse_line(line: bytes, *, message_id: str, position: int, received_at: datetime) -> Sample:
    """Parse one line, without its newline.

    ``message_id`` and ``position`` (from 0) give an id to a CSV row, which has none. ``received_at`` is the aware time
    at which the stream received the line. Raises only ``InvalidInputError``.
    """
    if len(line) > MAX_LINE_BYTES:
        raise InvalidInputError("too_long", detail=f"{len(line)} bytes, at most {MAX_LINE_BYTES}")
    text = line.strip()
    if not text:
        raise InvalidInputError("empty")
    try:
        if text[:1] in b'{["':
            sample = Sample.model_validate_json(text)
            if text.count(b'"') != _count_quotes(sample):
                _reject_duplicate_keys(text)
        else:
            sample = _parse_csv_row(text, derive_csv_sample_id(message_id, position), received_at)
    except ValidationError as error:
        raise to_input_error(error) from None
    if sample.recorded_at > received_at + MAX_CLOCK_SKEW:
        raise InvalidInputError("in_the_future", "recorded_at", "recorded after it was received")
    asked_at = None if sample.prediction is None else sample.prediction.asked_at
    if asked_at is not None and asked_at > received_at + MAX_CLOCK_SKEW:
        field = "prediction.asked_at"
        raise InvalidInputError(f"out_of_range:{field}", field, "requested after the sample was received")
    return sample


def parse_lines(
    data: bytes, *, message_id: str, received_at: datetime
) -> list[tuple[bytes, Sample | InvalidInputError]]:
    """Parse a message; the result pairs each line with its sample or error, in order.

    A message of more than ``MAX_LINES`` lines is rejected as a whole, as if it were one line.
    """
    try:
        lines = split_lines(data)
    except InvalidInputError as error:
        return [(data, error)]
    results: list[tuple[bytes, Sample | InvalidInputError]] = []
    for position, line in enumerate(lines):
        try:
            results.append((line, parse_line(line, message_id=message_id, position=position, received_at=received_at)))
        except InvalidInputError as error:
            results.append((line, error))
    return results


def parse_features(text: str) -> Features:
    """Parse ``GET /liveinference?features=``: numbers in the order of ``FEATURES``. Raises ``InvalidInputError``."""
    try:
        return Features.model_validate(_parse_numbers(text.encode(errors="replace"), _FEATURE_NAMES))
    except ValidationError as error:
        raise to_input_error(error) from None


def parse_request(body: bytes | str) -> PredictionRequest:
    """Parse the body of ``POST /predictions``. Raises ``InvalidInputError``."""
    text = body.encode(errors="surrogatepass") if isinstance(body, str) else body
    try:
        request = PredictionRequest.model_validate_json(text)
    except ValidationError as error:
        raise to_input_error(error) from None
    instance_count = len(request.instances or ()) + (request.features is not None)
    strings = (request.fc_id is not None) + (request.robot_id is not None)
    if text.count(b'"') != 2 * (len(request.model_fields_set) + strings + instance_count * len(FEATURES)):
        _reject_duplicate_keys(text)
    if request.features is None and request.instances is None:
        raise InvalidInputError("missing:features", "features", "give either 'features' or 'instances'")
    if request.features is not None and request.instances is not None:
        raise InvalidInputError("unexpected_field", "instances", "give either 'features' or 'instances', not both")
    return request


def _count_quotes(sample: Sample) -> int:
    """Return the number of quotation marks in a sample's JSON that has neither duplicate keys nor escapes."""
    strings = 4  # sample_id, robot_id, fc_id, recorded_at
    keys = len(sample.model_fields_set) + len(FEATURES)
    if sample.prediction is not None:
        prediction_keys = sample.prediction.model_fields_set
        keys += len(prediction_keys)
        optional = (sample.prediction.model, sample.prediction.asked_at)
        strings += ("source" in prediction_keys) + sum(value is not None for value in optional)
    return 2 * (keys + strings)


class _DuplicateKey(NamedTuple):
    """Stands for a JSON object that has this key more than once."""

    key: str


def _find_duplicate(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _DuplicateKey:
    keys = set()
    for key, _ in pairs:
        if key in keys:
            return _DuplicateKey(key)
        keys.add(key)
    return dict(pairs)


def _reject_duplicate_keys(text: bytes) -> None:
    """Raise ``InvalidInputError`` for a duplicate key in the JSON of an otherwise valid sample or request."""
    root = json.loads(text, object_pairs_hook=_find_duplicate)
    if isinstance(root, _DuplicateKey):
        raise _to_error(root)
    for value in root.values():
        if isinstance(value, _DuplicateKey):
            raise _to_error(value)
    for index, instance in enumerate(root.get("instances") or ()):
        if isinstance(instance, _DuplicateKey):
            raise _to_error(instance, index)


def _to_error(duplicate: _DuplicateKey, instance: int | None = None) -> InvalidInputError:
    return InvalidInputError("duplicate_key", duplicate.key, "duplicate key in an object", instance)


def _parse_numbers(text: bytes, names: tuple[str, ...]) -> dict[str, Any]:
    """Parse comma-separated numbers as values of ``names``. Numbers are written as in JSON."""
    try:
        values = _NUMBERS.validate_python(from_json(b"[" + text + b"]", allow_inf_nan=False))
    except ValueError:
        raise InvalidInputError("malformed", detail=_NEITHER_FORMAT) from None
    if len(values) != len(names):
        if not all(type(value) in {int, float} for value in values):  # e.g. the JSON text null is no row at all
            raise InvalidInputError("malformed", detail=_NEITHER_FORMAT)
        raise InvalidInputError("malformed", detail=f"{len(values)} numbers, {len(names)} expected")
    return dict(zip(names, values, strict=True))


def _parse_csv_row(text: bytes, sample_id: str, received_at: datetime) -> Sample:
    values = _parse_numbers(text, (TARGET.name, *_FEATURE_NAMES))
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
