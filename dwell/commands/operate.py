"""The operators' commands: what to look at (``dwell leaderboard``...) and what to do (``dwell retrain``...)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import boto3
import typer
from botocore.config import Config

from dwell.client.leaderboard import read_board
from dwell.client.signed_api import api_for
from dwell.client.stack import Stack, find
from dwell.commands.board import board
from dwell.commands.options import AsJson, StackName, explained, out, say_json
from dwell.commands.promote import outcome, pause, promote, resume
from dwell.commands.publish import publish
from dwell.commands.ranking import best, show_ranking, standing
from dwell.commands.redrive import redrive
from dwell.console.tables import Column, Row, counted, number, shortened, show
from dwell.console.times import since as since_when
from dwell.messaging.publisher import Publisher, sns_client
from dwell.operations import quarantine_replay as quarantine
from dwell.operations import retraining_requests as retraining
from feature_schema import TARGET

if TYPE_CHECKING:
    from collections import Counter

Since = Annotated[str | None, typer.Option(help="Only what was received since: 90m, 24h, 7d, or a time in ISO 8601.")]
Reason = Annotated[str | None, typer.Option(help="Only what was refused for this reason, such as malformed.")]
Limit = Annotated[int, typer.Option(min=1, max=100, help="How many, newest or best first.")]


def _board(stack: Stack, limit: int = 20) -> dict[str, Any]:
    return read_board(api_for(stack.api_url, timeout=20), limit=limit)


def leaderboard(stack: StackName = "dwell", limit: Limit = 20, as_json: AsJson = False) -> None:
    """Every model, best first: lower error is better."""
    with explained():
        seen = _board(find(stack), limit)
    if as_json:
        say_json(seen["leaderboard"])
        return
    show_ranking(out, seen["leaderboard"], TARGET.unit)
    endpoint = seen["endpoint"] or {}
    if endpoint.get("pause"):
        out.print(f"The endpoint is {endpoint['pause']}; {endpoint['resumes'] or 'no model'} answers after that.")


def rounds(stack: StackName = "dwell", limit: Limit = 20, as_json: AsJson = False) -> None:
    """The rounds of retraining, newest first: why each started and what came of it."""
    with explained():
        seen = _board(find(stack), limit)
    if as_json:
        say_json(seen["rounds"])
        return
    live = (seen["endpoint"] or {}).get("model")
    rows = [
        Row([
            one["round"], one["status"], number((one["dataset"] or {}).get("train")), number(one["baseline_rmse"]),
            number(one["champion_rmse"]), number(best(one)), one["entrant"] or "", _came_of(one, live),
        ])
        for one in seen["rounds"]
    ]  # fmt: skip
    show(out, f"Rounds (errors in {TARGET.unit})", _ROUNDS, rows)


_ROUNDS = (
    Column("round"),
    Column("status"),
    Column("train", right=True),
    Column("baseline", right=True),
    Column("champion", right=True),
    Column("best", right=True),
    Column("entrant", gives_way=True),
    Column("came of it", gives_way=True),
)


def _came_of(one: dict[str, Any], live: str | None) -> str:
    """Who won a round, whether that model answers now, and the sentence about it."""
    # a stack that was deployed from an earlier checkout tells the code only
    sentence: str = one.get("sentence") or one["reason"] or "-"
    # an operator may have had a winner deployed that the round did not promote
    won = one.get("submitted", one["promoted"])
    if won is None:
        return sentence
    # the record says "live" of whatever once got there
    deployed = "live" if won == live else "deployed"
    status = deployed if one["deployment"] == "live" else one["deployment"]
    return f"{won}{standing(status or '')}: {sentence}"


def decisions(stack: StackName = "dwell", limit: Limit = 20, as_json: AsJson = False) -> None:
    """What the retraining function was asked, what it decided, and why; newest first."""
    with explained():
        seen = _board(find(stack), limit)
    if as_json:
        say_json(seen["decisions"])
        return
    rows = [
        Row([
            one["decided_at"], one["cause"], one["trigger"], _OUTCOMES.get(one["outcome"], one["outcome"]),
            number(one["facts"].get("new_samples")), one["facts"].get("entrant") or "",
            one.get("sentence") or one["reason"], one["facts"].get("note") or "",
        ])
        for one in seen["decisions"]
    ]  # fmt: skip
    show(out, "Decisions", _DECISIONS, rows)


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


def show_quarantine(
    stack: StackName = "dwell",
    since: Since = None,
    reason: Reason = None,
    examples: Annotated[int, typer.Option(min=0, max=20, help="Lines to show for each reason.")] = 0,
    as_json: AsJson = False,
) -> None:
    """What waits in quarantine: how many lines for each reason, with examples.

    "accepted now" counts what the schema of this checkout takes by now: what `dwell replay` would put back.
    """
    now = datetime.now(UTC)
    with explained():
        found = quarantine.survey(
            boto3.Session().client("s3"),
            find(stack).bucket,
            chosen=quarantine.Chosen(_time(since, now), reason),
            examples=examples,
            now=now,
        )
    if as_json:
        say_json(
            {
                "lines": found.lines,
                "objects": found.objects,
                "reasons": found.reasons,
                "accepted_now": found.accepted_now,
                "examples": {key: [_shown(line) for line in lines] for key, lines in found.examples.items()},
            }
        )
        return
    if not found.lines:
        out.print(_nothing(since, reason, found.others), markup=False)
        return
    title = f"Quarantine: {counted(found.lines, 'line')} in {counted(found.objects, 'object')}"
    ordered = found.reasons.most_common()
    rows = [Row([key, f"{count:,}", f"{found.accepted_now[key]:,}"]) for key, count in ordered]
    show(out, title, _REASONS, rows)
    for key, _ in ordered:
        if found.examples[key]:
            out.print(f"\nExamples of {key}:", markup=False)
        for line in found.examples[key]:
            told = f"{line.detail}: " if line.detail else ""
            out.print(f"    {told}{shortened(repr(_text(line)), _SHOWN)}", markup=False)


def _nothing(since: str | None, reason: str | None, others: Counter[str]) -> str:
    """What there is instead of what was asked for."""
    when = "" if since is None else f" that came since {since}"
    if reason is None:
        return f"Quarantine: nothing{when} waits."
    there = ", ".join(f"{key} ({count:,})" for key, count in others.most_common()) or "no other reason either"
    return f"Quarantine: nothing{when} waits for the reason {reason!r}. There is: {there}."


_SHOWN = 200
"""Characters of an example beside the table; ``--json`` has all of them."""
_REASONS = (Column("reason"), Column("lines", right=True), Column("accepted now", right=True))


def _time(text: str | None, now: datetime) -> datetime | None:
    try:
        at = None if text is None else since_when(text, now=now)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--since") from error
    if at is not None and at > now:
        raise typer.BadParameter(f"nothing has come since {text}: that is in the future", param_hint="--since")
    return at


def _text(line: quarantine.Held) -> str:
    return line.line.decode(errors="replace")


def _shown(line: quarantine.Held) -> dict[str, Any]:
    return {
        "line": _text(line),
        "detail": line.detail,
        "message_id": line.message_id,
        "position": line.position,
        "received_at": line.received_at.isoformat(),
    }


def replay(
    stack: StackName = "dwell",
    since: Since = None,
    reason: Reason = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be put back.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put quarantined lines back that the schema of this checkout accepts by now, each once; the others stay.

    Deploy the schema first: the validator looks at every line again.
    """
    now = datetime.now(UTC)
    chosen = quarantine.Chosen(_time(since, now), reason)
    with explained():
        found = find(stack)
        with Publisher(sns_client(found.topic_arn), found.topic_arn) as publisher:
            s3 = boto3.Session().client("s3")
            done = quarantine.replay(s3, found.bucket, publisher, chosen=chosen, dry_run=dry_run, now=now)
    if as_json:
        told = {"replayed": done.replayed, "objects": done.objects, "still_refused": dict(done.still_refused)}
        say_json({**told, "dry_run": dry_run})
        return
    if not done.found:
        out.print(_nothing(since, reason, done.others), markup=False)
        return
    out.print(
        f"{'Would put' if dry_run else 'Put'} back {counted(done.replayed, 'line')} "
        f"of {counted(done.objects, 'object')}; {done.still_refused.total():,} still refused."
    )


def retrain(
    *,
    stack: StackName = "dwell",
    reason: Annotated[str, typer.Option(help="Why; it is recorded with the decision.")] = "asked for by an operator",
    hyperparameter: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE, such as xgboost.max_depth=6; may be given several times.")
    ] = None,
    entrant: Annotated[str | None, typer.Option(help="The name under which the candidates are ranked.")] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the end of the round, and for its model to serve.")
    ] = False,
    patience: Annotated[float, typer.Option(min=1, help="Seconds to wait at most.")] = 3_600,
    as_json: AsJson = False,
) -> None:
    """Ask for a round of retraining now. Cool-down and budget do not hold; one round at a time does.

    Exit status: 0 started (with --wait: ended, whether a model was promoted or not), 1 refused, failed or not in time,
    2 the request makes no sense.
    """
    values = _hyperparameters(hyperparameter or [])
    ended = None
    with explained():
        found = find(stack)
        config = Config(read_timeout=retraining.ANSWER_SECONDS)
        functions = boto3.Session().client("lambda", config=config)
        decision = retraining.ask(
            functions, found.retraining_function, reason=reason, hyperparameters=values, entrant=entrant
        )
        if not as_json:
            out.print(f"Round {decision['round']} has started.")
        if wait:
            ended = retraining.wait(lambda: _board(found, 100), decision["round"], seconds=patience)
    if as_json:
        say_json({"decision": decision, "round": ended})
    elif ended is not None:
        out.print(_ended(ended))


_HELD = {
    "awaiting_approval": "; it waits for somebody to approve it",
    "awaiting_resume": "; the endpoint is paused, and it waits for `dwell resume`",
    "passed_over": "; another model was chosen since",
}


def _ended(one: dict[str, Any]) -> str:
    """How a round ended, and what its winner waits for if it does not serve."""
    won = one["promoted"] or one.get("sentence") or one["reason"] or "the champion stays"
    return f"It ended: {one['status']}, {won}{_HELD.get(one['deployment'], '')}."


def _hyperparameters(given: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for one in given:
        name, separator, value = one.partition("=")
        if not separator or not name:
            raise typer.BadParameter(f"{one!r} is not NAME=VALUE", param_hint="--hyperparameter")
        try:
            values[name] = json.loads(value)
        except ValueError:
            values[name] = value
    return values


def add_to(app: typer.Typer) -> None:
    """Give the commands to ``app``."""
    for command in (
        leaderboard, board, rounds, decisions, replay, redrive, retrain, publish, promote, pause, resume, outcome,
    ):  # fmt: skip
        app.command()(command)
    app.command("quarantine")(show_quarantine)
