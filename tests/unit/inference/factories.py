"""Instances, responses of an endpoint and errors of botocore for tests of inference."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from feature_schema import get_schema_hash, parse_request
from tests.factories.samples import EXPECTED_ERROR, make_features

if TYPE_CHECKING:
    from collections.abc import Sequence

    from feature_schema import Features


MODEL = "xgboost-20261123T063900Z"
ENDPOINT = "live-inference"


def make_instances(count: int = 1) -> list[Features]:
    request = parse_request(json.dumps({"instances": [make_features()] * count}))
    return list(request.instances or ())


def make_response_body(predictions: Sequence[Any], **changes: Any) -> bytes:
    response = {"model": MODEL, "expected_error": EXPECTED_ERROR, "schema_hash": get_schema_hash()}
    return json.dumps(response | {"predictions": predictions} | changes).encode()


def make_client_error(code: str, message: str = "") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "InvokeEndpoint")
