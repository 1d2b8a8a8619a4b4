"""The operators' commands: what to look at (``dwell leaderboard``...) and what to do (``dwell retrain``...)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import boto3
import typer
from botocore.config import Config
from rich import box
from rich.table import Table

from dwell.api import api_for
from dwell.board import read_board
from dwell.fleet.publisher import Publisher, sns_client
from dwell.operations import quarantine, retraining
from dwell.operations.board import board
from dwell.operations.command import AsJson, StackName, explained, out, say_json
from dwell.operations.promotion import pause, promote, resume
from dwell.operations.publish import publish
from dwell.operations.redrive import redrive
from dwell.operations.since import since as since_when
from dwell.stack import Stack, find
from feature_schema import TARGET

if TYPE_CHECKING:
    from collections.abc import Sequence

Since = Annotated[str | None, typer.Option(help="Only what was received since: 90m, 24h, 7d, or a time in ISO 8601.")]
Reason = Annotated[str | None, typer.Option(help="Only what was refused for this reason, such as malformed.")]
Limit = Annotated[int, typer.Option(min=1, max=100, help="How many, newest or best first.")]


def _board(stack: Stack, limit: int = 20) -> dict[str, Any]:
    return read_board(api_for(stack.api_url, timeout=20), limit=limit)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.4g}" if abs(value) < 100 else f"{value:,.0f}"


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: frozenset[str]) -> None:
    if not rows:
        out.print(f"{title}: nothing yet.")
        return
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        # a name is looked for and copied: it stays whole
        is_name = column in {"model", "round", "reason", "decided at"}
        table.add_column(column, justify="right" if column in right else "left", overflow="fold", no_wrap=is_name)
    for row in rows:
        table.add_row(*row)
    out.print(table)


def leaderboard(stack: StackName = "dwell", limit: Limit = 20, as_json: AsJson = False) -> None:
    """Every model, best first: lower error is better."""
    with explained():
        seen = _board(find(stack), limit)
    if as_json:
        say_json(seen["leaderboard"])
        return
    rows = [
        ["" if one["rank"] is None else str(one["rank"]), one["model"] + _standing(one["status"]),
         one["entrant"] or "", _number(one["test_rmse"]), _number(one["live_error"])]
        for one in seen["leaderboard"]
    ]  # fmt: skip
    columns = ("#", "model", "entrant", "test error", "live error")
    right = frozenset({"#", "test error", "live error"})
    _table(f"Leaderboard (errors in {TARGET.unit})", columns, rows, right=right)
    endpoint = seen["endpoint"] or {}
    if endpoint.get("pause"):
        out.print(f"The endpoint is {endpoint['pause']}; {endpoint['resumes'] or 'no model'} answers after that.")


def _standing(status: str) -> str:
    """What a name needs beside it."""
    told = {"awaiting_approval", "rejected", "live", "rolled_back"}
    return f" ({status.replace('_', ' ')})" if status in told else ""


def rounds(stack: StackName = "dwell", limit: Limit = 20, as_json: AsJson = False) -> None:
    """The rounds of retraining, newest first: why each started and what came of it."""
    with explained():
        seen = _board(find(stack), limit)
    if as_json:
        say_json(seen["rounds"])
        return
    rows = [
        [one["round"], one["status"], _number((one["dataset"] or {}).get("train")), _number(one["baseline_rmse"]),
         _number(one["champion_rmse"]), (one["promoted"] or one["reason"] or "-") + _standing(one["deployment"] or "")]
        for one in seen["rounds"]
    ]  # fmt: skip
    columns = ("round", "status", "train", "baseline", "champion", "promoted, or why not")
    right = frozenset({"train", "baseline", "champion"})
    _table(f"Rounds (errors in {TARGET.unit})", columns, rows, right=right)


def decisions(stack: StackName = "dwell", limit: Limit = 20, as_json: AsJson = False) -> None:
    """What the retraining function was asked, what it decided, and why; newest first."""
    with explained():
        seen = _board(find(stack), limit)
    if as_json:
        say_json(seen["decisions"])
        return
    rows = [
        [one["decided_at"], one["cause"], one["trigger"], one["outcome"], one["reason"],
         _number(one["facts"].get("new_samples"))]
        for one in seen["decisions"]
    ]  # fmt: skip
    columns = ("decided at", "cause", "trigger", "outcome", "reason", "new samples")
    _table("Decisions", columns, rows, right=frozenset({"new samples"}))


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
    title = f"Quarantine: {found.lines:,} lines in {found.objects:,} objects"
    rows = [[key, f"{count:,}", f"{found.accepted_now[key]:,}"] for key, count in found.reasons.most_common()]
    _table(title, ("reason", "lines", "accepted now"), rows, right=frozenset({"lines", "accepted now"}))
    for key, lines in found.examples.items():
        for line in lines:
            out.print(f"{key}: {line.detail}: {_text(line)!r}", markup=False)


def _time(text: str | None, now: datetime) -> datetime | None:
    try:
        return None if text is None else since_when(text, now=now)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--since") from error


def _text(line: quarantine.Held) -> str:
    return line.line[:200].decode(errors="replace")


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
    out.print(
        f"{'Would put' if dry_run else 'Put'} back {done.replayed:,} lines of {done.objects:,} objects; "
        f"{done.still_refused.total():,} are still refused."
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

    Exit status: 0 started (with --wait: ended, whether a model was promoted or not), 1 refused, failed or not in time.
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
    won = one["promoted"] or one["reason"] or "the champion stays"
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
        leaderboard, board, rounds, decisions, replay, redrive, retrain, publish, promote, pause, resume,
    ):  # fmt: skip
        app.command()(command)
    app.command("quarantine")(show_quarantine)
