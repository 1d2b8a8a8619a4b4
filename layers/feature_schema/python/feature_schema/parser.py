"""From a line on the wire to a sample, and from a sample to a row of a dataset.

A line is a JSON sample, or a row as the workshop's fulfilment centres publish it: target and features, separated by
commas. Every input gets an answer: a sample, or a ``Refusal`` that says why not.
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

_NUMBERS = TypeAdapter(list[Any])
_NEITHER = "neither a JSON object nor comma-separated numbers"


def parse_line(line: bytes, *, message_id: str, position: int, received_at: datetime) -> Sample:
    """Read one line, without its newline.

    ``message_id`` and ``position`` identify the line if it carries no id of its own; ``received_at`` (aware) is when
    the stream took it. Raises ``Refusal``, and nothing else.
    """
    if len(line) > MAX_LINE_BYTES:
        raise InvalidInputError("too_long", detail=f"{len(line)} bytes, at most {MAX_LINE_BYTES}")
    text = line.strip()
    if not text:
        raise InvalidInputError("empty")
    try:
        if text[:1] in b'{["':
            sample = Sample.model_validate_json(text)
            if text.count(b'"') != _quotes(sample):
                _refuse_duplicate_keys(text)
        else:
            sample = _workshop_sample(text, derive_csv_sample_id(message_id, position), received_at)
    except ValidationError as error:
        raise to_input_error(error) from None
    if sample.recorded_at > received_at + MAX_CLOCK_SKEW:
        raise InvalidInputError("in_the_future", "recorded_at", "recorded after it was received")
    return sample


def parse_lines(
    data: bytes, *, message_id: str, received_at: datetime
) -> list[tuple[bytes, Sample | InvalidInputError]]:
    """Read a message of one or many lines.

    A message of more than ``MAX_LINES`` lines is refused as a whole, as if it were one line.
    """
    try:
        lines = split_lines(data)
    except InvalidInputError as flood:
        return [(data, flood)]
    answers: list[tuple[bytes, Sample | InvalidInputError]] = []
    for position, line in enumerate(lines):
        try:
            answers.append((line, parse_line(line, message_id=message_id, position=position, received_at=received_at)))
        except InvalidInputError as refused:
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


class _Twice(NamedTuple):
    """Stands for an object in which this key stands twice."""

    key: str


def _told_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Twice:
    seen = set()
    for key, _ in pairs:
        if key in seen:
            return _Twice(key)
        seen.add(key)
    return dict(pairs)


def _refuse_duplicate_keys(text: bytes) -> None:
    """Of a sample, or of a request, that is right in all else."""
    read = json.loads(text, object_pairs_hook=_told_twice)
    if isinstance(read, _Twice):
        raise _duplicate(read)
    for within in read.values():
        if isinstance(within, _Twice):
            raise _duplicate(within)
    for number, within in enumerate(read.get("instances") or ()):
        if isinstance(within, _Twice):
            raise _duplicate(within, instance=number)


def _duplicate(twice: _Twice, instance: int | None = None) -> InvalidInputError:
    return InvalidInputError("duplicate_key", twice.key, "a key stands twice in one object", instance)


def _numbers(text: bytes, names: tuple[str, ...]) -> dict[str, Any]:
    """A comma-separated row as a dictionary. JSON's grammar of a number decides what a number is."""
    try:
        values = _NUMBERS.validate_python(from_json(b"[" + text + b"]", allow_inf_nan=False))
    except ValueError:
        raise InvalidInputError("malformed", detail=_NEITHER) from None
    if len(values) != len(names):
        if not all(type(value) in {int, float} for value in values):  # a word such as null is no short row
            raise InvalidInputError("malformed", detail=_NEITHER)
        raise InvalidInputError("malformed", detail=f"{len(values)} numbers, {len(names)} expected")
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
        raise to_input_error(error) from None


def parse_request(body: bytes | str) -> PredictionRequest:
    """The body of ``POST /predictions``. Raises ``Refusal``."""
    text = body.encode(errors="surrogatepass") if isinstance(body, str) else body
    try:
        request = PredictionRequest.model_validate_json(text)
    except ValidationError as error:
        raise to_input_error(error) from None
    asked = len(request.instances or ()) + (request.features is not None)
    if text.count(b'"') != 2 * (len(request.model_fields_set) + asked * len(FEATURES)):
        _refuse_duplicate_keys(text)
    if request.features is None and request.instances is None:
        raise InvalidInputError("missing:features", "features", "give either 'features' or 'instances'")
    if request.features is not None and request.instances is not None:
        raise InvalidInputError("unexpected_field", "instances", "give either 'features' or 'instances', not both")
    return request
