"""``GET /leaderboard``: a request of an HTTP API in, JSON out."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger
from botocore.config import Config

from leaderboard.live_error import live_errors
from leaderboard.page import page
from leaderboard.query import MAX_LIMIT, BadQueryError, limit
from leaderboard.ranking import rank
from rounds import Decision, Endpoint, Model, Round, Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_cloudwatch import CloudWatchClient

logger = Logger()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The table, the metrics, whose they are, and what time it is."""

    store: Store
    cloudwatch: CloudWatchClient
    service: str
    endpoint: str
    clock: Callable[[], datetime]


@cache
def surroundings() -> Surroundings:
    """The clients of this environment, made at the first request."""
    config = Config(connect_timeout=2, read_timeout=10, retries={"mode": "standard"})
    return Surroundings(
        store=Store(boto3.resource("dynamodb", config=config).Table(os.environ["TABLE_NAME"])),
        cloudwatch=boto3.client("cloudwatch", config=config),
        service=os.environ["POWERTOOLS_SERVICE_NAME"],
        endpoint=os.environ["ENDPOINT_NAME"],
        clock=lambda: datetime.now(UTC),
    )


def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Answer the request; 400 with a reason for a query that cannot be obeyed."""
    try:
        asked = limit(event)
    except BadQueryError as error:
        return _answer(400, {"reason": error.reason, "field": error.field, "message": str(error)})
    board = leaderboard(surroundings(), limit=asked)
    logger.info("leaderboard", extra={"models": len(board["leaderboard"]), "rounds": len(board["rounds"])})
    return _answer(200, board)


def leaderboard(around: Surroundings, *, limit: int) -> dict[str, Any]:
    """Read what there is and rank it."""
    # The last rounds tell everything about their models, so the cost does not grow with history.
    rounds = around.store.newest(Round, limit=MAX_LIMIT)
    endpoint = around.store.get(Endpoint, around.endpoint)
    live = None if endpoint is None else endpoint.model
    known = list(rounds)
    if live is not None and not any(one.promoted == live for one in rounds):
        # A champion that has outlived all those rounds.
        model = around.store.get(Model, live)
        origin = None if model is None else around.store.get(Round, model.round)
        known += [] if origin is None else [origin]
    ranking = rank(known, live=live)
    live_since = {one.model: one.live_since for one in ranking[:limit] if one.live_since is not None}
    return page(
        ranking,
        errors=live_errors(around.cloudwatch, live_since, service=around.service, now=around.clock()),
        endpoint=endpoint,
        rounds=rounds,
        decisions=around.store.newest(Decision, limit=limit),
        limit=limit,
    )


def _answer(status: int, body: dict[str, Any]) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json", "cache-control": "no-store"},
        "body": json.dumps(body),
    }
