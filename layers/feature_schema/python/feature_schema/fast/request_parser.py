"""Parses requests for predictions without pydantic; an unusual or invalid request goes to ``feature_schema.parser``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import UNSET

from feature_schema.fast import decoders
from feature_schema.fast.decoders import DECODE_ERRORS, SHAPES

if TYPE_CHECKING:
    from collections.abc import Sequence

_decode = msgspec.json.Decoder(decoders.build_struct("Request", SHAPES["PredictionRequest"])).decode
_decode_row = msgspec.json.Decoder(decoders.build_row_struct("Row", SHAPES["Features"])).decode
_IS_DECODABLE = decoders.is_decodable(SHAPES["PredictionRequest"])
_FEATURES_QUOTES = decoders.count_quotes(SHAPES["Features"])
_ID_PATTERNS = {
    field["name"]: re.compile(field["shape"]["pattern"][1:-1])
    for field in SHAPES["PredictionRequest"]["fields"]
    if field["shape"]["kind"] == "text"
}


class ParsedRequest(NamedTuple):
    """Either ``features`` or ``instances``; the other is null. Features are objects with an attribute for each name."""

    features: Any | None
    instances: Sequence[Any] | None
    fc_id: str | None
    robot_id: str | None


def parse_request(body: bytes) -> ParsedRequest:
    """Parse the body of ``POST /predictions``. Raises ``InvalidInputError``."""
    if _IS_DECODABLE:
        try:
            decoded: Any = _decode(body)
        except DECODE_ERRORS:
            pass
        else:
            request = ParsedRequest(
                decoded.features or None, decoded.instances or None, decoded.fc_id or None, decoded.robot_id or None
            )
            has_either = (request.features is None) != (request.instances is None)
            if has_either and _are_identifiers(decoded) and body.count(b'"') == _count_quotes(decoded):
                return request
    from feature_schema import parser  # noqa: PLC0415 (imports pydantic, needed for unusual or invalid requests only)

    validated = parser.parse_request(body)
    return ParsedRequest(validated.features, validated.instances, validated.fc_id, validated.robot_id)


def _are_identifiers(decoded: Any) -> bool:
    """Return whether both ids are identifiers, null or absent; decoders do not check patterns."""
    for name, pattern in _ID_PATTERNS.items():
        value = getattr(decoded, name)
        if isinstance(value, str) and not pattern.fullmatch(value):
            return False
    return True


def _count_quotes(decoded: Any) -> int:
    """Return the number of quotation marks in a request that has neither duplicate keys nor escapes."""
    keys = sum(value is not UNSET for value in msgspec.structs.astuple(decoded))
    strings = bool(decoded.fc_id) + bool(decoded.robot_id)
    return 2 * (keys + strings) + _FEATURES_QUOTES * (bool(decoded.features) + len(decoded.instances or ()))


def parse_features(text: str) -> Any:
    """Parse ``GET /liveinference?features=``: numbers in the order of ``FEATURES``. Raises ``InvalidInputError``."""
    if _IS_DECODABLE:
        try:
            return _decode_row(b"[%b]" % text.encode(errors="replace"))
        except DECODE_ERRORS:
            pass
    from feature_schema import parser  # noqa: PLC0415 (imports pydantic, needed for unusual or invalid requests only)

    return parser.parse_features(text)
