"""Requests to the API, from what API Gateway hands over to what the schema checks. Every fault is a ``Refusal``."""

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
"""The largest request that the schema allows has a fifth of it."""


def decode_body(body: str | None, *, is_base64: bool) -> bytes:
    """The body as it was sent. API Gateway encodes one whose content type is not text. Raises ``Refusal``."""
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
    """What a ``POST /predictions`` asks for. Raises ``Refusal``."""
    return parse_request(decode_body(body, is_base64=is_base64))


def parse_query(parameters: Mapping[str, str] | None) -> Any:
    """What a ``GET /liveinference`` asks for. Raises ``Refusal``."""
    text = (parameters or {}).get("features")
    if text is None:
        raise InvalidInputError("missing:features", "features", "give ?features=, numbers separated by commas")
    return parse_features(text)


def build_error_body(refused: InvalidInputError) -> dict[str, Any]:
    """The body of the answer to a bad request."""
    which = {} if refused.instance is None else {"instance": refused.instance}
    return {"reason": refused.reason, "field": refused.field, "message": refused.detail or refused.reason, **which}
