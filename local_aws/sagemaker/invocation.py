"""InvokeEndpoint: sends a request to a model's server, in a thread, and publishes its metrics.

Metrics are in ``AWS/SageMaker``, for the variant, and for the variant with its endpoint config, which distinguishes the
fleets of a deployment.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html
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

MAX_BODY_BYTES = 6_291_456
_FORWARDED_HEADERS = {
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

# Its own threads: the shared ones may all run functions that wait for a prediction.
_executor = ThreadPoolExecutor(max_workers=32, thread_name_prefix="sagemaker-invoke")


async def invoke(
    fleet: Fleet, scope: Scope, endpoint: str, headers: dict[str, str], body: bytes
) -> tuple[int, dict[str, str], bytes]:
    """The response of the endpoint's container. Raises ``ApiError``, with ``ModelError`` if the container fails."""
    if len(body) > MAX_BODY_BYTES:
        raise ApiError(
            "ValidationError",
            "1 validation error detected: Value at 'body' failed to satisfy constraint: Member must have length less "
            f"than or equal to {MAX_BODY_BYTES}",
        )
    variant, server = fleet.choose(headers.get("x-amzn-sagemaker-target-variant"))
    forwarded = {name: headers[field] for field, name in _FORWARDED_HEADERS.items() if field in headers}
    forwarded.setdefault("Content-Type", "application/octet-stream")
    started_at = time.monotonic()
    status = 0
    try:
        reply = await asyncio.get_running_loop().run_in_executor(_executor, server.invoke, body, forwarded)
        status = reply.status
    except TimeoutError as error:
        raise _model_error(scope, endpoint, 0, _TIMED_OUT) from error
    except (OSError, http.client.HTTPException) as error:
        status = 503
        raise _model_error(scope, endpoint, status, f"The container does not answer: {error}") from error
    finally:
        _count(endpoint, variant, fleet.config, status, time.monotonic() - started_at)
    if reply.status >= 400:
        raise _model_error(scope, endpoint, reply.status, reply.body.decode("utf-8", "replace"))
    return 200, _headers(reply, variant), reply.body


def _count(endpoint: str, variant: str, config: str, status: int, seconds: float) -> None:
    """Publish the metrics of a request; a ``status`` of 0 means a timeout."""
    variant_dimensions = {"EndpointName": endpoint, "VariantName": variant}
    for dimensions in (variant_dimensions, variant_dimensions | {"EndpointConfigName": config}):
        for name, value, unit in (
            ("Invocations", 1, "Count"),
            ("Invocation4XXErrors", int(400 <= status < 500), "Count"),
            ("Invocation5XXErrors", int(status >= 500), "Count"),
            ("InvocationModelErrors", int(not 200 <= status < 300), "Count"),
            ("ModelLatency", seconds * 1_000_000, "Microseconds"),
        ):
            metrics.publish("AWS/SageMaker", name, value, unit, dimensions)


def _headers(reply: Reply, variant: str) -> dict[str, str]:
    # In lower case, because ministack rewrites a "Content-Type".
    headers = {"content-type": reply.content_type, "x-Amzn-Invoked-Production-Variant": variant}
    if reply.custom_attributes is not None:
        headers["X-Amzn-SageMaker-Custom-Attributes"] = reply.custom_attributes
    return headers


def _model_error(scope: Scope, endpoint: str, status: int, message: str) -> ApiError:
    group = f"/aws/sagemaker/Endpoints/{endpoint}"
    side = "client" if 400 <= status < 500 else "server"
    return ApiError(
        "ModelError",
        f'Received {side} error ({status}) from primary with message "{message}". See '
        f"https://{scope.region}.console.aws.amazon.com/cloudwatch/home?region={scope.region}#logEventViewer:"
        f"group={group} in account {scope.account} for more information.",
        status=424,
        members={
            "OriginalStatusCode": status,
            "OriginalMessage": message,
            "LogStreamArn": f"arn:aws:logs:{scope.region}:{scope.account}:log-group:{group}",
        },
    )
