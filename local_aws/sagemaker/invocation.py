"""InvokeEndpoint: a request to a model's container and back, off the event loop, on connections that stay open.

Each request is counted in ``AWS/SageMaker``, for the variant, and for the variant under its endpoint configuration,
which is how the fleets of a deployment are told apart.
"""

from __future__ import annotations

import asyncio
import http.client
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from local_aws.cloudwatch import metrics
from local_aws.sagemaker.errors import ApiError

if TYPE_CHECKING:
    from local_aws.sagemaker.fleet import Fleet
    from local_aws.sagemaker.model_server import Reply
    from local_aws.sagemaker.names import Scope

LARGEST_BODY = 6_291_456
"""Bytes that InvokeEndpoint takes."""
_PASSED_ON = {
    "content-type": "Content-Type",
    "accept": "Accept",
    "x-amzn-sagemaker-custom-attributes": "X-Amzn-SageMaker-Custom-Attributes",
    "x-amzn-sagemaker-inference-id": "X-Amzn-SageMaker-Inference-Id",
    "x-amzn-sagemaker-session-id": "X-Amzn-SageMaker-Session-Id",
}
_TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container primary. Review the latency metrics for "
    "each container in Amazon CloudWatch, resolve the issue, and try again."
)

# Threads of its own: the emulator's shared ones may all be waiting in functions that wait for a prediction.
_askers = ThreadPoolExecutor(max_workers=32, thread_name_prefix="sagemaker-invoke")


async def invoke(
    fleet: Fleet, scope: Scope, endpoint: str, headers: dict[str, str], body: bytes
) -> tuple[int, dict[str, str], bytes]:
    """The answer of the endpoint's container. Raises ``ApiError``, ``ModelError`` for all that goes wrong in it."""
    if len(body) > LARGEST_BODY:
        raise ApiError(
            "ValidationError",
            "1 validation error detected: Value at 'body' failed to satisfy constraint: Member must have length less "
            f"than or equal to {LARGEST_BODY}",
        )
    variant, server = fleet.choose(headers.get("x-amzn-sagemaker-target-variant"))
    asked = {name: headers[field] for field, name in _PASSED_ON.items() if field in headers}
    asked.setdefault("Content-Type", "application/octet-stream")
    began = time.monotonic()
    status = 0
    try:
        reply = await asyncio.get_running_loop().run_in_executor(_askers, server.invoke, body, asked)
        status = reply.status
    except TimeoutError as error:
        raise _model_error(scope, endpoint, 0, _TIMED_OUT) from error
    except (OSError, http.client.HTTPException) as error:
        status = 503
        raise _model_error(scope, endpoint, status, f"The container does not answer: {error}") from error
    finally:
        _count(endpoint, variant, fleet.config, status, time.monotonic() - began)
    if reply.status >= 400:
        raise _model_error(scope, endpoint, reply.status, reply.body.decode("utf-8", "replace"))
    return 200, _headers(reply, variant), reply.body


def _count(endpoint: str, variant: str, config: str, status: int, seconds: float) -> None:
    """Publish what AWS publishes of a request; a ``status`` of 0 is a time-out."""
    of_variant = {"EndpointName": endpoint, "VariantName": variant}
    for dimensions in (of_variant, of_variant | {"EndpointConfigName": config}):
        for name, value, unit in (
            ("Invocations", 1, "Count"),
            ("Invocation4XXErrors", int(400 <= status < 500), "Count"),
            ("Invocation5XXErrors", int(status >= 500), "Count"),
            ("InvocationModelErrors", int(not 200 <= status < 300), "Count"),
            ("ModelLatency", seconds * 1_000_000, "Microseconds"),
        ):
            metrics.publish("AWS/SageMaker", name, value, unit, dimensions)


def _headers(reply: Reply, variant: str) -> dict[str, str]:
    # In lower case: the emulator rewrites a "Content-Type" that it takes for an API's, and this one is the model's own.
    headers = {"content-type": reply.content_type, "x-Amzn-Invoked-Production-Variant": variant}
    if reply.custom_attributes is not None:
        headers["X-Amzn-SageMaker-Custom-Attributes"] = reply.custom_attributes
    return headers


def _model_error(scope: Scope, endpoint: str, status: int, said: str) -> ApiError:
    group = f"/aws/sagemaker/Endpoints/{endpoint}"
    side = "client" if 400 <= status < 500 else "server"
    return ApiError(
        "ModelError",
        f'Received {side} error ({status}) from primary with message "{said}". See '
        f"https://{scope.region}.console.aws.amazon.com/cloudwatch/home?region={scope.region}#logEventViewer:"
        f"group={group} in account {scope.account} for more information.",
        status=424,
        members={
            "OriginalStatusCode": status,
            "OriginalMessage": said,
            "LogStreamArn": f"arn:aws:logs:{scope.region}:{scope.account}:log-group:{group}",
        },
    )
