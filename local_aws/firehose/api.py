"""Firehose from Kinesis: a worker for each delivery stream, in place of a transform for each record inside PutRecords.

Streams that are put to directly stay as ministack has them.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from typing import TYPE_CHECKING, Any

from local_aws import hooks
from local_aws.firehose import settings as delivery_settings
from local_aws.firehose.delivery_stream import SERVICE, DeliveryStream
from local_aws.iam import service_role

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    type Response = tuple[int, dict[str, str], bytes]
    type Operation = Callable[[dict[str, Any]], Response]

logger = logging.getLogger("firehose")

FIREHOSE = "ministack.services.firehose"
RESOURCE_TYPE = "AWS::KinesisFirehose::DeliveryStream"
DELETE_SECONDS = 30.0
SHUTDOWN_SECONDS = 3.0
"""How long deletion and the end of the emulator wait for what has arrived to be delivered."""

_workers: dict[str, DeliveryStream] = {}
"""By the delivery stream's ARN."""


def install() -> None:
    """Take over the delivery streams whose source is a Kinesis stream."""
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
    # CloudFormation calls the module's function, and deletes the bucket and the role next: that one waits, in a thread.
    _delete_beside_the_event_loop()
    hooks.replace(FIREHOSE, "_delete_delivery_stream", lambda data: _delete(delete, data))
    operations["DeleteDeliveryStream"] = lambda data: _delete_in_background(delete, data)
    hooks.replace(FIREHOSE, "ingest_from_kinesis_source", _ingest, arguments=("stream_arn", "records"))
    reset = hooks.find(FIREHOSE, "reset", arguments=())
    hooks.replace(FIREHOSE, "reset", lambda: _reset(reset))
    _check_cloudformation_updates()
    _drain_before_the_end()


def _replace_operation(operations: dict[str, Operation], name: str, function: str, replacement: Operation) -> None:
    """Both the API's table and CloudFormation, which uses the module's function, are to find ``replacement``."""
    if name not in operations:
        raise hooks.HookMissingError(f"the emulator's Firehose has no operation {name} any more")
    operations[name] = replacement
    hooks.replace(FIREHOSE, function, replacement)


def _create(original: Operation, data: dict[str, Any]) -> Response:
    if data.get("DeliveryStreamType") != "KinesisStreamAsSource":
        return original(data)
    try:
        positions = _check_creation(data)
    except (delivery_settings.InvalidSettingError, service_role.RoleRefusedError) as error:
        return _refused(str(error))
    response = original(data)
    stream = _stream(data["DeliveryStreamName"])
    if response[0] == 200 and stream is not None:
        _workers[stream["arn"]] = DeliveryStream(stream, positions)
        _workers[stream["arn"]].start()
    return response


def _check_creation(data: dict[str, Any]) -> dict[str, str | None]:
    """Where reading starts: the last sequence number of each shard of the source. Raises why it cannot be created."""
    configuration = data.get("ExtendedS3DestinationConfiguration") or data.get("S3DestinationConfiguration")
    if configuration is None:
        raise delivery_settings.InvalidSettingError(
            "a delivery stream with a Kinesis source needs an ExtendedS3DestinationConfiguration in this emulator"
        )
    settings = delivery_settings.read(configuration)
    source = data.get("KinesisStreamSourceConfiguration") or {}
    source_arn, source_role = source.get("KinesisStreamARN", ""), source.get("RoleARN", "")
    stream = hooks.find("ministack.services.kinesis", "_resolve_stream_by_arn")(source_arn)
    if stream is None:
        raise delivery_settings.InvalidSettingError(f"the Kinesis stream {source_arn!r} does not exist")
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
        changed = data.get("ExtendedS3DestinationUpdate") or data.get("S3DestinationUpdate")
        if changed is None:
            return _refused("the destination of a delivery stream with a Kinesis source stays S3 in this emulator")
        try:
            delivery_settings.read(stream["destinations"][0]["config"] | changed)
        except delivery_settings.InvalidSettingError as error:
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
    """Answer at once, as AWS does; the stream is there, as DELETING, until all is delivered."""
    stream = _stream(data.get("DeliveryStreamName", ""))
    if stream is None or stream["arn"] not in _workers:
        return original(data)
    if stream["status"] == "DELETING":
        return _error("ResourceInUseException", f"Firehose {stream['name']} is not in the ACTIVE state.")
    stream["status"] = "DELETING"
    spawn = hooks.find("ministack.core.concurrency", "spawn_background")
    spawn(_delete, original, data, thread_name="firehose-deletion")
    return 200, {"Content-Type": "application/x-amz-json-1.1"}, b"{}"


def _ingest(stream_arn: str, records: list[tuple[str, bytes]]) -> None:  # noqa: ARG001 (the worker reads them itself)
    """Called by PutRecord and PutRecords, which must not wait: tell those who read the stream."""
    for worker in list(_workers.values()):
        if worker.source_arn == stream_arn:
            worker.wake()


def _reset(original: Callable[[], None]) -> None:
    for worker in _workers.values():
        worker.abandon()
    _workers.clear()
    original()


def _delete_beside_the_event_loop() -> None:
    """Let CloudFormation run what it does with delivery streams on a thread: the last delivery needs the server."""
    stacks = "ministack.services.cloudformation.stacks"
    others: Callable[[str], bool] = hooks.find(stacks, "_runs_on_worker_thread", arguments=("resource_type",))

    def runs_on_worker_thread(resource_type: str) -> bool:
        return resource_type == RESOURCE_TYPE or others(resource_type)

    hooks.replace(stacks, "_runs_on_worker_thread", runs_on_worker_thread)


def _check_cloudformation_updates() -> None:
    """A stack update puts a new configuration in place by itself: let it be checked like any other."""
    handlers = hooks.find("ministack.services.cloudformation.provisioners", "_RESOURCE_HANDLERS")
    handler = handlers.get(RESOURCE_TYPE, {})
    original = handler.get("update")
    if original is None:
        raise hooks.HookMissingError(f"the emulator's CloudFormation cannot update {RESOURCE_TYPE} any more")

    def update(physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str) -> Any:
        configuration = new.get("ExtendedS3DestinationConfiguration")
        if new.get("DeliveryStreamType") == "KinesisStreamAsSource":
            try:
                delivery_settings.read(configuration or {})
            except delivery_settings.InvalidSettingError as error:
                raise ValueError(f"{RESOURCE_TYPE} update failed: {error}") from error
        return original(physical_id, old, new, stack_name)

    handler["update"] = update


def _drain_before_the_end() -> None:
    """Deliver what has arrived while the server still answers, then let it stop."""
    original = hooks.find("hypercorn.asyncio", "serve", arguments=("app", "config", "shutdown_trigger", "mode"))

    async def serve(
        app: Any, config: Any, *, shutdown_trigger: Callable[[], Awaitable[Any]] | None = None, mode: Any = None
    ) -> None:
        async def drained() -> None:
            await (shutdown_trigger or _signalled)()
            await asyncio.to_thread(_drain_all)

        await original(app, config, shutdown_trigger=drained, mode=mode)

    hooks.replace("hypercorn.asyncio", "serve", serve)


async def _signalled() -> None:
    """Wait for a signal to end."""
    asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    await asked.wait()


def _drain_all() -> None:
    drains = [threading.Thread(target=worker.drain, args=(SHUTDOWN_SECONDS,)) for worker in _workers.values()]
    for drain in drains:
        drain.start()
    for drain in drains:
        drain.join()


def _stream(name: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = hooks.find(FIREHOSE, "_streams").get(name)
    return found


def _refused(message: str) -> Response:
    return _error("InvalidArgumentException", message)


def _error(code: str, message: str) -> Response:
    response: Response = hooks.find("ministack.core.responses", "error_response_json")(code, message, 400)
    return response
