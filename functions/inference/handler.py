"""Serves ``POST /predictions`` and the workshop's ``GET /liveinference``."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response, content_types
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricResolution, MetricUnit
from botocore.config import Config
from botocore.session import get_session

from feature_schema import TARGET, InvalidInputError
from feature_schema.limits import format_time
from inference import http_request
from inference.endpoint import NO_MODEL, invoke
from inference.pause_state import TtlCache, get_store, is_endpoint_paused
from inference.prediction import predict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

    from inference.prediction import PredictionResult

ENDPOINT_NAME = os.environ["ENDPOINT_NAME"]
ENDPOINT_TIMEOUT = float(os.environ["ENDPOINT_TIMEOUT"])
"""Seconds to wait for the model. A fallback in time is worth more to a planner than a better prediction too late."""

logger = Logger()
app = APIGatewayHttpResolver()
runtime: SageMakerRuntimeClient = get_session().create_client(  # type: ignore[assignment]  # none narrower
    "sagemaker-runtime",
    config=Config(
        connect_timeout=ENDPOINT_TIMEOUT,
        read_timeout=ENDPOINT_TIMEOUT,
        retries={"mode": "standard", "total_max_attempts": 1},
    ),
)
is_paused = TtlCache(lambda: is_endpoint_paused(get_store(), ENDPOINT_NAME))


@app.post("/predictions")
def post_predictions() -> dict[str, Any]:
    """Return one prediction for ``features``, or a list of predictions for ``instances``."""
    asked_at = get_current_time()
    event = app.current_event
    request = http_request.parse_body(event.body, is_base64=event.is_base64_encoded or False)
    if request.features is not None:
        return _predict([request.features], asked_at)[0]
    return {"predictions": _predict(request.instances or (), asked_at)}


@app.get("/liveinference")
def get_live_inference() -> Response[str]:
    """Return the predicted value as plain text: the workshop's interface."""
    features = http_request.parse_query(app.current_event.query_string_parameters)
    (prediction,) = _predict([features], get_current_time())
    return Response(HTTPStatus.OK, content_types.TEXT_PLAIN, str(prediction[TARGET.name]))


@app.exception_handler(InvalidInputError)  # type: ignore[untyped-decorator]  # powertools gives this one no types
def build_bad_request(error: InvalidInputError) -> Response[str]:
    """Return status 400 with the reason."""
    logger.info("bad request", extra={"reason": error.reason})
    body = json.dumps(http_request.build_error_body(error))
    return Response(HTTPStatus.BAD_REQUEST, content_types.APPLICATION_JSON, body)


def get_current_time() -> str:
    """Return the current time in the format of a row."""
    return format_time(datetime.now(UTC))


def _predict(instances: Sequence[Any], asked_at: str) -> list[dict[str, Any]]:
    result = predict(instances, partial(invoke, runtime, ENDPOINT_NAME), is_paused, asked_at=asked_at)
    if result.failure is not None:
        logger.warning("fallback", extra={"instances": len(instances), "failure": str(result.failure)})
    _emit_metrics(result)
    return result.predictions


def _emit_metrics(result: PredictionResult) -> None:
    count = len(result.predictions)
    fallbacks = count if result.fallback_reason else 0
    sums = EphemeralMetrics()
    sums.add_metric("Predictions", MetricUnit.Count, count - fallbacks, MetricResolution.High)
    sums.add_metric("Fallbacks", MetricUnit.Count, fallbacks, MetricResolution.High)
    sums.flush_metrics()
    # A zero ends the alarm as soon as a model is deployed; without data it would stay in ALARM for some more periods.
    fallbacks_by_reason = {str(NO_MODEL): 0}
    if result.fallback_reason:
        fallbacks_by_reason[result.fallback_reason] = fallbacks
    for reason, reason_fallbacks in fallbacks_by_reason.items():
        reason_metrics = EphemeralMetrics()
        reason_metrics.add_dimension("reason", reason)
        reason_metrics.add_metric("Fallbacks", MetricUnit.Count, reason_fallbacks, MetricResolution.High)
        reason_metrics.flush_metrics()


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Handle an event of API Gateway's HTTP API (payload format 2.0).

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    """
    return app.resolve(event, context)
