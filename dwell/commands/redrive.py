"""``dwell redrive``: send what failed in every attempt to where it failed again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import boto3
import typer

from dwell.client.stack import find
from dwell.commands.error_reporting import report_errors
from dwell.commands.options import AsJson, StackName
from dwell.console.exit_status import FAILED
from dwell.console.numbers import format_count
from dwell.console.tables import Column, Row, shorten, show
from dwell.console.terminal import err, out, print_json
from dwell.console.times import format_milliseconds, format_seconds
from dwell.messaging.publisher import Publisher, create_sns_client
from dwell.operations import failed_batches, failed_events, promotion_dead_letters
from dwell.operations.failed_events import FailedEvent, RedriveResult

if TYPE_CHECKING:
    from dwell.client.stack import Stack
    from dwell.operations.failed_batches import RepublishResult
    from dwell.operations.promotion_dead_letters import DeadLetter

_OUTCOMES = {"sent": "sent back", "would_go_back": "would go back", "kept": "stays", "refused": "refused, stays"}
_REDRIVEN = {"sent", "would_go_back"}

_ERROR_CHARACTERS = 200
"""Length of an error in the table."""


def redrive(
    stack: StackName = "dwell",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be sent back.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send failed events back to their functions, and batches that the validator failed on to the topic.

    Events for promotion go to its queue. Fix the cause of the failures first: each event and each batch gets one more
    try.

    Exit status: 0 everything was sent back (or there was nothing), 1 something stays. With --json, each event has an
    "outcome": sent, would_go_back (in a dry run), kept (not from a function of this stack) or refused (by Lambda).
    """
    with report_errors():
        target = find(stack)
        events = _redrive_events(target, dry_run=dry_run)
        batches = _republish_batches(target, dry_run=dry_run)
    if as_json:
        print_json(
            {
                "events": [_event_to_json(result) for result in events],
                "batches": _batches_to_json(batches),
                "dry_run": dry_run,
            }
        )
    else:
        _show(events, batches, dry_run=dry_run)
    if batches.stays or any(result.outcome not in _REDRIVEN for result in events):
        raise typer.Exit(FAILED)


def _redrive_events(stack: Stack, *, dry_run: bool) -> list[RedriveResult]:
    session = boto3.Session()
    now = datetime.now(UTC)
    results = failed_events.redrive(
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
    return [*results, *(_to_result(letter, stack, dry_run=dry_run) for letter in dead_letters)]


def _to_result(letter: DeadLetter, stack: Stack, *, dry_run: bool) -> RedriveResult:
    error = f"{letter.kind}: see the log of {stack.name}-promotion"
    event = FailedEvent(letter.message_id, "", letter.failed_at, f"{stack.name}-promotion", error=error)
    return RedriveResult(event, "would_go_back" if dry_run else "sent")


def _republish_batches(stack: Stack, *, dry_run: bool) -> RepublishResult:
    with Publisher(create_sns_client(stack.topic_arn), stack.topic_arn) as publisher:
        return failed_batches.republish(boto3.Session().client("s3"), stack.bucket, publisher, dry_run=dry_run)


def _event_to_json(result: RedriveResult) -> dict[str, Any]:
    event = result.event
    return {
        "message_id": event.message_id,
        "function": event.function,
        "parked_at": format_milliseconds(event.parked_at),
        "error": event.error,
        "outcome": result.outcome,
        "detail": result.detail,
    }


def _batches_to_json(batches: RepublishResult) -> dict[str, Any]:
    return {
        "objects": batches.objects,
        "records": batches.records,
        "lines": batches.lines,
        "errors": batches.errors,
        "stays": batches.stays,
    }


def _show(events: list[RedriveResult], batches: RepublishResult, *, dry_run: bool) -> None:
    if events:
        _show_events(events)
    else:
        out.print("Failures queue: empty.")
    for sentence in batches.stays:
        err.print(sentence, style="yellow", markup=False)
    if not batches.objects:
        out.print(f"Failed batches: none{' that can be sent back' if batches.stays else ''}.")
        return
    verb = "would be" if dry_run else "were"
    out.print(
        f"Failed batches: {format_count(batches.lines, 'line')} of {format_count(batches.records, 'record')} in "
        f"{format_count(batches.objects, 'object')} {verb} sent back."
    )
    for error in batches.errors:
        out.print(f"  {error}", markup=False)


def _show_events(results: list[RedriveResult]) -> None:
    """One row for all events of the same function, error and outcome, the most frequent first."""
    groups: dict[tuple[str, ...], list[RedriveResult]] = {}
    for result in results:
        error = shorten(result.event.error, _ERROR_CHARACTERS)
        key = (result.event.function or "?", error, result.outcome, result.detail)
        groups.setdefault(key, []).append(result)
    rows = []
    for (function, error, outcome, detail), group in sorted(groups.items(), key=lambda item: -len(item[1])):
        oldest = format_seconds(min(result.event.parked_at for result in group))
        message = f"{error} ({detail})" if detail else error
        rows.append(Row([function, f"{len(group):,}", oldest, _OUTCOMES[outcome], message]))
    show(out, "Failures queue", _EVENTS, rows)


_EVENTS = (
    Column("function"),
    Column("events", right=True),
    Column("oldest"),
    Column("now"),
    Column("error", gives_way=True),
)
