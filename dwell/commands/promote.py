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

Wait = Annotated[bool, typer.Option("--wait", help="Wait until the request has been carried out.")]
Timeout = Annotated[float, typer.Option("--patience", min=1, help="Maximum number of seconds to wait.")]

OUTCOME_SECONDS = 60.0
"""How long to wait for a request's outcome, which takes seconds unless an event before it fails."""

_OUTCOME_TEXTS = {
    "deploying": "{model} is on its way to the endpoint.",
    "waiting": "{model} follows when the endpoint has ended the change that it is in.",
    "paused": "The endpoint is paused; {model} answers after `dwell resume`.",
    "resuming": "{model} is on its way to the endpoint.",
    "nothing_to_resume": "The pause has ended. No model was deployed before it.",
}


def promote(
    model: Annotated[str, typer.Argument(help="A model of the leaderboard that won its round.")],
    *,
    stack: StackName = "dwell",
    wait: Wait = False,
    timeout: Timeout = 7_200,
    as_json: AsJson = False,
) -> None:
    """Deploy an earlier or a later model.

    It is rolled back for failures and latency like every new model, but not for missing its promised error.

    Exit status: 0 on its way (with --wait: it answers), 1 refused, rolled back or timed out,
    2 no model can have that name.
    """
    _send_request(stack, {"action": "promote", "model": model}, wait=wait, timeout=timeout, as_json=as_json)


def pause(*, stack: StackName = "dwell", wait: Wait = False, timeout: Timeout = 900, as_json: AsJson = False) -> None:
    """Delete the endpoint, so that it costs nothing. Planners get the baseline; no alarm starts a round.

    Exit status: 0 on its way (with --wait: it is gone), 1 refused or timed out.
    """
    _send_request(stack, {"action": "pause"}, wait=wait, timeout=timeout, as_json=as_json)


def resume(
    *, stack: StackName = "dwell", wait: Wait = False, timeout: Timeout = 1_800, as_json: AsJson = False
) -> None:
    """Create the endpoint again after a pause, with the model that it had, or with a better one that won since.

    Exit status: 0 on its way (with --wait: it answers), 1 refused, failed or timed out.
    """
    _send_request(stack, {"action": "resume"}, wait=wait, timeout=timeout, as_json=as_json)


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
        result = endpoint.read_outcome(_store(find(stack)), request_id)
        if result is None:
            raise endpoint.EndpointError(f"the request {request_id} has no outcome (yet)")
        if as_json:
            print_json(result)
        endpoint.raise_if_refused(result)
    if not as_json:
        out.print(_OUTCOME_TEXTS[result["reason"]].format(model=result["model"] or "no model"))


def _store(stack: Stack) -> Store:
    return Store(boto3.Session().resource("dynamodb").Table(stack.table))


def _send_request(stack_name: str, request: dict[str, str], *, wait: bool, timeout: float, as_json: bool) -> None:
    endpoint_state = None
    with report_errors():
        stack = find(stack_name)
        sqs, store = boto3.Session().client("sqs"), _store(stack)
        result = endpoint.request(
            sqs, store, stack.promotion_queue, request, seconds=timeout if wait else OUTCOME_SECONDS
        )
        if not as_json:
            out.print(_OUTCOME_TEXTS[result["reason"]].format(model=result["model"] or "no model"))
        is_down = result["reason"] == "paused"
        if wait and (request["action"] == "pause" or result["reason"] in {"deploying", "waiting", "resuming"}):
            api = create_api(stack.api_url, timeout=20)
            endpoint_state = endpoint.wait(
                lambda: read_leaderboard(api, limit=100), None if is_down else result["model"], seconds=timeout
            )
    if as_json:
        print_json({"answer": result, "endpoint": endpoint_state})
    elif endpoint_state is not None:
        out.print("It is down." if is_down else "It answers.")
