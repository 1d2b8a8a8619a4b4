"""``dwell promote``, ``dwell pause`` and ``dwell resume``."""

from __future__ import annotations

from typing import Annotated

import boto3
import typer
from botocore.config import Config

from dwell.client.leaderboard import read_board
from dwell.client.signed_api import api_for
from dwell.client.stack import find
from dwell.commands.options import AsJson, StackName, explained, out, say_json
from dwell.operations import endpoint_requests as endpoint

Wait = Annotated[bool, typer.Option("--wait", help="Wait until that is so.")]
Patience = Annotated[float, typer.Option(min=1, help="Seconds to wait at most.")]

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


def _do(name: str, request: dict[str, str], *, wait: bool, patience: float, as_json: bool) -> None:
    ended = None
    with explained():
        stack = find(name)
        functions = boto3.Session().client("lambda", config=Config(read_timeout=endpoint.ANSWER_SECONDS))
        said = endpoint.ask(functions, stack.promotion_function, request, seconds=patience if wait else 60)
        if not as_json:
            out.print(_TOLD[said["reason"]].format(model=said["model"] or "no model"))
        down = said["reason"] == "paused"
        if wait and (request["action"] == "pause" or said["reason"] in {"deploying", "waiting", "resuming"}):
            api = api_for(stack.api_url, timeout=20)
            ended = endpoint.wait(lambda: read_board(api, limit=100), None if down else said["model"], seconds=patience)
    if as_json:
        say_json({"answer": said, "endpoint": ended})
    elif ended is not None:
        out.print("It is down." if down else "It answers.")
