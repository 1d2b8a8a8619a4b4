"""``POST /predictions`` and the workshop's ``GET /liveinference``: request in, predictions out."""

from __future__ import annotations

import json
import os
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response, content_types
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricResolution, MetricUnit
from botocore.config import Config
from botocore.session import get_session

from feature_schema import TARGET, InvalidInputError
from inference import http_request
from inference.endpoint import NO_MODEL, invoke
from inference.pause_state import TtlCache, get_store, is_endpoint_paused
from inference.prediction import PredictionResult, predict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

ENDPOINT_NAME = os.environ["ENDPOINT_NAME"]
ENDPOINT_TIMEOUT = float(os.environ["ENDPOINT_TIMEOUT"])
"""Seconds. The planner waits no longer for a model: a fallback in time is worth more than a better answer too late."""

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
def predictions() -> dict[str, Any]:
    """One answer for ``features``; for ``instances``, an answer each."""
    event = app.current_event
    asked = http_request.parse_body(event.body, is_base64=event.is_base64_encoded or False)
    if asked.features is not None:
        return _answers([asked.features]).answers[0]
    return {"predictions": _answers(asked.instances or ()).answers}


@app.get("/liveinference")
def live_inference() -> Response[str]:
    """The workshop's interface: the number alone, as plain text."""
    (answer,) = _answers([http_request.parse_query(app.current_event.query_string_parameters)]).answers
    return Response(HTTPStatus.OK, content_types.TEXT_PLAIN, str(answer[TARGET.name]))


@app.exception_handler(InvalidInputError)  # type: ignore[untyped-decorator]  # powertools gives this one no types
def bad_request(refused: InvalidInputError) -> Response[str]:
    """Say what is wrong with the request."""
    logger.info("bad request", extra={"reason": refused.reason})
    return Response(
        HTTPStatus.BAD_REQUEST, content_types.APPLICATION_JSON, json.dumps(http_request.build_error_body(refused))
    )


def _answers(instances: Sequence[Any]) -> PredictionResult:
    answers = predict(instances, partial(invoke, runtime, ENDPOINT_NAME), is_paused)
    if answers.failure is not None:
        logger.warning("fallback", extra={"instances": len(instances), "failure": str(answers.failure)})
    _publish(answers)
    return answers


def _publish(answers: PredictionResult) -> None:
    fallbacks = len(answers.answers) if answers.fallback_reason else 0
    sums = EphemeralMetrics()
    sums.add_metric("Predictions", MetricUnit.Count, len(answers.answers) - fallbacks, MetricResolution.High)
    sums.add_metric("Fallbacks", MetricUnit.Count, fallbacks, MetricResolution.High)
    sums.flush_metrics()
    # A zero tells the alarm that a model serves again; silence would leave it in ALARM for some periods more.
    by_reason = {str(NO_MODEL): 0}
    if answers.fallback_reason:
        by_reason[answers.fallback_reason] = fallbacks
    for reason, count in by_reason.items():
        of_reason = EphemeralMetrics()
        of_reason.add_dimension("reason", reason)
        of_reason.add_metric("Fallbacks", MetricUnit.Count, count, MetricResolution.High)
        of_reason.flush_metrics()


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer an event of API Gateway's HTTP API (payload format 2.0)."""
    return app.resolve(event, context)
