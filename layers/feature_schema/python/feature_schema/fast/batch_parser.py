"""Parses batches of messages without pydantic, with the same results as ``feature_schema.parser``.

Each line is decoded alone (``decoders``). Ids, times and duplicate keys, which decoders do not check, are checked for
all decoded lines of a batch together. A line that fails any step goes to ``parse_line``, which accepts it or raises
``InvalidInputError``. Results are therefore always those of ``parse_line``, and only unusual or invalid lines are slow.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from itertools import accumulate
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import UnsetType
from msgspec.structs import astuple

from feature_schema.errors import InvalidInputError
from feature_schema.fast import decoders
from feature_schema.fast.decoders import DECODE_ERRORS, SHAPES
from feature_schema.fields import FEATURES, TARGET, VERSION
from feature_schema.limits import (
    MAX_CLOCK_SKEW,
    MAX_LINE_BYTES,
    UNKNOWN_SENDER,
    derive_csv_sample_id,
    format_time,
    split_lines,
)
from feature_schema.rows import RECORD_TYPE, to_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from feature_schema.rows import Record


class InvalidLine(NamedTuple):
    """A line that is no sample."""

    message: int
    """Index of its message, from 0."""
    position: int
    """Index of the line in its message, from 0."""
    line: bytes
    error: InvalidInputError


class ParsedBatch(NamedTuple):
    """The samples and invalid lines of messages, in order. Not nested by message, since most messages have one line."""

    accepted: list[Record]
    ends: list[int]
    """For each message, the end of its records in ``accepted``; they start at the end of the previous message."""
    rejected: list[InvalidLine]


_SAMPLE = SHAPES["Sample"]
_FIELDS = {field["name"]: field for field in _SAMPLE["fields"]}
_PREDICTION = _FIELDS["prediction"]["shape"]
_PATTERNS = {
    field["shape"]["pattern"]
    for field in (*_SAMPLE["fields"], *_PREDICTION["fields"])
    if field["shape"]["kind"] == "text"
}  # fmt: skip
_MIN_TIMES = {
    field["shape"]["ge"] for field in (*_SAMPLE["fields"], *_PREDICTION["fields"]) if field["shape"]["kind"] == "time"
}

IS_DECODABLE = decoders.is_decodable(_SAMPLE) and len(_PATTERNS) == len(_MIN_TIMES) == 1
"""Whether lines can be parsed without pydantic. If not, the schema has a check that no shape can express."""


def _fail(_line: bytes) -> Record:
    """Stand in for the decoder of a schema that is not decodable."""
    raise msgspec.DecodeError


_decode = msgspec.json.Decoder(RECORD_TYPE).decode if IS_DECODABLE else _fail
_decode_row = msgspec.json.Decoder(decoders.build_row_struct("Row", SHAPES["Target"], SHAPES["Features"])).decode
_features_type = decoders.build_struct("Features", SHAPES["Features"])
_ROW_START = re.compile(rb"-?[0-9]")
_FEATURE_NAMES = [feature.name for feature in FEATURES]


def parse_batch(
    messages: Sequence[bytes], arrived_at: Sequence[int], get_message_id: Callable[[int], str]
) -> ParsedBatch:
    """Parse the lines of all messages. Never raises for their content.

    ``arrived_at`` has the arrival of each message in the stream, in milliseconds since 1970. ``get_message_id`` returns
    the id of a message by its index; ids of CSV rows derive from it.
    """
    ends: list[int] = []
    lines: list[bytes] = []
    results: list[Record | InvalidInputError | None] = []  # of each line; None: not parsed yet
    remaining: list[int] = []
    for message in messages:
        try:
            message_lines = split_lines(message) if b"\n" in message else [message]
        except InvalidInputError as error:
            remaining.append(len(lines))
            results.append(error)
            lines.append(message)
        else:
            for line in message_lines:
                try:
                    results.append(_decode(line))
                except DECODE_ERRORS:
                    remaining.append(len(results))
                    results.append(None)
            lines += message_lines
        ends.append(len(lines))
    remaining += _find_unusual(results, lines, set(remaining), min(arrived_at, default=0))
    rejected: list[InvalidLine] = []
    for index in sorted(remaining):
        message_index = bisect_right(ends, index)
        position = index - (ends[message_index - 1] if message_index else 0)
        result = results[index]
        if not isinstance(result, InvalidInputError):
            message_id = get_message_id(message_index)
            results[index] = result = _parse_line(lines[index], position, arrived_at[message_index], message_id)
        if isinstance(result, InvalidInputError):
            rejected.append(InvalidLine(message_index, position, lines[index], result))
    if rejected:
        results = [result for result in results if not isinstance(result, InvalidInputError)]
        counts = Counter(line.message for line in rejected)
        rejected_before = accumulate(counts[message_index] for message_index in range(len(ends)))
        ends = [end - count for end, count in zip(ends, rejected_before, strict=True)]
    return ParsedBatch(results, ends, rejected)


def to_datetime(milliseconds: int) -> datetime:
    """Convert milliseconds since 1970 to an aware time."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _parse_line(line: bytes, position: int, arrived_at: int, message_id: str) -> Record | InvalidInputError:
    """Parse a single line: as a CSV row with its decoder, or else with the models."""
    received_at = to_datetime(arrived_at)
    is_row = _ROW_START.match(line) and len(line) <= MAX_LINE_BYTES
    if IS_DECODABLE and is_row and format_time(received_at) >= _MIN_TIME:
        with suppress(*DECODE_ERRORS):
            return _build_record(_decode_row(b"[%b]" % line), derive_csv_sample_id(message_id, position), received_at)
    from feature_schema.parser import parse_line  # noqa: PLC0415 (imports pydantic, needed for few lines only)

    try:
        return to_record(parse_line(line, message_id=message_id, position=position, received_at=received_at))
    except InvalidInputError as error:
        return error


def _build_record(row: Any, sample_id: str, received_at: datetime) -> Record:
    target, *features = astuple(row)
    return RECORD_TYPE(
        **{TARGET.name: target},
        sample_id=sample_id,
        robot_id=UNKNOWN_SENDER,
        fc_id=UNKNOWN_SENDER,
        recorded_at=format_time(received_at),
        schema_version=VERSION,
        features=_features_type(**dict(zip(_FEATURE_NAMES, features, strict=True))),
    )


# --- checks that decoders leave out ----------------------------------------------------------------------------

_ID_FIELDS = [field["name"] for field in _SAMPLE["fields"] if field["shape"]["kind"] == "text"]
_get_ids: Callable[[Record], tuple[str, ...]] = attrgetter(*(_ID_FIELDS or ("sample_id", "robot_id")))
_COMMA_SEPARATED_IDS = re.compile("".join(f"(?:{pattern[1:-1]},)*" for pattern in _PATTERNS))
_MIN_TIME = _FIELDS["recorded_at"]["shape"].get("ge", "")
_SAMPLE_QUOTES = decoders.count_quotes(_SAMPLE)
_PREDICTION_QUOTES = decoders.count_field_quotes(_FIELDS["prediction"])
_OPTIONAL_QUOTES: dict[type, int] = {str: 4, float: 2, type(None): 2, UnsetType: 0}
"""Quotation marks around key and value of an optional field, by the type of its decoded value."""
_TIME_WITH_ZEROS = b"0000-00-00T00:00:00.000Z,"
_DIGITS_TO_ZEROS = bytes.maketrans(b"123456789", b"000000000")


def _find_unusual(results: list[Any], lines: list[bytes], remaining: set[int], arrived_at: int) -> Iterator[int]:
    """Yield the indexes of decoded lines that fail ``_are_plain``, by halving parts that fail until they have one line.

    Such a line is not necessarily invalid. ``remaining`` are the lines that were not decoded.
    """
    max_time = format_time(to_datetime(arrived_at) + MAX_CLOCK_SKEW)
    parts: list[Sequence[int]] = [range(len(results))]
    if remaining:
        parts = [[index for index in parts[0] if index not in remaining]]
    while parts:
        part = parts.pop()
        is_full = len(part) == len(results)
        records = results if is_full else [results[index] for index in part]
        if _are_plain(records, lines if is_full else [lines[index] for index in part], max_time):
            continue
        if len(part) == 1:
            yield part[0]
        else:
            middle = len(part) // 2
            parts += (part[:middle], part[middle:])


def _are_plain(records: list[Record], lines: list[bytes], max_time: str) -> bool:
    """Return whether all ids match the pattern, all times have the format of a row, and no key is duplicate.

    A line without escapes has exactly the quotation marks around its keys and strings. A duplicate key or an escape
    only adds some, so the sums over all lines are equal only if the numbers of each line are. An empty string is
    neither an id nor a time.
    """
    if not records:
        return True
    ids: list[str] = []
    times = [record.recorded_at for record in records]
    quotes = 0
    for record in records:
        ids += _get_ids(record)
        prediction = record.prediction
        quotes += _SAMPLE_QUOTES
        if prediction:
            model, asked_at = prediction.model, prediction.asked_at
            if isinstance(model, str):
                ids.append(model)
            if isinstance(asked_at, str):
                times.append(asked_at)
            quotes += (
                _PREDICTION_QUOTES
                + _OPTIONAL_QUOTES[type(model)]
                + _OPTIONAL_QUOTES[type(asked_at)]
                + _OPTIONAL_QUOTES[type(prediction.expected_error)]
            )
        elif prediction is None:
            quotes += 2
    return (
        max(map(len, lines)) <= MAX_LINE_BYTES
        and b"".join(lines).count(b'"') == quotes
        and _are_plain_times(times, max_time)
        and _are_ids(ids)
    )


def _are_ids(texts: list[str]) -> bool:
    joined = ",".join(texts) + ","
    return joined.count(",") == len(texts) and _COMMA_SEPARATED_IDS.fullmatch(joined) is not None


def _are_plain_times(texts: list[str], max_time: str) -> bool:
    """Return whether all texts are times in the format of a row, which sort like times, and within the bounds."""
    if ",".join(texts).encode().translate(_DIGITS_TO_ZEROS) != (_TIME_WITH_ZEROS * len(texts))[:-1]:
        return False
    try:
        msgspec.convert(texts, list[datetime])
    except DECODE_ERRORS:
        return False
    return min(texts) >= _MIN_TIME and max(texts) <= max_time
