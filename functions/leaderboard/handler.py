"""The leaderboard: JSON at ``GET /leaderboard``, a page at ``GET /``, and a widget of a CloudWatch dashboard."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger
from botocore.config import Config

from leaderboard import html_view, query, widget
from leaderboard.json_view import board
from leaderboard.leaderboard_state import Surroundings, standing
from leaderboard.page_data import look
from leaderboard.time_range import Window
from rounds import Store

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

PAGE = "GET /"

logger = Logger()


@cache
def surroundings() -> Surroundings:
    """The clients of this environment, made at the first request."""
    config = Config(connect_timeout=2, read_timeout=10, retries={"mode": "standard"})
    return Surroundings(
        store=Store(boto3.resource("dynamodb", config=config).Table(os.environ["TABLE_NAME"])),
        cloudwatch=boto3.client("cloudwatch", config=config),
        service=os.environ["POWERTOOLS_SERVICE_NAME"],
        endpoint=os.environ["ENDPOINT_NAME"],
        alarms=os.environ["ALARMS"].split(","),
        clock=lambda: datetime.now(UTC),
    )


def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any] | str:
    """Answer an HTTP request (400 with a reason for a query that cannot be obeyed), or a dashboard."""
    if widget.is_widgets(event):
        return _widget(event)
    return _page(event) if event["routeKey"] == PAGE else _board(event)


def _board(event: dict[str, Any]) -> dict[str, Any]:
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    try:
        limit = query.limit(event)
    except query.BadQueryError as error:
        told = {"reason": error.reason, "field": error.field, "message": str(error)}
        return {"statusCode": 400, "headers": headers, "body": json.dumps(told)}
    told = board(standing(surroundings(), limit=limit), limit=limit)
    logger.info("leaderboard", extra={"models": len(told["leaderboard"]), "rounds": len(told["rounds"])})
    return {"statusCode": 200, "headers": headers, "body": json.dumps(told)}


def _page(event: dict[str, Any]) -> dict[str, Any]:
    try:
        span, refresh = query.span(event), query.refresh(event)
    except query.BadQueryError as error:
        return {"statusCode": 400, "headers": html_view.HEADERS, "body": html_view.problem(str(error))}
    around = surroundings()
    now = around.clock()
    shown = look(around, Window(now - span.length, now))
    logger.info("page", extra={"models": len(shown.standing.models), "intervals": len(shown.live_error)})
    return {
        "statusCode": 200,
        "headers": html_view.HEADERS,
        "body": html_view.page(shown, span=span.text, refresh=refresh),
    }


def _widget(event: dict[str, Any]) -> str:
    around = surroundings()
    wanted = widget.wanted(event, now=around.clock())
    if wanted is None:
        return widget.DESCRIPTION
    shown = look(around, wanted.window)
    logger.info("widget", extra={"models": len(shown.standing.models), "intervals": len(shown.live_error)})
    return html_view.widget(shown, zone=wanted.zone, theme=wanted.theme)
