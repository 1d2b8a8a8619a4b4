"""``dwell promote``, ``dwell pause``, ``dwell resume`` and ``dwell outcome``."""

from __future__ import annotations

from typing import Annotated

import boto3
import typer

from dwell.client.leaderboard import read_leaderboard
from dwell.client.signed_api import create_api
from dwell.client.stack import Stack, find
from dwell.commands.error_reporting import report_errors
from dwell.commands.options import AsJson, StackName
from dwell.console.terminal import out, print_json
from dwell.operations import endpoint_requests as endpoint
from rounds import Store

Wait = Annotated[bool, typer.Option("--wait", help="Wait until that is so.")]
Patience = Annotated[float, typer.Option(min=1, help="Seconds to wait at most.")]

OUTCOME_SECONDS = 60.0
"""How long to wait for a request's outcome, which takes seconds unless an event before it fails."""

_TOLD = {
    "deploying": "{model} is on its way to the endpoint.",
    "waiting": "{model} follows when the endpoint has ended the change that it is in.",
    "paused": "The endpoint is paused; {model} answers after `dwell resume`.",
    "resuming": "{model} is on its way to the endpoint.",
    "nothing_to_resume": "The pause is over. No model had been there before.",
}


def promote(
    model: Annotated[str, typer.Argument(help="A model of the leaderboard that won its round.")],
    *,
    stack: StackName = "dwell",
    wait: Wait = False,
    patience: Patience = 7_200,
    as_json: AsJson = False,
) -> None:
    """Put an earlier, or a later, model behind the endpoint.

    It is watched for failures and slowness as every new model is, but not taken back for missing its promise.

    Exit status: 0 on its way (with --wait: it answers), 1 refused, taken back or not in time,
    2 no model can have that name.
    """
    _do(stack, {"action": "promote", "model": model}, wait=wait, patience=patience, as_json=as_json)


def pause(*, stack: StackName = "dwell", wait: Wait = False, patience: Patience = 900, as_json: AsJson = False) -> None:
    """Take the endpoint down, so that it costs nothing. Planners get the baseline; no alarm starts a round.

    Exit status: 0 on its way (with --wait: it is gone), 1 refused or not in time.
    """
    _do(stack, {"action": "pause"}, wait=wait, patience=patience, as_json=as_json)


def resume(
    *, stack: StackName = "dwell", wait: Wait = False, patience: Patience = 1_800, as_json: AsJson = False
) -> None:
    """Bring the endpoint up again after a pause, with the model that it had, or with a better one that won since.

    Exit status: 0 on its way (with --wait: it answers), 1 refused, failed or not in time.
    """
    _do(stack, {"action": "resume"}, wait=wait, patience=patience, as_json=as_json)


def outcome(
    request_id: Annotated[str, typer.Argument(help="The id of a request, as promote, pause or resume named it.")],
    *,
    stack: StackName = "dwell",
    as_json: AsJson = False,
) -> None:
    """Show the outcome of an earlier promote, pause or resume; outcomes are kept for 30 days.

    Exit status: 0 carried out, 1 refused or without an outcome (yet), 2 the request made no sense.
    """
    with report_errors():
        found = endpoint.read_outcome(_store(find(stack)), request_id)
        if found is None:
            raise endpoint.EndpointError(f"the request {request_id} has no outcome (yet)")
        if as_json:
            print_json(found)
        endpoint.raise_if_refused(found)
    if not as_json:
        out.print(_TOLD[found["reason"]].format(model=found["model"] or "no model"))


def _store(stack: Stack) -> Store:
    return Store(boto3.Session().resource("dynamodb").Table(stack.table))


def _do(name: str, request: dict[str, str], *, wait: bool, patience: float, as_json: bool) -> None:
    ended = None
    with report_errors():
        stack = find(name)
        sqs, store = boto3.Session().client("sqs"), _store(stack)
        said = endpoint.ask(sqs, store, stack.promotion_queue, request, seconds=patience if wait else OUTCOME_SECONDS)
        if not as_json:
            out.print(_TOLD[said["reason"]].format(model=said["model"] or "no model"))
        down = said["reason"] == "paused"
        if wait and (request["action"] == "pause" or said["reason"] in {"deploying", "waiting", "resuming"}):
            api = create_api(stack.api_url, timeout=20)
            ended = endpoint.wait(
                lambda: read_leaderboard(api, limit=100), None if down else said["model"], seconds=patience
            )
    if as_json:
        print_json({"answer": said, "endpoint": ended})
    elif ended is not None:
        out.print("It is down." if down else "It answers.")
