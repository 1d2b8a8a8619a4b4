"""Errors of the API, with SageMaker's codes and messages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class ApiError(Exception):
    """An error response: code, message, HTTP status and further members."""

    code: str
    message: str
    status: int = 400
    members: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class JobError(Exception):
    """A training job or an endpoint failed; the text is its ``FailureReason``."""


def invalid(message: str) -> ApiError:
    """The error for a request that violates a rule of the API."""
    return ApiError("ValidationException", message)


def broken_constraint(value: object, member: str, constraint: str) -> ApiError:
    """The error for a member with an invalid value; ``constraint`` says what is valid."""
    shown = "null" if value is None else f"'{value}'"
    return invalid(
        f"1 validation error detected: Value {shown} at '{member}' failed to satisfy constraint: {constraint}"
    )
