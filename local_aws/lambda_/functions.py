"""Lambda functions in Python run in the execution environments of this package (``execution``).

ministack's own environments wait 56 ms for a log line of a silent handler, unpack code and layers (and so compile them)
again each time, inherit this process's environment and import path, end after every exception, and name every error
``Runtime.HandlerError``. And ministack gives each attempt at an asynchronous event another request id.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
"""

from __future__ import annotations

import contextvars
import os
import threading
import uuid
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from local_aws import hooks

if TYPE_CHECKING:
    from collections.abc import Callable

    type Execute = Callable[[dict[str, Any], object, str], dict[str, Any]]

MAX_ENVIRONMENTS = 2 * (os.cpu_count() or 1)
"""Environments of one function at work at once; further events wait. AWS starts hundreds, but a machine with few cores
that starts a hundred interpreters at once stands still for a minute."""

FUNCTIONS = "ministack.services.lambda_svc"
POOL = "ministack.core.lambda_runtime"
_event_id: contextvars.ContextVar[str] = contextvars.ContextVar("event_id")
"""The request id of an asynchronous event, the same in all of its attempts."""


def install() -> None:
    """Put these environments into ministack's pool, and give an asynchronous event one request id."""
    hooks.find(POOL, "Worker.__init__", arguments=("self", "func_name", "config", "code_zip"))
    hooks.find(POOL, "execution_credentials", arguments=("config",))
    hooks.find(FUNCTIONS, "_resolve_layer_zip")
    from local_aws.lambda_.execution import Environment  # noqa: PLC0415 (imports names that were just checked)

    class_of_others = hooks.find(POOL, "_worker_class_for", arguments=("config",))

    def worker_class_for(config: dict[str, Any]) -> Any:
        return Environment if is_python(config) else class_of_others(config)

    hooks.replace(POOL, "_worker_class_for", worker_class_for)
    execute_others = hooks.find(FUNCTIONS, "_execute_function_warm", arguments=("func", "event", "request_id"))
    hooks.replace(FUNCTIONS, "_execute_function_warm", _executing(execute_others))
    retry = hooks.find(FUNCTIONS, "invoke_async_with_retry", arguments=("func", "event"))
    hooks.replace(FUNCTIONS, "invoke_async_with_retry", _with_one_event_id(retry))
    dispatch = hooks.find(
        FUNCTIONS, "_execute_function_dispatch", arguments=("func", "config", "event", "request_id", "started")
    )
    hooks.replace(FUNCTIONS, "_execute_function_dispatch", _with_event_id_as_request_id(dispatch))


def is_python(config: dict[str, Any]) -> bool:
    """Whether a function's runtime is Python."""
    return str(config.get("Runtime", "")).startswith("python")


def _with_one_event_id(retry: Callable[..., None]) -> Callable[..., None]:
    def retry_with_one_id(func: dict[str, Any], event: object) -> None:
        token = _event_id.set(str(uuid.uuid4()))
        try:
            retry(func, event)  # its thread copies the context
        finally:
            _event_id.reset(token)

    return retry_with_one_id


def _with_event_id_as_request_id(dispatch: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def dispatch_with_event_id(
        func: dict[str, Any], config: dict[str, Any], event: object, request_id: str, started: float
    ) -> dict[str, Any]:
        return dispatch(func, config, event, _event_id.get(request_id), started)

    return dispatch_with_event_id


def _executing(execute_others: Execute) -> Execute:
    acquire = hooks.find(POOL, "acquire_worker")
    release = hooks.find(POOL, "release_worker", arguments=("worker",))
    ensure_reaper = hooks.find(FUNCTIONS, "_ensure_reaper_thread", arguments=())
    get_trace_id = hooks.find(FUNCTIONS, "_xray_trace_id_for_invocation")
    slots: defaultdict[str, threading.BoundedSemaphore] = defaultdict(
        lambda: threading.BoundedSemaphore(MAX_ENVIRONMENTS)
    )

    def execute(func: dict[str, Any], event: object, request_id: str) -> dict[str, Any]:
        config = func.get("config") or func
        if not is_python(config):
            return execute_others(func, event, request_id)
        ensure_reaper()
        function_arn = config["FunctionArn"]
        with slots[function_arn]:
            environment, _ = acquire(
                config["FunctionName"], config, func["code_zip"], qualifier=config.get("Version", "$LATEST")
            )
            try:
                outcome = environment.invoke(
                    event, request_id, trace_id=get_trace_id(config), invoked_function_arn=function_arn
                )
            finally:
                release(environment)
        if "error" in outcome:
            return {"body": outcome["error"], "error": True, "log": outcome["log"]}
        return {"body": outcome["result"], "log": outcome["log"]}

    return execute
