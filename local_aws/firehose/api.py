"""Replaces ministack's delivery streams with a Kinesis source: each has a worker thread with buffers.

ministack transforms each record inside the PutRecords call. Delivery streams without a Kinesis source are ministack's.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from typing import TYPE_CHECKING, Any

from local_aws import hooks
from local_aws.firehose.delivery_stream import SERVICE, DeliveryStream
from local_aws.firehose.settings import InvalidSettingError, read_settings
from local_aws.iam import service_role

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    type Response = tuple[int, dict[str, str], bytes]
    type Operation = Callable[[dict[str, Any]], Response]

logger = logging.getLogger("local_aws.firehose")

FIREHOSE = "ministack.services.firehose"
RESOURCE_TYPE = "AWS::KinesisFirehose::DeliveryStream"
DELETE_SECONDS = 30.0
SHUTDOWN_SECONDS = 3.0
"""How long a deletion and the end of the process wait until all received records are delivered."""

_workers: dict[str, DeliveryStream] = {}
"""By the delivery stream's ARN."""


def install() -> None:
    """Replace the operations on delivery streams with a Kinesis source."""
    service_role.require()
    hooks.find(FIREHOSE, "_stream_arn", arguments=("name",))
    hooks.find(FIREHOSE, "_streams.get")
    hooks.find("ministack.services.kinesis", "_resolve_stream_by_arn", arguments=("stream_arn",))
    hooks.find("ministack.core.concurrency", "spawn_background")
    hooks.find("ministack.core.responses", "error_response_json")
    operations = hooks.find(FIREHOSE, "_HANDLERS")
    create: Operation = hooks.find(FIREHOSE, "_create_delivery_stream", arguments=("data",))
    update: Operation = hooks.find(FIREHOSE, "_update_destination", arguments=("data",))
    delete: Operation = hooks.find(FIREHOSE, "_delete_delivery_stream", arguments=("data",))
    _replace_operation(
        operations, "CreateDeliveryStream", "_create_delivery_stream", lambda data: _create(create, data)
    )
    _replace_operation(operations, "UpdateDestination", "_update_destination", lambda data: _update(update, data))
    # CloudFormation calls the module's function and deletes bucket and role next. So this call waits, in a thread.
    _run_cloudformation_in_threads()
    hooks.replace(FIREHOSE, "_delete_delivery_stream", lambda data: _delete(delete, data))
    operations["DeleteDeliveryStream"] = lambda data: _delete_in_background(delete, data)
    hooks.replace(FIREHOSE, "ingest_from_kinesis_source", _ingest, arguments=("stream_arn", "records"))
    reset = hooks.find(FIREHOSE, "reset", arguments=())
    hooks.replace(FIREHOSE, "reset", lambda: _reset(reset))
    _check_cloudformation_updates()
    _drain_before_shutdown()


def _replace_operation(operations: dict[str, Operation], name: str, function: str, replacement: Operation) -> None:
    """Replace an operation in the API's table, and the module's function, which CloudFormation calls."""
    if name not in operations:
        raise hooks.HookMissingError(f"ministack's Firehose has no operation {name}")
    operations[name] = replacement
    hooks.replace(FIREHOSE, function, replacement)


def _create(original: Operation, data: dict[str, Any]) -> Response:
    if data.get("DeliveryStreamType") != "KinesisStreamAsSource":
        return original(data)
    try:
        positions = _check_creation(data)
    except (InvalidSettingError, service_role.RoleRefusedError) as error:
        return _refused(str(error))
    response = original(data)
    stream = _stream(data["DeliveryStreamName"])
    if response[0] == 200 and stream is not None:
        _workers[stream["arn"]] = DeliveryStream(stream, positions)
        _workers[stream["arn"]].start()
    return response


def _check_creation(data: dict[str, Any]) -> dict[str, str | None]:
    """The last sequence number of each shard of the source: reading starts behind it.

    Raises ``InvalidSettingError`` or ``RoleRefusedError``.
    """
    configuration = data.get("ExtendedS3DestinationConfiguration") or data.get("S3DestinationConfiguration")
    if configuration is None:
        raise InvalidSettingError(
            "only S3 destinations are emulated for a Kinesis source: ExtendedS3DestinationConfiguration is required"
        )
    settings = read_settings(configuration)
    source = data.get("KinesisStreamSourceConfiguration") or {}
    source_arn, source_role = source.get("KinesisStreamARN", ""), source.get("RoleARN", "")
    stream = hooks.find("ministack.services.kinesis", "_resolve_stream_by_arn")(source_arn)
    if stream is None:
        raise InvalidSettingError(f"the Kinesis stream {source_arn!r} does not exist")
    arn = hooks.find(FIREHOSE, "_stream_arn")(data.get("DeliveryStreamName", ""))
    roles = [source_role, settings.role_arn, *([settings.transform.role_arn] if settings.transform else [])]
    for role_arn in dict.fromkeys(roles):
        service_role.check_trust(role_arn, service=SERVICE, source_arn=arn)
    return {
        shard_id: shard["records"][-1]["SequenceNumber"] if shard["records"] else None
        for shard_id, shard in stream["shards"].items()
    }


def _update(original: Operation, data: dict[str, Any]) -> Response:
    stream = _stream(data.get("DeliveryStreamName", ""))
    if stream is not None and stream["arn"] in _workers:
        update = data.get("ExtendedS3DestinationUpdate") or data.get("S3DestinationUpdate")
        if update is None:
            return _refused("only S3 destinations are emulated for a Kinesis source")
        try:
            read_settings(stream["destinations"][0]["config"] | update)
        except InvalidSettingError as error:
            return _refused(str(error))
    return original(data)


def _delete(original: Operation, data: dict[str, Any]) -> Response:
    stream = _stream(data.get("DeliveryStreamName", ""))
    worker = _workers.get(stream["arn"]) if stream is not None else None
    if stream is not None and worker is not None:
        stream["status"] = "DELETING"
        worker.drain(DELETE_SECONDS)
        _workers.pop(stream["arn"], None)
    return original(data)


def _delete_in_background(original: Operation, data: dict[str, Any]) -> Response:
    """Respond at once, as AWS does; the stream is DELETING until everything is delivered."""
    stream = _stream(data.get("DeliveryStreamName", ""))
    if stream is None or stream["arn"] not in _workers:
        return original(data)
    if stream["status"] == "DELETING":
        return _error("ResourceInUseException", f"Firehose {stream['name']} is not in the ACTIVE state.")
    stream["status"] = "DELETING"
    spawn = hooks.find("ministack.core.concurrency", "spawn_background")
    spawn(_delete, original, data, thread_name="firehose-deletion")
    return 200, {"Content-Type": "application/x-amz-json-1.1"}, b"{}"


def _ingest(stream_arn: str, records: list[tuple[str, bytes]]) -> None:  # noqa: ARG001 (the worker reads the stream)
    """Called by PutRecord and PutRecords, which must not wait: wake the workers that read the stream."""
    for worker in list(_workers.values()):
        if worker.source_arn == stream_arn:
            worker.wake()


def _reset(original: Callable[[], None]) -> None:
    for worker in _workers.values():
        worker.abandon()
    _workers.clear()
    original()


def _run_cloudformation_in_threads() -> None:
    """Run CloudFormation's work on delivery streams in a thread: the last delivery needs the server's event loop."""
    stacks = "ministack.services.cloudformation.stacks"
    others: Callable[[str], bool] = hooks.find(stacks, "_runs_on_worker_thread", arguments=("resource_type",))

    def runs_on_worker_thread(resource_type: str) -> bool:
        return resource_type == RESOURCE_TYPE or others(resource_type)

    hooks.replace(stacks, "_runs_on_worker_thread", runs_on_worker_thread)


def _check_cloudformation_updates() -> None:
    """Check the configuration in stack updates, which do not call UpdateDestination."""
    handlers = hooks.find("ministack.services.cloudformation.provisioners", "_RESOURCE_HANDLERS")
    handler = handlers.get(RESOURCE_TYPE, {})
    original = handler.get("update")
    if original is None:
        raise hooks.HookMissingError(f"ministack's CloudFormation cannot update {RESOURCE_TYPE}")

    def update(physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str) -> Any:
        configuration = new.get("ExtendedS3DestinationConfiguration")
        if new.get("DeliveryStreamType") == "KinesisStreamAsSource":
            try:
                read_settings(configuration or {})
            except InvalidSettingError as error:
                raise ValueError(f"{RESOURCE_TYPE} update failed: {error}") from error
        return original(physical_id, old, new, stack_name)

    handler["update"] = update


def _drain_before_shutdown() -> None:
    """On shutdown, deliver all received records before the server stops."""
    original = hooks.find("hypercorn.asyncio", "serve", arguments=("app", "config", "shutdown_trigger", "mode"))

    async def serve(
        app: Any, config: Any, *, shutdown_trigger: Callable[[], Awaitable[Any]] | None = None, mode: Any = None
    ) -> None:
        async def drained() -> None:
            await (shutdown_trigger or _wait_for_signal)()
            await asyncio.to_thread(_drain_all)

        await original(app, config, shutdown_trigger=drained, mode=mode)

    hooks.replace("hypercorn.asyncio", "serve", serve)


async def _wait_for_signal() -> None:
    """Wait for SIGINT or SIGTERM."""
    signalled = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, signalled.set)
    await signalled.wait()


def _drain_all() -> None:
    drains = [threading.Thread(target=worker.drain, args=(SHUTDOWN_SECONDS,)) for worker in _workers.values()]
    for drain in drains:
        drain.start()
    for drain in drains:
        drain.join()


def _stream(name: str) -> dict[str, Any] | None:
    stream: dict[str, Any] | None = hooks.find(FIREHOSE, "_streams").get(name)
    return stream


def _refused(message: str) -> Response:
    return _error("InvalidArgumentException", message)


def _error(code: str, message: str) -> Response:
    response: Response = hooks.find("ministack.core.responses", "error_response_json")(code, message, 400)
    return response
