"""Reading requests for predictions fast; what is odd or wrong is for the models, as in ``reading``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import UNSET

from feature_schema import decoding
from feature_schema.decoding import NOT_DECODED, SHAPES

if TYPE_CHECKING:
    from collections.abc import Sequence

_REQUEST = decoding.struct("Request", SHAPES["PredictionRequest"])
_decode = msgspec.json.Decoder(_REQUEST).decode
_decode_row = msgspec.json.Decoder(decoding.row_struct("Row", SHAPES["Features"])).decode
_READS = decoding.is_known(SHAPES["PredictionRequest"])
_QUOTES = decoding.quotes(SHAPES["Features"])


class Asked(NamedTuple):
    """What a request asks for: one of both. Each of the features has one attribute for each feature."""

    features: Any | None
    instances: Sequence[Any] | None


def read_request(body: bytes) -> Asked:
    """The body of ``POST /predictions``. Raises ``Refusal``."""
    if _READS:
        try:
            request: Any = _decode(body)
        except NOT_DECODED:
            pass
        else:
            asked = Asked(request.features or None, request.instances or None)
            if (asked.features is None) != (asked.instances is None) and body.count(b'"') == _quotes(request):
                return asked
    from feature_schema.line import parse_request  # noqa: PLC0415 (pydantic: only for a request that is odd or wrong)

    judged = parse_request(body)
    return Asked(judged.features, judged.instances)


def _quotes(request: Any) -> int:
    """How many quotation marks the request has without escapes, each key once."""
    keys = (request.features is not UNSET) + (request.instances is not UNSET)
    return 2 * keys + _QUOTES * (bool(request.features) + len(request.instances or ()))


def read_features(text: str) -> Any:
    """The features of ``GET /liveinference?features=``: numbers in the order of a row. Raises ``Refusal``."""
    if _READS:
        try:
            return _decode_row(b"[%b]" % text.encode(errors="replace"))
        except NOT_DECODED:
            pass
    from feature_schema.line import parse_features  # noqa: PLC0415 (pydantic: only for a request that is odd or wrong)

    return parse_features(text)
