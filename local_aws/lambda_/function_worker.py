"""What runs inside one execution environment of a function: a process of its own that answers one event after another.

It is started as a plain script (``python -P``, so that nothing of this repository is importable) with the descriptor
of its answers, the handler and the path to search. Events come as JSON lines on stdin. What the handler prints goes to
the log pipe (stdout and stderr), ended by a marker line, so that the log of an event is exactly what it wrote.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

END_OF_LOG = "\x1eend-of-log"


@dataclass(frozen=True)
class Context:
    """The context object of a Python function."""

    aws_request_id: str
    invoked_function_arn: str
    deadline: float
    """When the function is stopped, in epoch seconds."""
    function_name: str = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "")
    function_version: str = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
    memory_limit_in_mb: str = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
    log_group_name: str = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME", "")
    log_stream_name: str = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME", "")
    identity: None = None
    client_context: None = None

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function is stopped."""
        return max(0, int((self.deadline - time.time()) * 1000))


def main(answers: TextIO, handler_name: str, path: list[str]) -> None:
    """Import the handler, then answer events until stdin closes."""
    sys.path[:0] = path
    module, _, name = handler_name.replace("/", ".").rpartition(".")
    try:
        handler = getattr(importlib.import_module(module), name)
    except BaseException as error:  # noqa: BLE001 (whatever a module raises, SystemExit too, is the answer)
        kind = type(error).__name__
        if isinstance(error, ImportError):
            kind = "Runtime.ImportModuleError"
        elif isinstance(error, AttributeError):
            kind = "Runtime.HandlerNotFound"
        _answer(answers, failure(error, kind))
        return
    _answer(answers, {"ready": True})
    for line in sys.stdin:
        message = json.loads(line)
        for variable, value in message["environment"].items():
            if value is None:
                os.environ.pop(variable, None)
            else:
                os.environ[variable] = value
        context = Context(message["request_id"], message["arn"], message["deadline"])
        _answer(answers, invoke(handler, message["event"], context))


def invoke(handler: Callable[[Any, Context], Any], event: object, context: Context) -> dict[str, Any]:
    """``{"result": ...}`` or ``{"error": {errorMessage, errorType, stackTrace, requestId}}``."""
    try:
        result = handler(event, context)
    except Exception as error:  # noqa: BLE001 (whatever the handler raises is the answer)
        return failure(error, type(error).__name__, context.aws_request_id)
    try:
        if isinstance(result, bytes):  # the runtime passes it on as it is; whoever asked reads JSON
            result = json.loads(result)
        json.dumps(result)
    except (TypeError, ValueError) as error:
        return failure(error, "Runtime.MarshalError", context.aws_request_id)
    return {"result": result}


def failure(error: BaseException, kind: str, request_id: str = "") -> dict[str, Any]:
    """The answer for an exception, which is also logged, as the Lambda runtime does."""
    frames = traceback.format_tb(error.__traceback__)[1:]
    print(f"[ERROR] {kind}: {error}", "Traceback (most recent call last):", *frames, sep="\n")  # noqa: T201 (its log)
    return {
        "error": {"errorMessage": str(error), "errorType": kind, "requestId": request_id, "stackTrace": frames},
    }


def _answer(answers: TextIO, answer: dict[str, Any]) -> None:
    sys.stderr.flush()
    sys.stdout.flush()
    os.write(1, f"{END_OF_LOG}\n".encode())
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


if __name__ == "__main__":
    with os.fdopen(int(sys.argv[1]), "w", encoding="utf-8") as pipe:
        os.set_inheritable(pipe.fileno(), False)  # not for what the handler starts
        main(pipe, sys.argv[2], sys.argv[3:])
