"""Keys of the objects that Firehose writes: prefixes with ``!{namespace:value}`` expressions, and the suffix.

https://docs.aws.amazon.com/firehose/latest/dev/s3-prefixes.html
https://docs.aws.amazon.com/firehose/latest/dev/s3-object-name.html
"""

from __future__ import annotations

import re
import secrets
import string
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_EXPRESSION = re.compile(r"!\{(?P<namespace>[^:}]*):(?P<value>[^}]*)\}")
_RUN = re.compile(r"'(?P<quoted>(?:[^']|'')*)'|(?P<letters>(?P<letter>[A-Za-z])(?P=letter)*)|(?P<other>[^'])")
_DEFAULT_TIME = "yyyy/MM/dd/HH/"
_SHORT_NAME_WIDTH = 3
"""``MMM`` and ``EEE`` are short names, ``MMMM`` and ``EEEE`` full ones."""


class PrefixError(ValueError):
    """Firehose would refuse a prefix, or an expression is not emulated."""


def check_prefixes(prefix: str, error_prefix: str | None) -> None:
    """Raise ``PrefixError`` if Firehose would refuse this pair of prefixes."""
    if error_prefix is None and "!{" in prefix:
        raise PrefixError("ErrorOutputPrefix is required when Prefix contains an expression")
    if "!{firehose:error-output-type}" in prefix:
        raise PrefixError("Prefix must not contain !{firehose:error-output-type}")
    if error_prefix is not None and "!{" in error_prefix and "!{firehose:error-output-type}" not in error_prefix:
        raise PrefixError("an ErrorOutputPrefix with expressions must contain !{firehose:error-output-type}")
    for template in (prefix, error_prefix or ""):
        if "!{" in _EXPRESSION.sub("", template):
            raise PrefixError(f"{template!r} has a !{{ that is not part of an expression")
        for expression in _EXPRESSION.finditer(template):
            _check_expression(expression["namespace"], expression["value"])


def data_prefix(prefix: str, when: datetime) -> str:
    """``prefix`` evaluated at ``when``; year, month, day and hour are appended if it has no timestamp expression."""
    return _expand(prefix, when, "") + ("" if "!{timestamp:" in prefix else format_time(_DEFAULT_TIME, when))


def failure_prefix(error_prefix: str | None, prefix: str, when: datetime, output_type: str) -> str:
    """The prefix of failed records; without ``error_prefix``, ``prefix`` followed by type and time."""
    if error_prefix is None:
        return f"{prefix}{output_type}/{format_time(_DEFAULT_TIME, when)}"
    return _expand(error_prefix, when, output_type)


def object_suffix(stream_name: str, version: int, when: datetime, unique: str, extension: str) -> str:
    """The key after the prefix: ``<stream>-<version>-<year>-...-<second>-<uuid><extension>``."""
    return f"{stream_name}-{version}-{format_time('yyyy-MM-dd-HH-mm-ss', when)}-{unique}{extension}"


def format_time(pattern: str, when: datetime) -> str:
    """``when`` in a pattern of Java's DateTimeFormatter, which may contain quoted text. Raises ``PrefixError``."""
    position, parts = 0, []
    while position < len(pattern):
        run = _RUN.match(pattern, position)
        if run is None:
            raise PrefixError(f"{pattern!r} has a quote that is not closed")
        position = run.end()
        if run["quoted"] is not None:
            parts.append(run["quoted"].replace("''", "'") or "'")
        elif run["letters"]:
            parts.append(_field(run["letter"], len(run["letters"]), when))
        else:
            parts.append(run["other"])
    return "".join(parts)


def _field(letter: str, width: int, when: datetime) -> str:
    if letter in "yu" and width == 2:
        return f"{when.year % 100:02d}"
    if letter in "ML" and width >= _SHORT_NAME_WIDTH:
        return when.strftime("%b" if width == _SHORT_NAME_WIDTH else "%B")
    if letter == "E":
        return when.strftime("%a" if width <= _SHORT_NAME_WIDTH else "%A")
    if letter == "a":
        return when.strftime("%p")
    if letter not in _NUMBERS:
        raise PrefixError(f"the timestamp letter {letter!r} is not emulated")
    return str(_NUMBERS[letter](when)).zfill(width)


_NUMBERS: dict[str, Callable[[datetime], int]] = {
    "y": lambda when: when.year,
    "u": lambda when: when.year,
    "M": lambda when: when.month,
    "L": lambda when: when.month,
    "d": lambda when: when.day,
    "D": lambda when: when.timetuple().tm_yday,
    "H": lambda when: when.hour,
    "h": lambda when: (when.hour - 1) % 12 + 1,
    "m": lambda when: when.minute,
    "s": lambda when: when.second,
}


def _check_expression(namespace: str, value: str) -> None:
    if namespace == "firehose" and value in ("error-output-type", "random-string"):
        return
    if namespace != "timestamp":
        raise PrefixError(f"the expression !{{{namespace}:{value}}} is not emulated")
    format_time(value, datetime(2000, 1, 1, tzinfo=UTC))  # a pattern is valid for every time or for none


def _expand(template: str, when: datetime, output_type: str) -> str:
    def value_of(expression: re.Match[str]) -> str:
        if expression["namespace"] == "timestamp":
            return format_time(expression["value"], when)
        if expression["value"] == "random-string":
            return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(11))
        return output_type

    return _EXPRESSION.sub(value_of, template)
