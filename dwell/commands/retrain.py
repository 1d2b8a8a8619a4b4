"""``dwell retrain``: request a retraining round by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import boto3
import typer
from botocore.config import Config

from dwell.client.leaderboard import read_leaderboard
from dwell.client.signed_api import create_api
from dwell.client.stack import find
from dwell.commands.error_reporting import report_errors
from dwell.commands.options import AsJson, StackName, parse_assignments
from dwell.console.terminal import out, print_json
from dwell.operations import retraining_requests

if TYPE_CHECKING:
    from dwell.client.leaderboard import ListedRound


def retrain(
    *,
    stack: StackName = "dwell",
    reason: Annotated[str, typer.Option(help="Recorded with the decision.")] = "asked for by an operator",
    hyperparameter: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE, such as xgboost.max_depth=6; may be given several times.")
    ] = None,
    entrant: Annotated[str | None, typer.Option(help="The name under which the candidates are ranked.")] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until the round has ended and its model, if promoted, serves.")
    ] = False,
    timeout: Annotated[float, typer.Option("--patience", min=1, help="Maximum number of seconds to wait.")] = 3_600,
    as_json: AsJson = False,
) -> None:
    """Request a retraining round now. Cool-down and budget are ignored; only one round runs at a time.

    Exit status: 0 started (with --wait: ended, with or without a promotion), 1 refused, failed or timed out,
    2 invalid request.
    """
    values = _parse_hyperparameters(hyperparameter or [])
    ended = None
    with report_errors():
        target = find(stack)
        config = Config(read_timeout=retraining_requests.RESPONSE_TIMEOUT_SECONDS)
        functions = boto3.Session().client("lambda", config=config)
        decision = retraining_requests.request_round(
            functions, target.retraining_function, reason=reason, hyperparameters=values, entrant=entrant
        )
        if not as_json:
            out.print(f"Round {decision['round']} has started.")
        if wait:
            api = create_api(target.api_url, timeout=20)
            ended = retraining_requests.wait(
                lambda: read_leaderboard(api, limit=100), decision["round"], seconds=timeout
            )
    if as_json:
        print_json({"decision": decision, "round": ended})
    elif ended is not None:
        out.print(_describe_end(ended))


_PENDING = {
    "awaiting_approval": "; it awaits approval",
    "awaiting_resume": "; the endpoint is paused, and it waits for `dwell resume`",
    "passed_over": "; another model has been selected since",
}


def _describe_end(round_: ListedRound) -> str:
    """How a round ended, and what its winner waits for if it does not serve."""
    result = round_["promoted"] or round_.get("sentence") or round_["reason"] or "the champion stays"
    return f"The round has ended: {round_['status']}, {result}{_PENDING.get(round_['deployment'] or '', '')}."


def _parse_hyperparameters(texts: list[str]) -> dict[str, Any]:
    """Values are read as JSON where they are JSON, else as text."""
    values: dict[str, Any] = {}
    for name, text in parse_assignments(texts, option="--hyperparameter").items():
        try:
            values[name] = json.loads(text)
        except ValueError:
            values[name] = text
    return values
