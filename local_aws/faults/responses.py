"""Error responses in the format of a service and of the request's protocol."""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    type Response = tuple[int, dict[str, str], bytes]

_CODES: dict[str, dict[str, tuple[int, str]]] = {
    "throttled": {
        "kinesis": (400, "ProvisionedThroughputExceededException"),
        "dynamodb": (400, "ProvisionedThroughputExceededException"),
        "s3": (503, "SlowDown"),
        "lambda": (429, "TooManyRequestsException"),
        "": (400, "ThrottlingException"),
    },
    "failed": {
        "s3": (500, "InternalError"),
        "dynamodb": (500, "InternalServerError"),
        "lambda": (500, "ServiceException"),
        "": (500, "InternalFailure"),
    },
    "unavailable": {"": (503, "ServiceUnavailable")},
    "denied": {"s3": (403, "AccessDenied"), "": (400, "AccessDeniedException")},
    "model_failed": {"": (424, "ModelError")},
}
"""Status and code by fault and service; the empty name stands for all other services."""

_MESSAGE = "injected fault"


def error_response(fault: str, service: str, headers: Mapping[str, str]) -> Response:
    """The response to a request; the names in ``headers`` are in lower case."""
    status, code = _CODES[fault].get(service) or _CODES[fault][""]
    if service == "s3":
        body = f"<Error><Code>{code}</Code><Message>{_MESSAGE}</Message></Error>"
        return status, {"Content-Type": "application/xml"}, body.encode()
    document: dict[str, Any] = {"__type": code, "message": _MESSAGE, "Message": _MESSAGE}
    if code == "ModelError":
        document |= {"OriginalStatusCode": 500, "OriginalMessage": _MESSAGE}
    content_type = headers.get("content-type", "")
    error_header = {"x-amzn-errortype": code}
    if "cbor" in content_type or "smithy-protocol" in headers:
        cbor2 = importlib.import_module("cbor2")  # a dependency of ministack, which tests of this module lack
        return (
            status,
            {**error_header, "Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"},
            cbor2.dumps(document),
        )
    if "form-urlencoded" in content_type:
        body = f"<ErrorResponse><Error><Code>{code}</Code><Message>{_MESSAGE}</Message></Error></ErrorResponse>"
        return status, {"Content-Type": "text/xml"}, body.encode()
    return status, {**error_header, "Content-Type": "application/x-amz-json-1.1"}, json.dumps(document).encode()
