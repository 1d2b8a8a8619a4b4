"""The operators' commands: ``dwell leaderboard``, ``rounds``, ``quarantine``, ``replay``, ``retrain``, ``publish``."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path  # noqa: TC003 (typer reads the annotations when it runs)
from typing import TYPE_CHECKING, Annotated, Any, Literal

import boto3
import typer
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from dwell.api import NotSignableError, api_for
from dwell.fleet.publisher import Publisher, PublishError, sns_client
from dwell.operations import publishing, quarantine, retraining
from dwell.operations.samples_file import SamplesFileError
from dwell.stack import Stack, StackError, find
from feature_schema import TARGET

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FAILED, UNUSABLE = 1, 2
"""Exit statuses: what was asked for did not happen, or the call makes no sense."""

out = Console(soft_wrap=True, highlight=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)

StackName = Annotated[str, typer.Option("--stack", help="Which stack; AWS or a laptop is the environment's choice.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Limit = Annotated[int, typer.Option(min=1, max=100, help="How many, newest or best first.")]


class BoardError(RuntimeError):
    """The API does not give the leaderboard; the message says what it answered."""


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what can go wrong between here and a stack into a sentence and an exit status."""
    try:
        yield
    except (SamplesFileError, publishing.RefusedLinesError) as error:
        err.print(f"[red]{error}[/red]")
        raise typer.Exit(UNUSABLE) from error
    except (
        StackError, BoardError, NotSignableError, PublishError, retraining.RetrainingError, BotoCoreError, ClientError,
        HTTPClientError, OSError,
    ) as error:  # fmt: skip
        err.print(f"[red]{error}[/red]")
        raise typer.Exit(FAILED) from error


def _board(stack: Stack, limit: int = 20) -> dict[str, Any]:
    response = api_for(stack.api_url, timeout=20).get(f"/leaderboard?limit={limit}")
    if response.status_code != 200:
        raise BoardError(f"GET /leaderboard answers {response.status_code}: {response.text[:300]}")
    board: dict[str, Any] = json.loads(response.content)
    return board


def _say_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


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
    with _explained():
        board = _board(find(stack), limit)
    if as_json:
        _say_json(board["leaderboard"])
        return
    rows = [
        ["" if one["rank"] is None else str(one["rank"]), one["model"] + (" (live)" if one["live"] else ""),
         one["entrant"] or "", _number(one["test_rmse"]), _number(one["live_error"])]
        for one in board["leaderboard"]
    ]  # fmt: skip
    columns = ("#", "model", "entrant", "test error", "live error")
    right = frozenset({"#", "test error", "live error"})
    _table(f"Leaderboard (errors in {TARGET.unit})", columns, rows, right=right)


def rounds(stack: StackName = "dwell", limit: Limit = 20, as_json: AsJson = False) -> None:
    """The rounds of retraining, newest first: why each started and what came of it."""
    with _explained():
        board = _board(find(stack), limit)
    if as_json:
        _say_json(board["rounds"])
        return
    rows = [
        [one["round"], one["status"], _number((one["dataset"] or {}).get("train")), _number(one["baseline_rmse"]),
         _number(one["champion_rmse"]), one["promoted"] or one["reason"] or "-"]
        for one in board["rounds"]
    ]  # fmt: skip
    columns = ("round", "status", "train", "baseline", "champion", "promoted, or why not")
    right = frozenset({"train", "baseline", "champion"})
    _table(f"Rounds (errors in {TARGET.unit})", columns, rows, right=right)


def decisions(stack: StackName = "dwell", limit: Limit = 20, as_json: AsJson = False) -> None:
    """What the retraining function was asked, what it decided, and why; newest first."""
    with _explained():
        board = _board(find(stack), limit)
    if as_json:
        _say_json(board["decisions"])
        return
    rows = [
        [one["decided_at"], one["cause"], one["trigger"], one["outcome"], one["reason"],
         _number(one["facts"].get("new_samples"))]
        for one in board["decisions"]
    ]  # fmt: skip
    columns = ("decided at", "cause", "trigger", "outcome", "reason", "new samples")
    _table("Decisions", columns, rows, right=frozenset({"new samples"}))


def show_quarantine(
    stack: StackName = "dwell",
    hours: Annotated[
        float | None, typer.Option(min=0, help="Only what was received in the last so many hours.")
    ] = None,
    examples: Annotated[int, typer.Option(min=0, max=20, help="Lines to show for each reason.")] = 0,
    as_json: AsJson = False,
) -> None:
    """What waits in quarantine: how many lines for each reason, with examples."""
    since = None if hours is None else datetime.now(UTC) - timedelta(hours=hours)
    with _explained():
        found = quarantine.survey(boto3.Session().client("s3"), find(stack).bucket, since=since, examples=examples)
    shown = {
        reason: [line.line[:200].decode(errors="replace") for line in lines] for reason, lines in found.examples.items()
    }
    if as_json:
        _say_json({"lines": found.lines, "objects": found.objects, "reasons": found.reasons, "examples": shown})
        return
    title = f"Quarantine: {found.lines:,} lines in {found.objects:,} objects"
    rows = [[reason, f"{count:,}"] for reason, count in found.reasons.most_common()]
    _table(title, ("reason", "lines"), rows, right=frozenset({"lines"}))
    for reason, texts in shown.items():
        for text in texts:
            out.print(f"{reason}: {text!r}", markup=False)


def replay(
    stack: StackName = "dwell",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be put back.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put quarantined lines back that the schema accepts by now, each once; the others stay."""
    with _explained():
        found = find(stack)
        with Publisher(sns_client(found.topic_arn), found.topic_arn) as publisher:
            done = quarantine.replay(boto3.Session().client("s3"), found.bucket, publisher, dry_run=dry_run)
    if as_json:
        told = {"replayed": done.replayed, "objects": done.objects, "still_refused": dict(done.still_refused)}
        _say_json({**told, "dry_run": dry_run})
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
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the end of the round.")] = False,
    patience: Annotated[float, typer.Option(min=1, help="Seconds to wait at most.")] = 1_800,
    as_json: AsJson = False,
) -> None:
    """Ask for a round of retraining now. Cool-down and budget do not hold; one round at a time does."""
    with _explained():
        found = find(stack)
        identity = retraining.ask(
            boto3.Session().client("lambda"),
            found.retraining_function,
            reason=reason,
            hyperparameters=_hyperparameters(hyperparameter or []),
            entrant=entrant,
        )
        decision, begun = retraining.wait(
            lambda: _board(found), identity, until_ended=wait, seconds=patience if wait else min(patience, 120)
        )
    if as_json:
        _say_json({"decision": decision, "round": begun})
        return
    out.print(f"Round {decision['round']} has started.")
    if wait and begun is not None:
        out.print(f"It ended: {begun['status']}, {begun['promoted'] or begun['reason'] or 'the champion stays'}.")


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


def publish(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV, NDJSON or Parquet.")],
    stack: Annotated[str, typer.Option(help="Publish to the topic of this stack.")] = "dwell",
    topic: Annotated[str | None, typer.Option(help="ARN of an SNS topic, instead of a stack's.")] = None,
    refused: Annotated[
        Literal["stop", "skip", "send"],
        typer.Option(help="Lines that the validator would refuse: stop before anything is sent, skip, or send."),
    ] = "stop",
    as_json: AsJson = False,
) -> None:
    """Publish the samples of a file, packed. Run it again after an interruption: it goes on where it was."""
    with _explained():
        topic_arn = topic or find(stack).topic_arn
        checked = publishing.check(file)
        bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=err
        )
        with Publisher(sns_client(topic_arn), topic_arn) as publisher, bar:
            task = bar.add_task(file.name, total=checked.lines)
            done = publishing.publish(
                file,
                publisher,
                refused=refused,
                checked=checked,
                on_progress=lambda lines: bar.update(task, completed=lines),
            )
    if as_json:
        _say_json({**asdict(done), "refused": checked.refused})
        return
    again = f" (an earlier run had sent {done.resumed_at:,})" if done.resumed_at else ""
    out.print(f"Published {done.published:,} of {done.lines:,} lines{again}; {done.skipped:,} were skipped.")


def add_to(app: typer.Typer) -> None:
    """Give the commands to ``app``."""
    for command in (leaderboard, rounds, decisions, replay, retrain, publish):
        app.command()(command)
    app.command("quarantine")(show_quarantine)
