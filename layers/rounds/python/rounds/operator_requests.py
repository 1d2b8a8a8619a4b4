"""Requests that somebody sends to a function by hand: read, or refused in a sentence that says what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


class UnusableRequestError(ValueError):
    """The request makes no sense. Whoever sent it knows it by this name, which Lambda tells beside the message."""


def parse_request[Request: BaseModel](kind: type[Request], event: dict[str, Any]) -> Request:
    """The request in an event. Raises ``UnusableRequestError``."""
    try:
        return kind.model_validate(event)
    except ValidationError as error:
        raise UnusableRequestError("; ".join(_sentence(fault) for fault in error.errors())) from None


def with_error_message(rule: str) -> WrapValidator:
    """What a person reads who breaks the rule, in place of a pattern. To stand last among the annotations of a type."""

    def judge(value: object, judged: ValidatorFunctionWrapHandler) -> object:
        try:
            return judged(value)
        except ValidationError:
            raise ValueError(rule) from None

    return WrapValidator(judge)


def _sentence(fault: ErrorDetails) -> str:
    place = ".".join(str(part) for part in fault["loc"] if part != "[key]")
    own_words = fault.get("ctx", {}).get("error")  # what one of our rules said, without what pydantic puts before it
    told = fault["msg"] if own_words is None else str(own_words)
    return f"{place}: {told}" if place else told
