"""Reading requests for predictions fast; what is odd or wrong is for the models, as in ``reading``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import UNSET

from feature_schema.fast import decoders
from feature_schema.fast.decoders import DECODE_ERRORS, SHAPES

if TYPE_CHECKING:
    from collections.abc import Sequence

_REQUEST = decoders.build_struct("Request", SHAPES["PredictionRequest"])
_decode = msgspec.json.Decoder(_REQUEST).decode
_decode_row = msgspec.json.Decoder(decoders.build_row_struct("Row", SHAPES["Features"])).decode
_READS = decoders.is_decodable(SHAPES["PredictionRequest"])
_QUOTES = decoders.count_quotes(SHAPES["Features"])


class ParsedRequest(NamedTuple):
    """What a request asks for: one of both. Each of the features has one attribute for each feature."""

    features: Any | None
    instances: Sequence[Any] | None


def parse_request(body: bytes) -> ParsedRequest:
    """The body of ``POST /predictions``. Raises ``Refusal``."""
    if _READS:
        try:
            request: Any = _decode(body)
        except DECODE_ERRORS:
            pass
        else:
            asked = ParsedRequest(request.features or None, request.instances or None)
            if (asked.features is None) != (asked.instances is None) and body.count(b'"') == _quotes(request):
                return asked
    from feature_schema.parser import parse_request  # noqa: PLC0415 (pydantic: only for a request that is odd or wrong)

    judged = parse_request(body)
    return ParsedRequest(judged.features, judged.instances)


def _quotes(request: Any) -> int:
    """How many quotation marks the request has without escapes, each key once."""
    keys = (request.features is not UNSET) + (request.instances is not UNSET)
    return 2 * keys + _QUOTES * (bool(request.features) + len(request.instances or ()))


def parse_features(text: str) -> Any:
    """The features of ``GET /liveinference?features=``: numbers in the order of a row. Raises ``Refusal``."""
    if _READS:
        try:
            return _decode_row(b"[%b]" % text.encode(errors="replace"))
        except DECODE_ERRORS:
            pass
    from feature_schema.parser import parse_features  # noqa: PLC0415 (pydantic: only for a request that is odd or wrong)

    return parse_features(text)
