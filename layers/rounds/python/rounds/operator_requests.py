"""Requests that operators send to a function: validated, or rejected with a sentence that names the mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


class UnusableRequestError(ValueError):
    """The request is invalid.

    The command ``dwell`` recognises it by the class name, which Lambda returns as ``errorType`` beside the message:
    https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html
    """


def parse_request[Request: BaseModel](kind: type[Request], event: dict[str, Any]) -> Request:
    """Validate an event as a request of this kind. Raises ``UnusableRequestError``."""
    try:
        return kind.model_validate(event)
    except ValidationError as error:
        raise UnusableRequestError("; ".join(_describe(details) for details in error.errors())) from None


def with_error_message(message: str) -> WrapValidator:
    """Return a validator that replaces pydantic's error message; it has to be the last annotation of a type."""

    def validate(value: object, inner: ValidatorFunctionWrapHandler) -> object:
        try:
            return inner(value)
        except ValidationError:
            raise ValueError(message) from None

    return WrapValidator(validate)


def _describe(details: ErrorDetails) -> str:
    field = ".".join(str(part) for part in details["loc"] if part != "[key]")
    own_error = details.get("ctx", {}).get("error")  # the exception of one of our validators, without pydantic's prefix
    message = details["msg"] if own_error is None else str(own_error)
    return f"{field}: {message}" if field else message
