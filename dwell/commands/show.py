"""``dwell leaderboard``, ``dwell rounds`` and ``dwell decisions``: what the leaderboard API shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dwell.client.leaderboard import best_rmse, read_leaderboard
from dwell.client.signed_api import create_api
from dwell.client.stack import find
from dwell.commands.error_reporting import report_errors
from dwell.commands.model_table import format_model_status, show_models
from dwell.commands.options import AsJson, StackName
from dwell.console.numbers import format_number
from dwell.console.tables import Column, Row, show
from dwell.console.terminal import out, print_json
from feature_schema import TARGET

if TYPE_CHECKING:
    from dwell.client.leaderboard import Leaderboard, ListedRound

Limit = Annotated[int, typer.Option(min=1, max=100, help="Maximum number of entries.")]


def _read(stack: str, limit: int) -> Leaderboard:
    with report_errors():
        return read_leaderboard(create_api(find(stack).api_url, timeout=20), limit=limit)


def leaderboard(stack: StackName = "dwell", limit: Limit = 20, as_json: AsJson = False) -> None:
    """Show every model, best first: a lower error is better."""
    state = _read(stack, limit)
    if as_json:
        print_json(state["leaderboard"])
        return
    show_models(out, state["leaderboard"], TARGET.unit)
    endpoint = state["endpoint"]
    if endpoint is not None and endpoint["pause"]:
        model = endpoint["resumes"] or "no model"
        out.print(f"The endpoint is {endpoint['pause']}; {model} serves after that.")


_ROUNDS = (
    Column("round"),
    Column("status"),
    Column("train", right=True),
    Column("baseline", right=True),
    Column("champion", right=True),
    Column("best", right=True),
    Column("entrant", gives_way=True),
    Column("result", gives_way=True),
)


def rounds(stack: StackName = "dwell", limit: Limit = 20, as_json: AsJson = False) -> None:
    """Show the retraining rounds, newest first: why each started and how it ended."""
    state = _read(stack, limit)
    if as_json:
        print_json(state["rounds"])
        return
    endpoint = state["endpoint"]
    live_model = None if endpoint is None else endpoint["model"]
    rows = [
        Row([
            round_["round"], round_["status"], format_number((round_["dataset"] or {}).get("train")),
            format_number(round_["baseline_rmse"]), format_number(round_["champion_rmse"]),
            format_number(best_rmse(round_)), round_["entrant"] or "", _describe_result(round_, live_model),
        ])
        for round_ in state["rounds"]
    ]  # fmt: skip
    show(out, f"Rounds (errors in {TARGET.unit})", _ROUNDS, rows)


def _describe_result(round_: ListedRound, live_model: str | None) -> str:
    """The model that the round submitted, whether it serves now, and the API's sentence about the round."""
    # A stack deployed from an earlier checkout sends the reason's code only.
    sentence = round_.get("sentence") or round_["reason"] or "-"
    # An operator may have deployed a winner that the round did not promote.
    model = round_.get("submitted", round_["promoted"])
    if model is None:
        return sentence
    # The record keeps "live" after the model has been replaced.
    deployed = "live" if model == live_model else "deployed"
    status = deployed if round_["deployment"] == "live" else round_["deployment"]
    return f"{model}{format_model_status(status or '')}: {sentence}"


_OUTCOMES = {"start": "started", "refuse": "refused"}
_DECISIONS = (
    Column("decided at"),
    Column("cause"),
    Column("trigger"),
    Column("outcome"),
    Column("new samples", right=True),
    Column("entrant", gives_way=True),
    Column("why", gives_way=True),
    Column("note", gives_way=True),
)


def decisions(stack: StackName = "dwell", limit: Limit = 20, as_json: AsJson = False) -> None:
    """Show the decisions of the retraining function with their reasons, newest first."""
    state = _read(stack, limit)
    if as_json:
        print_json(state["decisions"])
        return
    rows = [
        Row([
            decision["decided_at"], decision["cause"], decision["trigger"],
            _OUTCOMES.get(decision["outcome"], decision["outcome"]),
            format_number(decision["facts"].get("new_samples")), decision["facts"].get("entrant") or "",
            decision.get("sentence") or decision["reason"], decision["facts"].get("note") or "",
        ])
        for decision in state["decisions"]
    ]  # fmt: skip
    show(out, "Decisions", _DECISIONS, rows)
