"""``dwell quarantine`` and ``dwell replay``: refused lines, and publishing them again after a schema change."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import boto3
import typer

from dwell.client.stack import find
from dwell.commands.error_reporting import report_errors
from dwell.commands.options import AsJson, StackName
from dwell.console.numbers import format_count
from dwell.console.tables import Column, Row, shorten, show
from dwell.console.terminal import out, print_json
from dwell.console.times import parse_since
from dwell.messaging.publisher import Publisher, create_sns_client
from dwell.operations import quarantine_replay

if TYPE_CHECKING:
    from collections import Counter

Since = Annotated[str | None, typer.Option(help="Only lines received since: 90m, 24h, 7d, or a time in ISO 8601.")]
Reason = Annotated[str | None, typer.Option(help="Only lines refused for this reason, such as malformed.")]

_EXAMPLE_CHARACTERS = 200
"""Length of an example in the printed output; ``--json`` prints it in full."""
_REASONS = (Column("reason"), Column("lines", right=True), Column("accepted now", right=True))


def quarantine(
    stack: StackName = "dwell",
    since: Since = None,
    reason: Reason = None,
    examples: Annotated[int, typer.Option(min=0, max=20, help="Number of example lines for each reason.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Show what is in quarantine: the number of lines for each reason, with examples.

    "accepted now" counts the lines that the schema of this checkout accepts: what `dwell replay` would publish again.
    """
    now = datetime.now(UTC)
    with report_errors():
        survey = quarantine_replay.survey(
            boto3.Session().client("s3"),
            find(stack).bucket,
            selection=quarantine_replay.Selection(_parse_since(since, now), reason),
            examples=examples,
            now=now,
        )
    if as_json:
        print_json(
            {
                "lines": survey.lines,
                "objects": survey.objects,
                "reasons": survey.reasons,
                "accepted_now": survey.accepted_now,
                "examples": {key: [_to_json(line) for line in lines] for key, lines in survey.examples.items()},
            }
        )
        return
    if not survey.lines:
        out.print(_describe_nothing(since, reason, survey.others), markup=False)
        return
    title = f"Quarantine: {format_count(survey.lines, 'line')} in {format_count(survey.objects, 'object')}"
    counts = survey.reasons.most_common()
    rows = [Row([key, f"{count:,}", f"{survey.accepted_now[key]:,}"]) for key, count in counts]
    show(out, title, _REASONS, rows)
    for key, _ in counts:
        if survey.examples[key]:
            out.print(f"\nExamples of {key}:", markup=False)
        for line in survey.examples[key]:
            detail = f"{line.detail}: " if line.detail else ""
            out.print(f"    {detail}{shorten(repr(_decode(line)), _EXAMPLE_CHARACTERS)}", markup=False)


def replay(
    stack: StackName = "dwell",
    since: Since = None,
    reason: Reason = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be published again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Publish quarantined lines again that the schema of this checkout accepts; the others stay.

    Deploy the schema first: the validator checks every line again.
    """
    now = datetime.now(UTC)
    selection = quarantine_replay.Selection(_parse_since(since, now), reason)
    with report_errors():
        target = find(stack)
        with Publisher(create_sns_client(target.topic_arn), target.topic_arn) as publisher:
            s3 = boto3.Session().client("s3")
            result = quarantine_replay.replay(
                s3, target.bucket, publisher, selection=selection, dry_run=dry_run, now=now
            )
    if as_json:
        totals = {"replayed": result.replayed, "objects": result.objects, "still_refused": dict(result.still_refused)}
        print_json({**totals, "dry_run": dry_run})
        return
    if not result.lines:
        out.print(_describe_nothing(since, reason, result.others), markup=False)
        return
    out.print(
        f"{'Would publish' if dry_run else 'Published'} {format_count(result.replayed, 'line')} "
        f"of {format_count(result.objects, 'object')} again; {result.still_refused.total():,} still refused."
    )


def _describe_nothing(since: str | None, reason: str | None, others: Counter[str]) -> str:
    """The output when no line matches the options; ``others`` are the reasons that there are."""
    when = "" if since is None else f" received since {since}"
    if reason is None:
        return f"Quarantine: no lines{when}."
    existing = ", ".join(f"{key} ({count:,})" for key, count in others.most_common()) or "none"
    return f"Quarantine: no lines{when} with the reason {reason!r}. Other reasons: {existing}."


def _parse_since(text: str | None, now: datetime) -> datetime | None:
    try:
        since = None if text is None else parse_since(text, now=now)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--since") from error
    if since is not None and since > now:
        raise typer.BadParameter(f"{text} is in the future", param_hint="--since")
    return since


def _decode(line: quarantine_replay.QuarantinedLine) -> str:
    return line.line.decode(errors="replace")


def _to_json(line: quarantine_replay.QuarantinedLine) -> dict[str, Any]:
    return {
        "line": _decode(line),
        "detail": line.detail,
        "message_id": line.message_id,
        "position": line.position,
        "received_at": line.received_at.isoformat(),
    }
