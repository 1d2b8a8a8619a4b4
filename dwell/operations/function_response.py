"""What a function answered that was asked by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_lambda.type_defs import InvocationResponseTypeDef

_UNUSABLE = "UnusableRequestError"
"""The functions' name for a request that makes no sense."""


class UnusableRequestError(ValueError):
    """The function says that the request makes no sense; the message is its own."""


def read_answer(
    answer: InvocationResponseTypeDef, function: str, *, failed: Callable[[str], Exception]
) -> dict[str, Any]:
    """The answer; the exception that ``failed`` makes of a sentence if the function failed.

    Raises ``UnusableRequestError`` if the request was at fault.
    """
    said: dict[str, Any] = json.loads(answer["Payload"].read())
    if not answer.get("FunctionError"):
        return said
    if said.get("errorType") == _UNUSABLE:
        raise UnusableRequestError(said["errorMessage"])
    raise failed(f"{function} cannot do it: {said.get('errorMessage', said)}")
