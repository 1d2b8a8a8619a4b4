"""The error for an invalid line or request: a short reason code for metrics and a detail for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails


@dataclass(eq=False)  # neither frozen nor slotted: `with` and `raise` write to an exception's own attributes
class InvalidInputError(Exception):
    """An invalid line or request.

    ``reason`` is a code from a bounded set, safe as a metric dimension: ``malformed``, ``empty``, ``too_long``,
    ``too_many_lines``, ``duplicate_key``, ``unexpected_field``, ``unknown_schema_version``, ``in_the_future``, or
    ``missing:<field>``, ``out_of_range:<field>``, ``wrong_type:<field>`` with a field of the contract. ``detail`` is
    for people. ``detail`` and ``field`` may contain a name that the sender chose, never a value. ``instance`` is the
    index of the invalid instance in a request, from 0.
    """

    reason: str
    field: str | None = None
    detail: str = ""
    instance: int | None = None

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


_NOT_AN_OBJECT = {"model_type", "model_attributes_type", "dict_type"}
_MALFORMED = {"json_invalid", "string_unicode", *_NOT_AN_OBJECT}
_OUT_OF_RANGE = {
    "greater_than",
    "greater_than_equal",
    "less_than",
    "less_than_equal",
    "finite_number",
    "int_parsing_size",
}
_LENGTHS = {"too_long", "too_short"}


def _get_field_name(details: ErrorDetails) -> str:
    """Return the last name of the error's path; names inside a prediction get the prefix ``prediction.``."""
    names = [part for part in details["loc"] if isinstance(part, str)]
    if len(names) >= 2 and names[-2] == "prediction":
        return f"prediction.{names[-1]}"
    return names[-1] if names else "body"


def _get_instance(details: ErrorDetails) -> int | None:
    match details["loc"]:
        case ("instances", int(index), *_):
            return index
        case _:
            return None


def _describe_length(limits: dict[str, int]) -> str:
    """Describe a wrong number of items. pydantic's text mentions tuples and validation, which senders do not know."""
    limit = f"at most {limits['max_length']}" if "max_length" in limits else f"at least {limits['min_length']}"
    return f"{limits['actual_length']} given, {limit}"


def _classify(details: ErrorDetails) -> InvalidInputError:
    kind, field = details["type"], _get_field_name(details)
    if kind in _MALFORMED and not (details["loc"] and kind in _NOT_AN_OBJECT):
        return InvalidInputError(
            "malformed", detail="not a JSON object" if kind in _NOT_AN_OBJECT else "not valid JSON"
        )
    if kind == "extra_forbidden":
        return InvalidInputError("unexpected_field", field[:64], f"no such field in the contract: {field[:64]!r}")
    if kind == "missing":
        return InvalidInputError(f"missing:{field}", field, "required, and not given")
    if field == "schema_version":
        return InvalidInputError("unknown_schema_version", field, details["msg"])
    if kind in _LENGTHS:
        return InvalidInputError(f"out_of_range:{field}", field, _describe_length(details["ctx"]))
    problem = "out_of_range" if kind in _OUT_OF_RANGE else "wrong_type"
    return InvalidInputError(f"{problem}:{field}", field, details["msg"])


def to_input_error(validation_error: ValidationError) -> InvalidInputError:
    """Convert a pydantic error, which may list several problems, to one ``InvalidInputError``.

    An unknown schema version takes precedence, since it explains all other problems; otherwise the first one counts.
    """
    errors = []
    for details in validation_error.errors(include_url=False, include_input=False):
        error = _classify(details)
        error.instance = _get_instance(details)
        errors.append(error)
    for error in errors:
        if error.reason == "unknown_schema_version":
            return error
    return errors[0]
