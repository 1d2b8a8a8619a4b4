"""Injects faults into calls of AWS. Off unless ``LOCAL_AWS_FAULTS`` is set at the start.

``PUT /_local_aws/faults`` sets the rules (see ``local_aws.faults.rules``); ``GET /_local_aws/faults`` reports how often
each was applied. Rules apply only to calls signed under an IAM role (functions, Firehose, SageMaker), never to calls
with the account's keys.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local_aws import guardian, hooks
from local_aws.faults.responses import error_response
from local_aws.faults.rules import DELIVER, Rule, Rules, parse_rules

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    type Scope = dict[str, Any]
    type App = Callable[[Scope, Any, Any], Awaitable[None]]
    type Response = tuple[int, dict[str, str], Any]
    type Dispatch = Callable[[str, str, dict[str, str], bytes, dict[str, Any], str], Awaitable[Response]]

logger = logging.getLogger("local_aws.faults")

VARIABLE = "LOCAL_AWS_FAULTS"
PATH = "/_local_aws/faults"
DELIVERIES = "local_aws.lambda_.event_delivery"
MAPPINGS = "local_aws.lambda_.queue_mapping"
_ERROR_RESPONSES = frozenset({"throttled", "failed", "unavailable", "denied", "model_failed"})

_rules = Rules()
_client: contextvars.ContextVar[int] = contextvars.ContextVar("client")
"""The client's port of the current request."""
_failing_entries: contextvars.ContextVar[bool] = contextvars.ContextVar("failing_entries", default=False)


class DroppedError(Exception):
    """The connection must be closed without a response."""


def install() -> None:
    """Wrap the server, requests and deliveries, if ``LOCAL_AWS_FAULTS`` is set."""
    if not os.environ.get(VARIABLE):
        return
    for module, name in (
        ("ministack.app", "detect_service"),
        ("ministack.app", "extract_access_key_id"),
        ("ministack.app", "_routing_params"),
        ("ministack.core.iam_actions", "extract_iam_action"),
        ("ministack.services.sts", "_sessions"),
        ("hypercorn.protocol.http_stream", "ASGIHTTPState.CLOSED"),
    ):
        hooks.find(module, name)
    arguments = ("method", "path", "headers", "body", "query_params", "request_id")
    dispatch = hooks.find("ministack.app", "_dispatch_service_request", arguments=arguments)
    hooks.replace("ministack.app", "_dispatch_service_request", _injecting_faults(dispatch))
    put = hooks.find("ministack.services.kinesis", "_put_records", arguments=("data",))
    hooks.replace("ministack.services.kinesis", "_put_records", _failing_some_entries(put))
    invoke = hooks.find(DELIVERIES, "invoke", arguments=("function_arn", "event", "sender"))
    for module in (DELIVERIES, "local_aws.cloudwatch.actions"):
        hooks.replace(module, "invoke", _repeating(invoke))
    invoke_with_batch = hooks.find(MAPPINGS, "invoke", arguments=("func_rec", "event"))
    hooks.replace(MAPPINGS, "invoke", _repeating_batches(invoke_with_batch))
    serve = hooks.find("hypercorn.asyncio", "serve")

    async def serve_closing_connections(app: Any, config: Any, **options: Any) -> None:
        await serve(_closing_connections(app), config, **options)

    hooks.replace("hypercorn.asyncio", "serve", serve_closing_connections)


# --- the server -------------------------------------------------------------------------------------------------------


def _closing_connections(
    app: Callable[[Scope, Any, Any], Awaitable[None]],
) -> Callable[[Scope, Any, Any], Awaitable[None]]:
    async def serve(scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        if scope["path"] == PATH:
            await _control(scope, receive, send)
            return
        _client.set((scope.get("client") or ("", 0))[1])
        try:
            await app(scope, receive, send)
        except DroppedError:
            # The server closes the connection of a stream that is closed and has no response.
            send.__self__.state = hooks.find("hypercorn.protocol.http_stream", "ASGIHTTPState.CLOSED")

    return serve


async def _control(scope: Scope, receive: Any, send: Any) -> None:
    global _rules  # noqa: PLW0603 (one set of rules for the process)
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    status, content = 200, _rules.report()
    if scope["method"] == "PUT":
        try:
            _rules = parse_rules(json.loads(body or b"{}"))
        except ValueError as error:
            status, content = 400, {"error": [{"message": str(error)}]}
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(content).encode()})


# --- requests ---------------------------------------------------------------------------------------------------------


def _injecting_faults(dispatch: Dispatch) -> Dispatch:
    async def respond(  # noqa: PLR0917 (ministack's call)
        method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any], request_id: str
    ) -> Response:
        async def proceed() -> Response:
            return await dispatch(method, path, headers, body, query_params, request_id)

        caller = _role(headers, query_params) if _rules.rules else None
        if caller is None:
            return await proceed()
        parameters = hooks.find("ministack.app", "_routing_params")(method, path, headers, body, query_params)
        service = hooks.find("ministack.app", "detect_service")(method, path, headers, parameters)
        action = hooks.find("ministack.core.iam_actions", "extract_iam_action")(
            service, method, path, headers, body, parameters
        )
        rule = _rules.choose(caller, action or service)
        if rule is None:
            return await proceed()
        logger.info("%s: %s: %s", caller, action, rule.fault)
        if rule.fault in _ERROR_RESPONSES:
            return error_response(rule.fault, service, headers)
        return await _with_fault(rule, proceed)

    return respond


def _role(headers: dict[str, str], query_params: dict[str, Any]) -> str | None:
    """The name of the role whose session signed the request, or None."""
    key = hooks.find("ministack.app", "extract_access_key_id")(headers, query_params)
    arn = str(hooks.find("ministack.services.sts", "_sessions").get(key, {}).get("Arn", ""))
    return arn.split("/")[1] if ":assumed-role/" in arn else None


async def _with_fault(rule: Rule, proceed: Callable[[], Awaitable[Response]]) -> Response:
    match rule.fault:
        case "slow":
            await asyncio.sleep(rule.seconds)
        case "reset":
            raise DroppedError
        case "killed_before":
            _kill(_client.get())
            raise DroppedError
        case "partly_refused":
            _failing_entries.set(True)
        case "nonsense":
            return 200, {"Content-Type": "application/json"}, b'{"model": 3, "predictions": "many"}'
    status, headers, body = await proceed()
    match rule.fault:
        case "answer_lost":
            raise DroppedError
        case "killed_after":
            _kill(_client.get())
            raise DroppedError
        case "cut_in_half" if isinstance(body, bytes):
            kept = {
                name: value
                for name, value in headers.items()
                if name.lower() != "content-length" and "checksum" not in name.lower()
            }
            return status, kept, body[: len(body) // 2]
    return status, headers, body


def _kill(port: int) -> None:
    """Kill the function's process that sends from ``port``, and its subprocesses."""
    inode = _inode(port)
    for pid in guardian.processes_of(os.getpid()):
        folder = Path(f"/proc/{pid}")
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            if b"awslambdaric" not in (folder / "cmdline").read_bytes():
                continue
            if any(_target(link) == f"socket:[{inode}]" for link in (folder / "fd").iterdir()):
                os.killpg(pid, signal.SIGKILL)
                return
    logger.warning("no function's process has the port %d", port)


def _inode(port: int) -> str:
    """The inode of the socket with this local port, from Linux's table of sockets."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        columns = line.split()
        # a closed connection keeps its port for a minute, but has no inode
        if int(columns[1].rpartition(":")[2], 16) == port and columns[9] != "0":
            return columns[9]
    return ""


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:  # it has just been closed
        return ""


# --- entries of a stream, and events ----------------------------------------------------------------------------------


def _failing_some_entries(put: Callable[[dict[str, Any]], Response]) -> Callable[[dict[str, Any]], Response]:
    def put_some(data: dict[str, Any]) -> Response:
        if not _failing_entries.get():
            return put(data)
        records = data.get("Records", [])
        refused = {position for position in range(len(records)) if _rules.draw_share() < 0.5} or {0}
        kept = [record for position, record in enumerate(records) if position not in refused]
        status, headers, body = put({**data, "Records": kept})
        if status != 200:
            return status, headers, body
        response = json.loads(body)
        results = iter(response["Records"])
        error = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded for shard"}
        response["Records"] = [error if position in refused else next(results) for position in range(len(records))]
        response["FailedRecordCount"] = len(refused)
        return status, headers, json.dumps(response).encode()

    return put_some


def _repeating(invoke: Callable[..., None]) -> Callable[..., None]:
    def deliver(function_arn: str, event: dict[str, Any], sender: Any) -> None:
        rule = _rules.choose(function_arn.split(":")[6], DELIVER)
        if rule is None or rule.fault != "late":
            invoke(function_arn, event, sender)
        if rule is not None:
            context = contextvars.copy_context()
            delay = rule.seconds * _rules.draw_share()
            timer = threading.Timer(delay, context.run, args=(invoke, function_arn, event, sender))
            timer.daemon = True
            timer.start()

    return deliver


def _repeating_batches(invoke: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Delay a batch of a queue, or invoke with it twice: Lambda delivers messages, also of FIFO queues, at least once.

    https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
    """

    def invoke_with_faults(func_rec: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
        rule = _rules.choose((func_rec.get("config") or func_rec)["FunctionName"], DELIVER)
        if rule is not None and rule.fault == "late":
            time.sleep(rule.seconds * _rules.draw_share())
        result = invoke(func_rec, event)
        if rule is not None and rule.fault == "twice":
            result = invoke(func_rec, event)
        return result

    return invoke_with_faults
