"""The leaderboard: JSON at ``GET /leaderboard``, a page at ``GET /``, and a widget of a CloudWatch dashboard."""

from __future__ import annotations

import json
import os
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger

from leaderboard.html_view import HEADERS, render_error_page, render_page, render_widget
from leaderboard.json_view import build_leaderboard_json
from leaderboard.leaderboard_state import LeaderboardContext, load_leaderboard_state
from leaderboard.page_data import load_page_data
from leaderboard.query import InvalidQueryError, parse_limit, parse_refresh, parse_span
from leaderboard.time_range import TimeRange
from leaderboard.widget import DESCRIPTION, is_widget_event, parse_widget_event
from rounds import build_client_config, open_store, utc_now

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from leaderboard.page_data import PageData

PAGE_ROUTE = "GET /"
READ_TIMEOUT_SECONDS = 10.0

logger = Logger()


@cache
def get_context() -> LeaderboardContext:
    """Create the clients of this execution environment, at its first request."""
    config = build_client_config(read_timeout_seconds=READ_TIMEOUT_SECONDS)
    return LeaderboardContext(
        store=open_store(os.environ["TABLE_NAME"], config),
        cloudwatch=boto3.client("cloudwatch", config=config),
        service=os.environ["POWERTOOLS_SERVICE_NAME"],
        endpoint=os.environ["ENDPOINT_NAME"],
        alarms=os.environ["ALARMS"].split(","),
        clock=utc_now,
    )


def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any] | str:
    """Answer an HTTP request (400 with a reason for an invalid query), or a dashboard's request."""
    if is_widget_event(event):
        return _handle_widget(event)
    return _handle_page(event) if event["routeKey"] == PAGE_ROUTE else _handle_json(event)


def _handle_json(event: dict[str, Any]) -> dict[str, Any]:
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    try:
        limit = parse_limit(event)
    except InvalidQueryError as error:
        problem = {"reason": error.reason, "field": error.field, "message": str(error)}
        return {"statusCode": 400, "headers": headers, "body": json.dumps(problem)}
    leaderboard = build_leaderboard_json(load_leaderboard_state(get_context(), limit=limit), limit=limit)
    logger.info("leaderboard", extra={"models": len(leaderboard["leaderboard"]), "rounds": len(leaderboard["rounds"])})
    return {"statusCode": 200, "headers": headers, "body": json.dumps(leaderboard)}


def _handle_page(event: dict[str, Any]) -> dict[str, Any]:
    try:
        span, refresh = parse_span(event), parse_refresh(event)
    except InvalidQueryError as error:
        return {"statusCode": 400, "headers": HEADERS, "body": render_error_page(str(error))}
    context = get_context()
    now = context.clock()
    data = load_page_data(context, TimeRange(now - span.length, now))
    _log_page("page", data)
    return {"statusCode": 200, "headers": HEADERS, "body": render_page(data, span=span.text, refresh=refresh)}


def _handle_widget(event: dict[str, Any]) -> str:
    context = get_context()
    request = parse_widget_event(event, now=context.clock())
    if request is None:
        return DESCRIPTION
    data = load_page_data(context, request.time_range)
    _log_page("widget", data)
    return render_widget(data, zone=request.zone, theme=request.theme)


def _log_page(message: str, data: PageData) -> None:
    logger.info(message, extra={"models": len(data.state.models), "intervals": len(data.live_error)})
