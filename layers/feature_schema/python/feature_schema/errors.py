"""Why something was refused: a short code that a metric can count and a person can act on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails


@dataclass(eq=False)  # neither frozen nor slotted: `with` and `raise` write to an exception's own attributes
class InvalidInputError(Exception):
    """A refused line or request.

    ``reason`` is a code from a bounded set, safe as a metric dimension: ``malformed``, ``empty``, ``too_long``,
    ``too_many_lines``, ``duplicate_key``, ``unexpected_field``, ``unknown_schema_version``, ``in_the_future``, or
    ``missing:<field>``, ``out_of_range:<field>``, ``wrong_type:<field>`` with a field of the contract. ``detail`` is
    for a person. Both it and ``field`` may hold a name that the sender chose, never a value. ``instance`` says which of
    a request's instances it is about, counted from 0.
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


def _field_name(error: ErrorDetails) -> str:
    """The last name on the error's path, qualified only where a feature or the sample itself does not own it."""
    names = [part for part in error["loc"] if isinstance(part, str)]
    if len(names) >= 2 and names[-2] == "prediction":
        return f"prediction.{names[-1]}"
    return names[-1] if names else "body"


def _instance(error: ErrorDetails) -> int | None:
    match error["loc"]:
        case ("instances", int(number), *_):
            return number
        case _:
            return None


def _length(limits: dict[str, int]) -> str:
    """What pydantic would say of a tuple and of a validation, in words about what was sent."""
    limit = f"at most {limits['max_length']}" if "max_length" in limits else f"at least {limits['min_length']}"
    return f"{limits['actual_length']} given, {limit}"


def _refusal(error: ErrorDetails) -> InvalidInputError:
    told = _fault(error)
    told.instance = _instance(error)
    return told


def _fault(error: ErrorDetails) -> InvalidInputError:
    kind, field = error["type"], _field_name(error)
    if kind in _MALFORMED and not (error["loc"] and kind in _NOT_AN_OBJECT):
        return InvalidInputError(
            "malformed", detail="not a JSON object" if kind in _NOT_AN_OBJECT else "not valid JSON"
        )
    if kind == "extra_forbidden":
        return InvalidInputError("unexpected_field", field[:64], f"no such field in the contract: {field[:64]!r}")
    if kind == "missing":
        return InvalidInputError(f"missing:{field}", field, "required, and not given")
    if field == "schema_version":
        return InvalidInputError("unknown_schema_version", field, error["msg"])
    if kind in _LENGTHS:
        return InvalidInputError(f"out_of_range:{field}", field, _length(error["ctx"]))
    fault = "out_of_range" if kind in _OUT_OF_RANGE else "wrong_type"
    return InvalidInputError(f"{fault}:{field}", field, error["msg"])


def to_input_error(error: ValidationError) -> InvalidInputError:
    """The one reason for a pydantic error: another schema version explains every other fault; else the first fault."""
    refusals = [_refusal(details) for details in error.errors(include_url=False, include_input=False)]
    for candidate in refusals:
        if candidate.reason == "unknown_schema_version":
            return candidate
    return refusals[0]
