"""The response of a function that an operator invoked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dwell.console.errors import InvalidUsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_lambda.type_defs import InvocationResponseTypeDef

_UNUSABLE = "UnusableRequestError"
"""Name of the functions' error for an invalid request (``rounds.UnusableRequestError``)."""


class UnusableRequestError(InvalidUsageError):
    """The function rejected the request as invalid; the message is the function's."""


def parse_response(
    response: InvocationResponseTypeDef, function: str, *, failed: Callable[[str], Exception]
) -> dict[str, Any]:
    """The JSON object that the function returned.

    Raises ``UnusableRequestError`` for an invalid request, and the error that ``failed`` builds from a message if the
    function failed.
    """
    payload: dict[str, Any] = json.loads(response["Payload"].read())
    if not response.get("FunctionError"):
        return payload
    if payload.get("errorType") == _UNUSABLE:
        raise UnusableRequestError(payload["errorMessage"])
    raise failed(f"{function} failed: {payload.get('errorMessage', payload)}")
