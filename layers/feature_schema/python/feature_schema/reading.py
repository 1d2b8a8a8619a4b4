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

from feature_schema import decoding
from feature_schema.decoding import NOT_DECODED, SHAPES
from feature_schema.description import FEATURES, TARGET, VERSION
from feature_schema.limits import (
    CLOCK_TOLERANCE,
    MAX_LINE_BYTES,
    UNKNOWN_SENDER,
    csv_sample_id,
    split_lines,
    time_text,
)
from feature_schema.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from feature_schema.sample import Sample

type Record = Any
"""An accepted sample: a struct with the fields of ``Sample``. What is null or absent is false, and ``recorded_at`` is
text as a row has it: UTC with milliseconds, ``2026-11-23T06:39:00.123Z``."""


class RefusedLine(NamedTuple):
    """A line that is no sample."""

    message: int
    """Number of its message, from 0."""
    position: int
    """Counts the lines of the message from 0."""
    line: bytes
    refusal: Refusal


class Reading(NamedTuple):
    """What messages hold, in the order of their lines. It is flat, since most messages hold one sample."""

    accepted: list[Record]
    ends: list[int]
    """For each message, where its records end in ``accepted``; they begin where those of the one before end."""
    refused: list[RefusedLine]


_SAMPLE = SHAPES["Sample"]
_FIELDS = {field["name"]: field for field in _SAMPLE["fields"]}
_ECHO = _FIELDS["prediction"]["shape"]
_PATTERNS = {
    field["shape"]["pattern"]
    for field in (*_SAMPLE["fields"], *_ECHO["fields"])
    if field["shape"]["kind"] == "text"
}  # fmt: skip

READS = decoding.is_known(_SAMPLE) and len(_PATTERNS) == 1
"""Whether lines can be read without pydantic. If the schema checks what no shape can tell, all are for its models."""


def _leave(_line: bytes) -> Record:
    """What decodes if nothing can."""
    raise msgspec.DecodeError


RECORD = decoding.struct("Record", _SAMPLE)
_FEATURES = decoding.struct("Features", SHAPES["Features"])
_decode = msgspec.json.Decoder(RECORD).decode if READS else _leave
_decode_row = msgspec.json.Decoder(decoding.row_struct("Row", SHAPES["Target"], SHAPES["Features"])).decode
_ROW_STARTS = re.compile(rb"-?[0-9]")
_FEATURE_NAMES = [feature.name for feature in FEATURES]
_encode_lines = msgspec.json.Encoder().encode_lines
_target = attrgetter(TARGET.name)


def read(messages: Sequence[bytes], arrived: Sequence[int], message_id: Callable[[int], str]) -> Reading:
    """Read messages. Never raises for what is in them.

    ``arrived`` is when the stream took each, in milliseconds since 1970. ``message_id`` answers the id of the message
    of that number, which gives ids to lines that carry none.
    """
    ends: list[int] = []
    lines: list[bytes] = []
    outcomes: list[Record | Refusal | None] = []  # of each line; none: still to be judged
    unread: list[int] = []
    for message in messages:
        try:
            own = split_lines(message) if b"\n" in message else [message]
        except Refusal as flood:
            unread.append(len(lines))
            outcomes.append(flood)
            lines.append(message)
        else:
            for line in own:
                try:
                    outcomes.append(_decode(line))
                except NOT_DECODED:
                    unread.append(len(outcomes))
                    outcomes.append(None)
            lines += own
        ends.append(len(lines))
    unread += _odd(outcomes, lines, set(unread), min(arrived, default=0))
    refused: list[RefusedLine] = []
    for index in sorted(unread):
        number = bisect_right(ends, index)
        position = index - (ends[number - 1] if number else 0)
        outcome = outcomes[index]
        if not isinstance(outcome, Refusal):
            outcomes[index] = outcome = _judged(lines[index], position, arrived[number], message_id(number))
        if isinstance(outcome, Refusal):
            refused.append(RefusedLine(number, position, lines[index], outcome))
    if refused:
        outcomes = [outcome for outcome in outcomes if not isinstance(outcome, Refusal)]
        of_message = Counter(one.message for one in refused)
        gone = accumulate(of_message[number] for number in range(len(ends)))
        ends = [end - before for end, before in zip(ends, gone, strict=True)]
    return Reading(outcomes, ends, refused)


def time_of(arrived: int) -> datetime:
    """Milliseconds since 1970 as an aware time."""
    return datetime.fromtimestamp(arrived / 1000, UTC)


def _judged(line: bytes, position: int, arrived: int, message_id: str) -> Record | Refusal:
    """What a single line is, by the decoder of rows if it is one, else by the models."""
    received_at = time_of(arrived)
    if READS and _ROW_STARTS.match(line) and len(line) <= MAX_LINE_BYTES and time_text(received_at) >= _EARLIEST:
        with suppress(*NOT_DECODED):
            return _row_record(_decode_row(b"[%b]" % line), csv_sample_id(message_id, position), received_at)
    from feature_schema.line import parse_line  # noqa: PLC0415 (pydantic: only for a line that is odd or wrong)

    try:
        return record(parse_line(line, message_id=message_id, position=position, received_at=received_at))
    except Refusal as refused:
        return refused


def record(sample: Sample) -> Record:
    """A sample that the models accepted, as a record."""
    return msgspec.convert({**sample.model_dump(), "recorded_at": time_text(sample.recorded_at)}, RECORD)


def _row_record(values: Any, sample_id: str, received_at: datetime) -> Record:
    target, *features = astuple(values)
    return RECORD(
        **{TARGET.name: target},
        sample_id=sample_id,
        robot_id=UNKNOWN_SENDER,
        fc_id=UNKNOWN_SENDER,
        recorded_at=time_text(received_at),
        schema_version=VERSION,
        features=_FEATURES(**dict(zip(_FEATURE_NAMES, features, strict=True))),
    )


# --- what a decoder leaves open --------------------------------------------------------------------------------

_NAMES = [field["name"] for field in _SAMPLE["fields"] if field["shape"]["kind"] == "text"]
_names: Callable[[Record], tuple[str, ...]] = attrgetter(*(_NAMES or ("sample_id", "robot_id")))
_IDS = re.compile("".join(f"(?:{pattern[1:-1]},)*" for pattern in _PATTERNS))
_EARLIEST = _FIELDS["recorded_at"]["shape"].get("ge", "")
_BARE_QUOTES = decoding.quotes(_SAMPLE)
_ECHO_QUOTES = decoding.field_quotes(_FIELDS["prediction"])
_ANY_TIME = b"0000-00-00T00:00:00.000Z,"
_AS_ZEROS = bytes.maketrans(b"123456789", b"000000000")


def _odd(outcomes: list[Any], lines: list[bytes], unread: set[int], arrived: int) -> Iterator[int]:
    """The decoded lines that are not plain, which means nothing yet. Halves what has some until they are alone."""
    latest = time_text(time_of(arrived) + CLOCK_TOLERANCE)
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
    except NOT_DECODED:
        return False
    return min(texts) >= _EARLIEST and max(texts) <= latest


# --- rows ------------------------------------------------------------------------------------------------------


def rows(records: Sequence[Record]) -> list[bytes]:
    """Records as rows of a dataset: CSV without newline, columns as ``description.ROW``, absent cells empty."""
    text = _encode_lines([_cells(record) for record in records]).translate(None, b'[]"')
    return text.split(b"\n")[:-1]


def _cells(record: Record) -> tuple[Any, ...]:
    """The cells of a row, nested as it comes: their JSON without brackets and quotation marks is CSV."""
    echo = record.prediction
    return (
        _target(record),
        astuple(record.features),
        record.sample_id,
        record.robot_id,
        record.fc_id,
        record.recorded_at,
        *((_target(echo), echo.expected_error or "", echo.model or "") if echo else ("", "", "")),
        record.schema_version,
    )
