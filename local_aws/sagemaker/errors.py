"""Answers other than success, as the service words them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class ApiError(Exception):
    """A refusal that the caller sees: the error's code, sentence, HTTP status and further members."""

    code: str
    message: str
    status: int = 400
    members: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class JobError(Exception):
    """A training job or an endpoint cannot go on; the text is its ``FailureReason``."""


def invalid(message: str) -> ApiError:
    """The request breaks a rule of the API."""
    return ApiError("ValidationException", message)


def broken_constraint(value: object, member: str, constraint: str) -> ApiError:
    """One member of the request has a value that it must not have; ``constraint`` says what it must be."""
    shown = "null" if value is None else f"'{value}'"
    return invalid(
        f"1 validation error detected: Value {shown} at '{member}' failed to satisfy constraint: {constraint}"
    )
