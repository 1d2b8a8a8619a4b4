"""``dwell redrive``: what the backend could not handle in any attempt goes back to where it failed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import boto3
import typer

from dwell.client.stack import find
from dwell.commands.options import FAILED, AsJson, StackName, err, explained, out, say_json
from dwell.console.tables import Column, Row, counted, shortened, show
from dwell.messaging.publisher import Publisher, sns_client
from dwell.operations import failed_batches, promotion_dead_letters
from dwell.operations import failed_events as failures_queue

if TYPE_CHECKING:
    from dwell.client.stack import Stack
    from dwell.operations.failed_batches import SentBack
    from dwell.operations.failed_events import Redriven
    from dwell.operations.promotion_dead_letters import DeadLetter

_WORDS = {"sent": "sent back", "would_go_back": "would go back", "kept": "stays", "refused": "refused, stays"}
_GO = {"sent", "would_go_back"}

_SHOWN = 200
"""Characters of an error in the table."""


def redrive(
    stack: StackName = "dwell",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what waits.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send back what failed in every attempt: events in the failures queue, and batches that the validator failed.

    An event goes to its function, or into promotion's queue, once more; a batch, through the topic. Mend what made
    them fail first. Exit status: 0 everything went back (or nothing waited), 1 something stays. With --json, each event
    has an "outcome": sent, would_go_back (in a dry run), kept (it is none of this stack's) or refused (by Lambda).
    """
    with explained():
        found = find(stack)
        events = _events(found, dry_run=dry_run)
        batches = _batches(found, dry_run=dry_run)
    if as_json:
        say_json({"events": [_told(one) for one in events], "batches": _batches_told(batches), "dry_run": dry_run})
    else:
        _show(events, batches, dry_run=dry_run)
    if batches.stays or any(one.outcome not in _GO for one in events):
        raise typer.Exit(FAILED)


def _events(stack: Stack, *, dry_run: bool) -> list[Redriven]:
    session = boto3.Session()
    now = datetime.now(UTC)
    events = failures_queue.redrive(
        session.client("sqs"),
        session.client("lambda"),
        stack.failures_queue,
        stack=stack.name,
        before=now,
        dry_run=dry_run,
        promotion_queue=stack.promotion_queue,
    )
    dead_letters = promotion_dead_letters.redrive(
        session.client("sqs"), stack.promotion_dead_letters, stack.promotion_queue, before=now, dry_run=dry_run
    )
    return [*events, *(_redriven(letter, stack, dry_run=dry_run) for letter in dead_letters)]


def _redriven(letter: DeadLetter, stack: Stack, *, dry_run: bool) -> Redriven:
    error = f"{letter.kind}: the log of {stack.name}-promotion says why"
    event = failures_queue.Parked(letter.message_id, "", letter.failed_at, f"{stack.name}-promotion", error=error)
    return failures_queue.Redriven(event, "would_go_back" if dry_run else "sent")


def _batches(stack: Stack, *, dry_run: bool) -> SentBack:
    with Publisher(sns_client(stack.topic_arn), stack.topic_arn) as publisher:
        return failed_batches.send_back(boto3.Session().client("s3"), stack.bucket, publisher, dry_run=dry_run)


def _told(one: Redriven) -> dict[str, Any]:
    event = one.event
    return {
        "message_id": event.message_id,
        "function": event.function,
        "parked_at": event.parked_at.isoformat(timespec="milliseconds"),
        "error": event.error,
        "outcome": one.outcome,
        "detail": one.detail,
    }


def _batches_told(batches: SentBack) -> dict[str, Any]:
    return {
        "objects": batches.objects,
        "records": batches.records,
        "lines": batches.lines,
        "errors": batches.errors,
        "stays": batches.stays,
    }


def _show(events: list[Redriven], batches: SentBack, *, dry_run: bool) -> None:
    if events:
        _show_events(events)
    else:
        out.print("Failures queue: nothing waits.")
    for sentence in batches.stays:
        err.print(sentence, style="yellow", markup=False)
    if not batches.objects:
        out.print(f"Failed batches: none{' that can go back' if batches.stays else ''}.")
        return
    verb = "would go" if dry_run else "went"
    out.print(
        f"Failed batches: {counted(batches.lines, 'line')} of {counted(batches.records, 'record')} in "
        f"{counted(batches.objects, 'object')} {verb} back."
    )
    for error in batches.errors:
        out.print(f"  {error}", markup=False)


def _show_events(events: list[Redriven]) -> None:
    kinds: dict[tuple[str, ...], list[Redriven]] = {}
    for one in events:
        error = shortened(one.event.error, _SHOWN)
        kinds.setdefault((one.event.function or "?", error, one.outcome, one.detail), []).append(one)
    rows = []
    for (function, error, outcome, detail), alike in sorted(kinds.items(), key=lambda kind: -len(kind[1])):
        oldest = min(one.event.parked_at for one in alike).isoformat(timespec="seconds")
        said = f"{error} ({detail})" if detail else error
        rows.append(Row([function, f"{len(alike):,}", oldest, _WORDS[outcome], said]))
    show(out, "Failures queue", _EVENTS, rows)


_EVENTS = (
    Column("function"),
    Column("events", right=True),
    Column("oldest"),
    Column("now"),
    Column("what it failed with", gives_way=True),
)
