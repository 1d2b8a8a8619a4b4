"""Event source mappings from SQS queues to functions: what AWS refuses, and what becomes of a batch.

ministack polls a FIFO queue for one batch at a time, ignores the function's role, takes any visibility timeout, and
takes a malformed partial batch response for success.

https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
"""

from __future__ import annotations

import json
import logging
import time
from typing import TYPE_CHECKING, Any

from local_aws import hooks
from local_aws.iam import permissions
from local_aws.kms import key_access

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

logger = logging.getLogger("local_aws.queue_mapping")

FUNCTIONS = "ministack.services.lambda_svc"
QUEUES = "ministack.services.sqs"
RESOURCE = "AWS::Lambda::EventSourceMapping"

MAX_FIFO_BATCH = 10
"""https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-parameters.html"""
DEFAULT_TIMEOUT_SECONDS = 3
DEFAULT_CONCURRENCY = 5
"""Batches of one mapping at work at once without ``MaximumConcurrency``: AWS starts with five."""
RETRY_PAUSE_SECONDS = 1.0
"""How long a mapping rests after a batch that failed."""
ROLE_ACTIONS = {
    "sqs:ReceiveMessage": "ReceiveMessage",
    "sqs:DeleteMessage": "DeleteMessage",
    "sqs:GetQueueAttributes": "GetQueueAttributes",
}
"""What the function's role must be allowed on the queue."""


class MappingRefusedError(ValueError):
    """Lambda does not make an event source mapping: ``InvalidParameterValueException`` with AWS's sentence."""


def install() -> None:
    """Check mappings when they are made, by the API and by templates, and run their batches."""
    permissions.require()
    hooks.find(FUNCTIONS, "_execute_function")
    hooks.find(FUNCTIONS, "_reserved_concurrency", arguments=("func", "config"))
    hooks.find(FUNCTIONS, "_esm_backoff_until")
    hooks.find(QUEUES, "_delete_messages_for_esm", arguments=("queue_url", "receipt_handles"))
    create = hooks.find(FUNCTIONS, "_create_esm", arguments=("data",))
    update = hooks.find(FUNCTIONS, "_update_esm", arguments=("esm_id", "data"))
    refuse = hooks.find("ministack.core.responses", "error_response_json")

    def create_checked(data: dict[str, Any]) -> Any:
        try:
            check(data.get("EventSourceArn", ""), data.get("FunctionName", ""), data)
        except MappingRefusedError as error:
            return refuse("InvalidParameterValueException", str(error), 400)
        return create(data)

    def update_checked(esm_id: str, data: dict[str, Any]) -> Any:
        mapping = hooks.find(FUNCTIONS, "_esms").get(esm_id)
        if mapping is not None:
            settings = mapping | data
            try:
                check(mapping["EventSourceArn"], data.get("FunctionName", mapping["FunctionArn"]), settings)
            except MappingRefusedError as error:
                return refuse("InvalidParameterValueException", str(error), 400)
        return update(esm_id, data)

    hooks.replace(FUNCTIONS, "_create_esm", create_checked)
    hooks.replace(FUNCTIONS, "_update_esm", update_checked)
    handlers = hooks.find("ministack.services.cloudformation.provisioners", "_RESOURCE_HANDLERS")
    entry = handlers.get(RESOURCE)
    if entry is None or not {"create", "update"} <= entry.keys():
        raise hooks.HookMissingError(f"ministack has no CloudFormation resource {RESOURCE}")
    handlers[RESOURCE] = entry | {"create": _creating(entry["create"]), "update": _updating(entry["update"])}
    hooks.replace(FUNCTIONS, "_sqs_esm_concurrency", concurrency, arguments=("esm", "func_rec", "config", "queue"))
    hooks.replace(
        FUNCTIONS,
        "_run_sqs_batch",
        run_batch,
        arguments=("esm", "func_rec", "event", "batch", "queue_url", "queue_name"),
    )


def _creating(create: Callable[..., Any]) -> Callable[..., Any]:
    def create_checked(logical_id: str, props: dict[str, Any], stack_name: str) -> Any:
        check_properties(props)
        return create(logical_id, props, stack_name)

    return create_checked


def _updating(update: Callable[..., Any]) -> Callable[..., Any]:
    def update_checked(physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str) -> Any:
        check_properties(new)
        return update(physical_id, old, new, stack_name)

    return update_checked


def check_properties(properties: Mapping[str, Any]) -> None:
    """Check a template's mapping. Raises ``MappingRefusedError`` as CloudFormation words it."""
    try:
        check(properties.get("EventSourceArn", ""), properties.get("FunctionName", ""), properties)
    except MappingRefusedError as error:
        raise MappingRefusedError(f"Invalid request provided: {error} (Service: Lambda, Status Code: 400)") from error


def check(queue_arn: str, function: str, settings: Mapping[str, Any]) -> None:
    """Raise ``MappingRefusedError`` if AWS would refuse a mapping with these settings; other sources pass.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
    """
    if ":sqs:" not in queue_arn:
        return
    record, config, _ = hooks.find(FUNCTIONS, "_get_func_record_for_ref")(function)
    if record is None or config is None:
        return  # ministack refuses it
    queue = hooks.find(QUEUES, "_queue_by_arn")(queue_arn)
    if queue is None:
        raise MappingRefusedError(
            "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. "
            "SQS Error Message: The specified queue does not exist for this wsdl version."
        )
    if denied := denied_actions(config["Role"], queue_arn):
        raise MappingRefusedError(f"The provided execution role does not have permissions to call {denied[0]} on SQS")
    visibility_seconds = int(queue["attributes"]["VisibilityTimeout"])
    timeout_seconds = int(config.get("Timeout", DEFAULT_TIMEOUT_SECONDS))
    if visibility_seconds < timeout_seconds:
        raise MappingRefusedError(
            f"Queue visibility timeout: {visibility_seconds} seconds is less than "
            f"Function timeout: {timeout_seconds} seconds"
        )
    if queue["is_fifo"]:
        if int(settings.get("MaximumBatchingWindowInSeconds") or 0):
            raise MappingRefusedError("Batching window is not supported for FIFO queues")
        if int(settings.get("BatchSize") or MAX_FIFO_BATCH) > MAX_FIFO_BATCH:
            raise MappingRefusedError(f"BatchSize of a FIFO queue is at most {MAX_FIFO_BATCH}")


def denied_actions(role_arn: str, queue_arn: str) -> list[str]:
    """What the role lacks to read the queue, by the API's names."""
    return [name for action, name in ROLE_ACTIONS.items() if not permissions.role_allows(role_arn, action, queue_arn)]


def concurrency(
    esm: dict[str, Any],
    func_rec: dict[str, Any],
    config: dict[str, Any],
    queue: dict[str, Any] | None = None,  # noqa: ARG001 (ministack's call)
) -> int:
    """How many batches of a mapping may be at work at once; none while the function's role may not read the queue.

    A FIFO queue needs no lower limit: it does not deliver a group that has a message in flight.
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
    """
    queue_arn = esm["EventSourceArn"]
    denied = denied_actions(config["Role"], queue_arn)
    key_arn = key_access.key_of("sqs", queue_arn)
    if key_arn and not permissions.role_allows(config["Role"], "kms:Decrypt", key_arn):
        denied.append(f"kms:Decrypt with {key_arn}")
    if denied:
        problem = f"PROBLEM: {config['Role']} is not allowed {', '.join(denied)} on {queue_arn}"
        if esm.get("LastProcessingResult") != problem:
            logger.warning("Function %s receives nothing: %s", config["FunctionName"], problem)
            esm["LastProcessingResult"] = problem
        return 0
    limit: int = (esm.get("ScalingConfig") or {}).get("MaximumConcurrency") or DEFAULT_CONCURRENCY
    reserved = hooks.find(FUNCTIONS, "_reserved_concurrency")(func_rec, config)
    return limit if reserved is None else min(limit, reserved)


def run_batch(  # noqa: PLR0917 (ministack's call)
    esm: dict[str, Any],
    func_rec: dict[str, Any],
    event: dict[str, Any],
    batch: list[dict[str, Any]],
    queue_url: str,
    queue_name: str,
) -> None:
    """Invoke the function with a batch and delete what it has processed.

    The rest becomes visible again after the queue's visibility timeout.
    """
    result = invoke(func_rec, event)
    ids = {message["id"] for message in batch}
    failed_ids = ids if result.get("error") else set[str]()
    if not result.get("error") and "ReportBatchItemFailures" in (esm.get("FunctionResponseTypes") or []):
        failed_ids = failed_messages(result.get("body"), ids)
    handles = {message["receipt_handle"] for message in batch if message["id"] not in failed_ids}
    hooks.find(QUEUES, "_delete_messages_for_esm")(queue_url, handles)
    pauses = hooks.find(FUNCTIONS, "_esm_backoff_until")
    if failed_ids:
        logger.warning(
            "Function %s failed for %d of %d messages from %s: %s",
            esm["FunctionName"],
            len(failed_ids),
            len(batch),
            queue_name,
            result.get("body"),
        )
        esm["LastProcessingResult"] = "PROBLEM: Function call failed"
        pauses[esm["UUID"]] = time.time() + RETRY_PAUSE_SECONDS
    else:
        esm["LastProcessingResult"] = "OK"
        pauses.pop(esm["UUID"], None)
    if log := result.get("log"):
        logger.info("Function %s printed for messages from %s:\n%s", esm["FunctionName"], queue_name, log)


def invoke(func_rec: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    """Invoke the function with a batch and wait for ministack's result: ``error``, ``body``, ``log``."""
    result: dict[str, Any] = hooks.find(FUNCTIONS, "_execute_function")(func_rec, event)
    return result


def failed_messages(response: object, ids: Collection[str]) -> set[str]:
    """The ids of the messages that a partial batch response reports as failed.

    A response that is malformed, or names an id that is not in the batch, fails the whole batch; null, an empty object
    and an empty list mean success.
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
    """
    if isinstance(response, str):
        try:
            response = json.loads(response)
        except ValueError:
            return set(ids)
    if response is None:
        return set()
    if not isinstance(response, dict):
        return set(ids)
    failures: Iterable[object] | None = response.get("batchItemFailures")
    if failures is None:
        return set()
    if not isinstance(failures, list):
        return set(ids)
    reported = {failure.get("itemIdentifier") if isinstance(failure, dict) else None for failure in failures}
    return set(ids) if reported - set(ids) else {str(identifier) for identifier in reported}
