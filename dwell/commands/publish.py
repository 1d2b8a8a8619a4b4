"""``dwell publish``: publish a file of samples to a topic."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from dwell.client.stack import find
from dwell.commands.error_reporting import report_errors
from dwell.commands.options import AsJson, StackName
from dwell.console.exit_status import INTERRUPTED, UNUSABLE
from dwell.console.signals import stop_on_signal
from dwell.console.terminal import err, exit_with, out, print_json
from dwell.messaging.publisher import Publisher, PublishError, check_topic, create_sns_client
from dwell.messaging.record_encoder import FileOrigin
from dwell.operations import file_publisher
from dwell.operations.file_validation import validate_file
from dwell.operations.publish_journal import Journal, Publication, check_location
from feature_schema import TARGET

if TYPE_CHECKING:
    from rich.progress import TaskID

    from dwell.operations.file_validation import ValidationReport


_CHOICE = "(--refused skip leaves them out, --refused send sends them to quarantine.)"

PUBLISH_HELP = f"""Publish the samples of a file. Repeat the command after an interruption: it continues.

Each sample has {TARGET.name} ({TARGET.meaning}) and the features.

Columns are found by name: target and features of the schema and, if present, sample_id, robot_id, fc_id, recorded_at
and an echoed prediction (predicted, expected_error, model). CSV without a header is read as the workshop's rows: the
target, then the features. A record without sample_id gets one that is derived from the file's content and its position,
so that publishing the file again publishes the same samples.

The whole file is checked before anything is sent.

Exit status: 0 published, 1 not (or not all) published, 2 the arguments or the file are invalid, 130 interrupted.
"""
"""The help of ``dwell publish``; it names the schema's target."""


def publish(
    file: Annotated[
        Path,
        typer.Argument(
            exists=True,
            dir_okay=False,
            readable=True,
            help="CSV or NDJSON (both also gzipped), or Parquet; the content decides, not the name.",
        ),
    ],
    *,
    stack: StackName = "dwell",
    topic: Annotated[str | None, typer.Option(help="ARN of an SNS topic, instead of a stack's.")] = None,
    refused: Annotated[
        Literal["stop", "skip", "send"],
        typer.Option(help="Samples that the validator would refuse: stop before anything is sent, skip, or send."),
    ] = "stop",
    check: Annotated[bool, typer.Option("--check", help="Only validate the file; makes no AWS request.")] = False,
    rate: Annotated[
        float, typer.Option(min=0, help="Kilobytes a second; a shard of the stream takes 1,000. 0: no limit.")
    ] = 800.0,
    state: Annotated[
        Path | None, typer.Option(help="Journal of what is published. Default: beside the file, one for each topic.")
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Clear the journal: publish everything again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Publish the samples of a file. Repeat the command after an interruption: it continues."""
    with report_errors():
        # Before the file is read, which may take minutes.
        if state is not None:
            check_location(state)
        if topic is not None:
            check_topic(topic)
        report = _validate(file)
        _print_problems(report, file)
        if report.bad and refused == "stop" and not check:
            sentence = f"{len(report.bad):,} of {report.records:,} samples would be refused: nothing is sent."
            raise exit_with(f"{sentence} {_CHOICE}", UNUSABLE)
        if check:
            _print_check(report, as_json)
            return
        topic_arn = topic or find(stack).topic_arn
        path = state or _default_journal(file, topic_arn)
        skipped = report.bad if refused == "skip" else frozenset[int]()
        started_at = time.monotonic()
        publication = Publication(report.digest, report.records, topic_arn)
        with Journal(path, publication, now=datetime.now(UTC), restart=restart) as journal:
            published_before = journal.confirmed
            skipped_count = sum(not journal.has(number) for number in skipped)
            try:
                messages = _publish(file, report, journal, skipped=skipped, rate=rate)
            except PublishError as error:
                if not journal.confirmed:
                    raise
                missing = report.records - skipped_count - journal.confirmed
                raise PublishError(f"{error}\n{_describe_missing(missing, report)}") from error
            missing = report.records - skipped_count - journal.confirmed
            if missing:
                err.print(_describe_missing(missing, report))
            published = journal.confirmed - published_before
    if as_json:
        print_json(
            {
                "file": str(file),
                "topic": topic_arn,
                "journal": str(path),
                "lines": report.records,
                "refused": dict(report.refused),
                "published": published,
                "published_before": published_before,
                "skipped": skipped_count,
                "missing": missing,
                "messages": messages,
                "seconds": round(time.monotonic() - started_at, 1),
            }
        )
    else:
        earlier = f"; {published_before:,} were published before" if published_before else ""
        out.print(f"{published:,} of {report.records:,} samples published in {messages:,} messages{earlier}; "
                  f"{skipped_count:,} skipped")  # fmt: skip
    if missing:
        raise typer.Exit(INTERRUPTED)


publish.__doc__ = PUBLISH_HELP


def _describe_missing(missing: int, report: ValidationReport) -> str:
    return f"{missing:,} of {report.records:,} samples are not published yet; repeat the command to continue"


def _default_journal(file: Path, topic_arn: str) -> Path:
    """One journal for each topic, so that a file can be published to a laptop first and to AWS later."""
    return file.with_name(f"{file.name}.{hashlib.sha256(topic_arn.encode()).hexdigest()[:8]}.published")


def _publish(file: Path, report: ValidationReport, journal: Journal, *, skipped: AbstractSet[int], rate: float) -> int:
    """Publish until the end or a signal; returns the number of messages. What SNS accepted is in the journal."""
    stop = threading.Event()
    origin = FileOrigin(report.digest, report.records, journal.started_at)
    topic_arn = journal.publication.topic
    with (
        stop_on_signal(stop),
        Publisher(create_sns_client(topic_arn), topic_arn) as publisher,
        _create_progress() as progress,
    ):
        bar = progress.add_task("publishing", total=report.records, completed=journal.confirmed)
        return file_publisher.publish_file(
            file,
            origin,
            journal,
            publisher,
            skipped=skipped,
            rate_limit=file_publisher.RateLimit(rate * 1_000),
            stop=stop,
            on_progress=lambda count: progress.advance(bar, count),
        )


def _validate(file: Path) -> ValidationReport:
    with _create_progress() as progress:
        bar = progress.add_task("checking", total=None)
        return validate_file(file, now=datetime.now(UTC), on_progress=lambda count: _update(count, progress, bar))


def _update(count: int, progress: Progress, bar: TaskID) -> None:
    if count % 500 == 0:
        progress.update(bar, completed=count)


def _create_progress() -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeRemainingColumn(), console=err, transient=True, disable=not err.is_terminal)


def _print_problems(report: ValidationReport, file: Path) -> None:
    if report.ignored:
        err.print(
            f"Columns that are not in the schema and are left out: {', '.join(sorted(report.ignored))}", markup=False
        )
    for reason, examples in report.examples.items():
        for record in examples:
            err.print(f"{file.name}, line {record.line}: {reason}: {record.detail}", style="yellow", markup=False)
        more = report.refused[reason] - len(examples)
        if more:
            err.print(f"{file.name}: {more:,} more with {reason}", style="yellow", markup=False)


def _print_check(report: ValidationReport, as_json: bool) -> None:
    if as_json:
        print_json({"lines": report.records, "refused": dict(report.refused), "ignored": sorted(report.ignored)})
    else:
        out.print(f"{report.records:,} samples, {len(report.bad):,} of which would be refused")
    if report.bad:
        raise typer.Exit(UNUSABLE)
