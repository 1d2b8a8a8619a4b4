"""Lambda functions run in environments of ours (``execution``).

What ministack's own do otherwise: wait 56 ms for a log line of a silent handler, unpack code and layers (and so compile
them) again for each environment, inherit the emulator's environment and import path, end an environment after every
exception, and name every error ``Runtime.HandlerError``. Nor do the attempts at one event have one request id.
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

CONCURRENCY = 2 * (os.cpu_count() or 1)
"""Environments of one function at work at once; further events wait. AWS starts hundreds, but a laptop that starts a
hundred interpreters at once answers nobody for a minute."""

_FUNCTIONS = "ministack.services.lambda_svc"
_event_id: contextvars.ContextVar[str] = contextvars.ContextVar("event_id")
"""The request id of an asynchronous event, which is the same in each of its attempts."""


def install() -> None:
    """Take the place of ministack's Python environments in its pool, and of what turns answers into responses."""
    hooks.find(
        "ministack.core.lambda_runtime", "Worker.__init__", arguments=("self", "func_name", "config", "code_zip")
    )
    hooks.find("ministack.core.lambda_runtime", "execution_credentials", arguments=("config",))
    hooks.find(_FUNCTIONS, "_resolve_layer_zip")
    from local_aws.lambda_.execution import Environment  # noqa: PLC0415 (imports names that were just checked)

    others = hooks.find("ministack.core.lambda_runtime", "_worker_class_for", arguments=("config",))

    def worker_class_for(config: dict[str, Any]) -> Any:
        return Environment if str(config.get("Runtime", "")).startswith("python") else others(config)

    hooks.replace("ministack.core.lambda_runtime", "_worker_class_for", worker_class_for)
    execute = hooks.find(_FUNCTIONS, "_execute_function_warm", arguments=("func", "event", "request_id"))
    hooks.replace(_FUNCTIONS, "_execute_function_warm", _executing(execute))
    retrying = hooks.find(_FUNCTIONS, "invoke_async_with_retry", arguments=("func", "event"))
    hooks.replace(_FUNCTIONS, "invoke_async_with_retry", _naming_the_event(retrying))
    dispatch = hooks.find(
        _FUNCTIONS, "_execute_function_dispatch", arguments=("func", "config", "event", "request_id", "started")
    )
    hooks.replace(_FUNCTIONS, "_execute_function_dispatch", _under_its_events_name(dispatch))


def _naming_the_event(retrying: Callable[..., None]) -> Callable[..., None]:
    def retry(func: dict[str, Any], event: object) -> None:
        token = _event_id.set(str(uuid.uuid4()))
        try:
            retrying(func, event)  # its thread copies the context
        finally:
            _event_id.reset(token)

    return retry


def _under_its_events_name(dispatch: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def execute(
        func: dict[str, Any], config: dict[str, Any], event: object, request_id: str, started: float
    ) -> dict[str, Any]:
        return dispatch(func, config, event, _event_id.get(request_id), started)

    return execute


def _executing(others: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    pool = "ministack.core.lambda_runtime"
    acquire = hooks.find(pool, "acquire_worker")
    release = hooks.find(pool, "release_worker", arguments=("worker",))
    reaper = hooks.find(_FUNCTIONS, "_ensure_reaper_thread", arguments=())
    trace = hooks.find(_FUNCTIONS, "_xray_trace_id_for_invocation")
    turns: defaultdict[str, threading.BoundedSemaphore] = defaultdict(lambda: threading.BoundedSemaphore(CONCURRENCY))

    def execute(func: dict[str, Any], event: object, request_id: str) -> dict[str, Any]:
        config = func.get("config") or func
        if not str(config.get("Runtime", "")).startswith("python"):
            return others(func, event, request_id)
        reaper()
        version = config.get("Version", "$LATEST")
        with turns[config["FunctionArn"]]:
            worker, _ = acquire(config["FunctionName"], config, func["code_zip"], qualifier=version)
            try:
                answer = worker.invoke(
                    event,
                    request_id,
                    trace_id=trace(config),
                    invoked_function_arn=config.get("FunctionArn", ""),
                )
            finally:
                release(worker)
        if "error" in answer:
            return {"body": answer["error"], "error": True, "log": answer["log"]}
        return {"body": answer["result"], "log": answer["log"]}

    return execute
