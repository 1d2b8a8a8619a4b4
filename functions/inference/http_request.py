"""Parses requests of API Gateway's HTTP API. Every invalid request raises ``InvalidInputError``."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from feature_schema import InvalidInputError
from feature_schema.fast.request_parser import parse_features, parse_request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from feature_schema.fast.request_parser import ParsedRequest

MAX_BODY_BYTES = 1024 * 1024
"""Five times the largest request that the schema allows."""


def decode_body(body: str | None, *, is_base64: bool) -> bytes:
    """Return the body as the client sent it. Raises ``InvalidInputError``.

    API Gateway encodes bodies whose content type is not text:
    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    """
    if not body:
        raise InvalidInputError("malformed", detail="the request has no body")
    if len(body) > MAX_BODY_BYTES * 4 // 3:  # before decoding, in characters
        raise InvalidInputError("too_long", detail=f"at most {MAX_BODY_BYTES} bytes")
    try:
        raw = base64.b64decode(body, validate=True) if is_base64 else body.encode(errors="surrogatepass")
    except (binascii.Error, ValueError):
        raise InvalidInputError("malformed", detail="the body is not base64") from None
    if len(raw) > MAX_BODY_BYTES:
        raise InvalidInputError("too_long", detail=f"{len(raw)} bytes, at most {MAX_BODY_BYTES}")
    return raw


def parse_body(body: str | None, *, is_base64: bool) -> ParsedRequest:
    """Parse ``POST /predictions``. Raises ``InvalidInputError``."""
    return parse_request(decode_body(body, is_base64=is_base64))


def parse_query(parameters: Mapping[str, str] | None) -> Any:
    """Return the features of ``GET /liveinference``. Raises ``InvalidInputError``."""
    text = (parameters or {}).get("features")
    if text is None:
        raise InvalidInputError("missing:features", "features", "give ?features=, numbers separated by commas")
    return parse_features(text)


def build_error_body(error: InvalidInputError) -> dict[str, Any]:
    """Return the JSON-ready body of the response to an invalid request."""
    instance = {} if error.instance is None else {"instance": error.instance}
    return {"reason": error.reason, "field": error.field, "message": error.detail or error.reason, **instance}
