"""Reading many messages fast: what the models of ``sample`` accept, in bulk and without pydantic.

Each line is decoded by itself (``decoding``). What a decoder leaves open is then checked on all decoded lines at once:
ids, times, and that no key stood twice. Whatever line fails anything goes to ``parse_line``, whose word is final: it
accepts the line after all, or says why not. So both always agree, and only a line that is odd or wrong is slow.
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
from msgspec import UNSET
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
    """Number of its message, from 0."""
    position: int
    """Counts the lines of the message from 0."""
    line: bytes
    error: InvalidInputError


class ParsedBatch(NamedTuple):
    """What messages hold, in the order of their lines. It is flat, since most messages hold one sample."""

    accepted: list[Record]
    ends: list[int]
    """For each message, where its records end in ``accepted``; they begin where those of the one before end."""
    rejected: list[InvalidLine]


_SAMPLE = SHAPES["Sample"]
_FIELDS = {field["name"]: field for field in _SAMPLE["fields"]}
_ECHO = _FIELDS["prediction"]["shape"]
_PATTERNS = {
    field["shape"]["pattern"]
    for field in (*_SAMPLE["fields"], *_ECHO["fields"])
    if field["shape"]["kind"] == "text"
}  # fmt: skip

IS_DECODABLE = decoders.is_decodable(_SAMPLE) and len(_PATTERNS) == 1
"""Whether lines can be read without pydantic. If the schema checks what no shape can tell, all are for its models."""


def _leave(_line: bytes) -> Record:
    """What decodes if nothing can."""
    raise msgspec.DecodeError


_FEATURES = decoders.build_struct("Features", SHAPES["Features"])
_decode = msgspec.json.Decoder(RECORD_TYPE).decode if IS_DECODABLE else _leave
_decode_row = msgspec.json.Decoder(decoders.build_row_struct("Row", SHAPES["Target"], SHAPES["Features"])).decode
_ROW_STARTS = re.compile(rb"-?[0-9]")
_FEATURE_NAMES = [feature.name for feature in FEATURES]


def parse_batch(messages: Sequence[bytes], arrived: Sequence[int], message_id: Callable[[int], str]) -> ParsedBatch:
    """Read messages. Never raises for what is in them.

    ``arrived`` is when the stream took each, in milliseconds since 1970. ``message_id`` answers the id of the message
    of that number, which gives ids to lines that carry none.
    """
    ends: list[int] = []
    lines: list[bytes] = []
    outcomes: list[Record | InvalidInputError | None] = []  # of each line; none: still to be judged
    unread: list[int] = []
    for message in messages:
        try:
            own = split_lines(message) if b"\n" in message else [message]
        except InvalidInputError as flood:
            unread.append(len(lines))
            outcomes.append(flood)
            lines.append(message)
        else:
            for line in own:
                try:
                    outcomes.append(_decode(line))
                except DECODE_ERRORS:
                    unread.append(len(outcomes))
                    outcomes.append(None)
            lines += own
        ends.append(len(lines))
    unread += _odd(outcomes, lines, set(unread), min(arrived, default=0))
    rejected: list[InvalidLine] = []
    for index in sorted(unread):
        number = bisect_right(ends, index)
        position = index - (ends[number - 1] if number else 0)
        outcome = outcomes[index]
        if not isinstance(outcome, InvalidInputError):
            outcomes[index] = outcome = _judged(lines[index], position, arrived[number], message_id(number))
        if isinstance(outcome, InvalidInputError):
            rejected.append(InvalidLine(number, position, lines[index], outcome))
    if rejected:
        outcomes = [outcome for outcome in outcomes if not isinstance(outcome, InvalidInputError)]
        of_message = Counter(one.message for one in rejected)
        gone = accumulate(of_message[number] for number in range(len(ends)))
        ends = [end - before for end, before in zip(ends, gone, strict=True)]
    return ParsedBatch(outcomes, ends, rejected)


def to_datetime(arrived: int) -> datetime:
    """Milliseconds since 1970 as an aware time."""
    return datetime.fromtimestamp(arrived / 1000, UTC)


def _judged(line: bytes, position: int, arrived: int, message_id: str) -> Record | InvalidInputError:
    """What a single line is, by the decoder of rows if it is one, else by the models."""
    received_at = to_datetime(arrived)
    if (
        IS_DECODABLE
        and _ROW_STARTS.match(line)
        and len(line) <= MAX_LINE_BYTES
        and format_time(received_at) >= _EARLIEST
    ):
        with suppress(*DECODE_ERRORS):
            return _row_record(_decode_row(b"[%b]" % line), derive_csv_sample_id(message_id, position), received_at)
    from feature_schema.parser import parse_line  # noqa: PLC0415 (imports pydantic, needed for invalid or unusual lines only)

    try:
        return to_record(parse_line(line, message_id=message_id, position=position, received_at=received_at))
    except InvalidInputError as refused:
        return refused


def _row_record(values: Any, sample_id: str, received_at: datetime) -> Record:
    target, *features = astuple(values)
    return RECORD_TYPE(
        **{TARGET.name: target},
        sample_id=sample_id,
        robot_id=UNKNOWN_SENDER,
        fc_id=UNKNOWN_SENDER,
        recorded_at=format_time(received_at),
        schema_version=VERSION,
        features=_FEATURES(**dict(zip(_FEATURE_NAMES, features, strict=True))),
    )


# --- what a decoder leaves open --------------------------------------------------------------------------------

_NAMES = [field["name"] for field in _SAMPLE["fields"] if field["shape"]["kind"] == "text"]
_names: Callable[[Record], tuple[str, ...]] = attrgetter(*(_NAMES or ("sample_id", "robot_id")))
_IDS = re.compile("".join(f"(?:{pattern[1:-1]},)*" for pattern in _PATTERNS))
_EARLIEST = _FIELDS["recorded_at"]["shape"].get("ge", "")
_BARE_QUOTES = decoders.count_quotes(_SAMPLE)
_ECHO_QUOTES = decoders.count_field_quotes(_FIELDS["prediction"])
_ANY_TIME = b"0000-00-00T00:00:00.000Z,"
_AS_ZEROS = bytes.maketrans(b"123456789", b"000000000")


def _odd(outcomes: list[Any], lines: list[bytes], unread: set[int], arrived: int) -> Iterator[int]:
    """The decoded lines that are not plain, which means nothing yet. Halves what has some until they are alone."""
    latest = format_time(to_datetime(arrived) + MAX_CLOCK_SKEW)
    parts: list[Sequence[int]] = [range(len(outcomes))]
    if unread:
        parts = [[index for index in parts[0] if index not in unread]]
    while parts:
        part = parts.pop()
        whole = len(part) == len(outcomes)
        records = outcomes if whole else [outcomes[index] for index in part]
        if _all_plain(records, lines if whole else [lines[index] for index in part], latest):
            continue
        if len(part) == 1:
            yield part[0]
        else:
            middle = len(part) // 2
            parts += (part[:middle], part[middle:])


def _all_plain(records: list[Record], lines: list[bytes], latest: str) -> bool:
    """Whether all ids fit their pattern, all times are as a row has them, and every key stood once.

    Decoded text without escapes has as many quotation marks as its keys and texts need. A key that stands twice and an
    escape only ever add some, so that the sums are equal only if each line's numbers are.
    """
    if not records:
        return True
    ids: list[str] = []
    quotes = 0
    for record in records:
        ids += _names(record)
        echo = record.prediction
        quotes += _BARE_QUOTES
        if echo:
            model = echo.model
            if model:
                ids.append(model)
                quotes += _ECHO_QUOTES + 4
            elif model is UNSET:
                quotes += _ECHO_QUOTES
            elif model is None:
                quotes += _ECHO_QUOTES + 2
            else:
                return False  # empty
            if echo.expected_error is not UNSET:
                quotes += 2
        elif echo is None:
            quotes += 2
    return (
        max(map(len, lines)) <= MAX_LINE_BYTES
        and b"".join(lines).count(b'"') == quotes
        and _are_plain_times([record.recorded_at for record in records], latest)
        and _are_ids(ids)
    )


def _are_ids(texts: list[str]) -> bool:
    joined = ",".join(texts) + ","
    return joined.count(",") == len(texts) and _IDS.fullmatch(joined) is not None


def _are_plain_times(texts: list[str], latest: str) -> bool:
    """Whether all are times as a row has them, and neither too early nor after ``latest``: such texts sort as times."""
    if ",".join(texts).encode().translate(_AS_ZEROS) != (_ANY_TIME * len(texts))[:-1]:
        return False
    try:
        msgspec.convert(texts, list[datetime])
    except DECODE_ERRORS:
        return False
    return min(texts) >= _EARLIEST and max(texts) <= latest
