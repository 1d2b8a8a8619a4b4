"""``dwell publish``: a file of samples to a topic."""

from __future__ import annotations

import hashlib
import signal
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003 (typer reads the annotations when it runs)
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from dwell.client.stack import find
from dwell.commands.options import INTERRUPTED, UNUSABLE, AsJson, StackName, end, err, explained, out, say_json
from dwell.messaging.publisher import Publisher, PublishError, check_topic, sns_client
from dwell.messaging.record_encoder import Origin
from dwell.operations import file_publisher as publishing
from dwell.operations.file_validation import inspect
from dwell.operations.publish_journal import Journal, Subject, check_place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from rich.progress import TaskID

    from dwell.operations.file_validation import Inspection


_CHOICE = "(--refused skip leaves them out, --refused send sends them into the quarantine.)"


def publish(
    file: Annotated[
        Path,
        typer.Argument(
            exists=True,
            dir_okay=False,
            readable=True,
            help="CSV or NDJSON (both also gzipped), or Parquet; told apart by content.",
        ),
    ],
    *,
    stack: StackName = "dwell",
    topic: Annotated[str | None, typer.Option(help="ARN of an SNS topic, instead of a stack's.")] = None,
    refused: Annotated[
        Literal["stop", "skip", "send"],
        typer.Option(help="Samples that the validator would refuse: stop before anything is sent, skip, or send."),
    ] = "stop",
    check: Annotated[bool, typer.Option("--check", help="Only look whether the file is good; asks no AWS.")] = False,
    rate: Annotated[
        float, typer.Option(min=0, help="Kilobytes a second; a shard of the stream takes 1,000. 0: no limit.")
    ] = 800.0,
    state: Annotated[
        Path | None, typer.Option(help="Journal of what is published. Default: beside the file, one for each topic.")
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Forget the journal: publish everything again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Publish the samples of a file, packed. Run it again after an interruption: it goes on where it was.

    Columns are found by name: target and features of the schema and, if they are there, sample_id, robot_id, fc_id,
    recorded_at and an echoed prediction (predicted, expected_error, model). CSV without a line of names is read as
    the workshop's rows: the target, then the features. A record without sample_id gets one that follows from the
    file's content and its place in it: whoever publishes the file again publishes the same samples.

    The whole file is checked before anything is sent.

    Exit status: 0 published, 1 not (or not all), 2 the call or the file makes no sense, 130 interrupted.
    """
    with explained():
        # What makes no sense is told before the file is read, which may take minutes.
        if state is not None:
            check_place(state)
        if topic is not None:
            check_topic(topic)
        found = _inspected(file)
        _tell(found, file)
        if found.bad and refused == "stop" and not check:
            sentence = f"{len(found.bad):,} of {found.records:,} samples would be refused: nothing is sent."
            raise end(f"{sentence} {_CHOICE}", UNUSABLE)
        if check:
            _checked(found, as_json)
            return
        topic_arn = topic or find(stack).topic_arn
        path = state or _journal_beside(file, topic_arn)
        skipped = found.bad if refused == "skip" else frozenset[int]()
        began = time.monotonic()
        subject = Subject(found.digest, found.records, topic_arn)
        with Journal(path, subject, now=datetime.now(UTC), restart=restart) as journal:
            before = journal.confirmed
            left_out = sum(not journal.has(number) for number in skipped)
            try:
                messages = _publish(file, found, journal, skipped=skipped, rate=rate)
            except PublishError as error:
                if not journal.confirmed:
                    raise
                missing = found.records - left_out - journal.confirmed
                raise PublishError(f"{error}\n{_rest(missing, found)}") from error
            missing = found.records - left_out - journal.confirmed
            if missing:
                err.print(_rest(missing, found))
            published = journal.confirmed - before
    if as_json:
        say_json(
            {
                "file": str(file),
                "topic": topic_arn,
                "journal": str(path),
                "lines": found.records,
                "refused": dict(found.refused),
                "published": published,
                "published_before": before,
                "skipped": left_out,
                "missing": missing,
                "messages": messages,
                "seconds": round(time.monotonic() - began, 1),
            }
        )
    else:
        earlier = f"; {before:,} were before" if before else ""
        out.print(f"{published:,} of {found.records:,} samples published in {messages:,} messages{earlier}; "
                  f"{left_out:,} left out")  # fmt: skip
    if missing:
        raise typer.Exit(INTERRUPTED)


def _rest(missing: int, found: Inspection) -> str:
    return f"{missing:,} of {found.records:,} samples are not published yet; run it again to go on"


def _journal_beside(file: Path, topic_arn: str) -> Path:
    """One for each topic, so that a file can go to a laptop first and to AWS then."""
    return file.with_name(f"{file.name}.{hashlib.sha256(topic_arn.encode()).hexdigest()[:8]}.published")


def _publish(file: Path, found: Inspection, journal: Journal, *, skipped: AbstractSet[int], rate: float) -> int:
    stop = threading.Event()
    origin = Origin(found.digest, found.records, journal.started_at)
    topic_arn = journal.subject.topic
    with _stopping(stop), Publisher(sns_client(topic_arn), topic_arn) as publisher, _progress() as progress:
        bar = progress.add_task("publishing", total=found.records, completed=journal.confirmed)
        return publishing.publish(
            file,
            origin,
            journal,
            publisher,
            skipped=skipped,
            pace=publishing.Pace(rate * 1_000),
            stop=stop,
            advance=lambda count: progress.advance(bar, count),
        )


def _inspected(file: Path) -> Inspection:
    with _progress() as progress:
        bar = progress.add_task("checking", total=None)
        return inspect(file, now=datetime.now(UTC), advance=lambda done: _now_and_then(done, progress, bar))


def _now_and_then(done: int, progress: Progress, bar: TaskID) -> None:
    if done % 500 == 0:
        progress.update(bar, completed=done)


def _progress() -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeRemainingColumn(), console=err, transient=True, disable=not err.is_terminal)


def _tell(found: Inspection, file: Path) -> None:
    if found.ignored:
        err.print(f"Left out, since the schema has no such columns: {', '.join(sorted(found.ignored))}", markup=False)
    for reason, examples in found.examples.items():
        for bad in examples:
            err.print(f"{file.name}, line {bad.line}: {reason}: {bad.detail}", style="yellow", markup=False)
        more = found.refused[reason] - len(examples)
        if more:
            err.print(f"{file.name}: {more:,} more with {reason}", style="yellow", markup=False)


def _checked(found: Inspection, as_json: bool) -> None:
    if as_json:
        say_json({"lines": found.records, "refused": dict(found.refused), "ignored": sorted(found.ignored)})
    else:
        out.print(f"{found.records:,} samples, {len(found.bad):,} of which would be refused")
    if found.bad:
        raise typer.Exit(UNUSABLE)


@contextmanager
def _stopping(stop: threading.Event) -> Iterator[None]:
    """SIGINT and SIGTERM end it in an orderly way: what SNS took is in the journal."""
    before = {
        number: signal.signal(number, lambda _number, _frame: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
