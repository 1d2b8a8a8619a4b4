"""``dwell fleet``: robots on the command line."""

from __future__ import annotations

import json
import secrets
import signal
import sys
import time
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path  # noqa: TC003 - typer reads the annotations when it runs
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from dwell.client.signed_api import NotSignableError
from dwell.client.stack import StackError, find
from dwell.console.output_errors import is_unwritable
from dwell.console.tables import Column, Row, counted, number, show, table
from dwell.messaging.publisher import Publisher, PublishError, sns_client
from dwell.simulator.drift import DEFAULT, DRIFTS, UnknownDriftError, drift_named
from dwell.simulator.fleet_runner import Fleet, Settings
from dwell.simulator.physics import AnotherSchemaError, require_robots
from dwell.simulator.planner import planner_for
from dwell.simulator.robots import Robots, noise_floor, row_line, sample_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from dwell.simulator.fleet_runner import Snapshot
    from dwell.simulator.live_error import Tally

app = typer.Typer(no_args_is_help=True, help="Robots that work, report what happened, and ask for predictions.")

FAILED, UNUSABLE = 1, 2
"""Exit statuses: something that was asked for did not happen, or the options make no sense."""

_console = Console(stderr=True)

_LINES = 5_000
"""How many samples are held in memory while a file is written."""


_APART = timedelta(milliseconds=1)
"""Between two samples of a file: those of one moment cannot be parted into what to learn from and what to test on."""

Seed = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Samples and their ids follow from it, whatever the drift; a topic should see it once. Default: drawn.",
    ),
]


def _drawn(seed: int | None) -> int:
    """The seed that was given, or one that no topic is likely to have seen."""
    return secrets.randbelow(10**9) if seed is None else seed


def _end(message: str, status: int) -> typer.Exit:
    _console.print(message, style="red", markup=False, highlight=False, soft_wrap=True)
    return typer.Exit(status)


@app.callback()
def only_robots() -> None:
    """Robots that work, report what happened, and ask for predictions."""
    try:
        require_robots()
    except AnotherSchemaError as error:
        raise _end(str(error), UNUSABLE) from error


@app.command()
def drifts() -> None:
    """List the kinds of drift: what each does, and how strongly."""
    rows = [
        Row([f"{drift.name} (default)" if drift.name == DEFAULT else drift.name, drift.strength, drift.meaning])
        for drift in DRIFTS.values()
    ]
    columns = (Column("drift"), Column("a model from before"), Column("what happens", gives_way=True))
    show(Console(), "Drifts", columns, rows)


@app.command()
def write(
    file: Annotated[Path, typer.Argument(help="Where to; - is standard output.")],
    *,
    samples: Annotated[int, typer.Option(min=1, help="How many.")] = 10_000,
    form: Annotated[
        Literal["ndjson", "csv"], typer.Option("--format", help="JSON samples, or rows as the workshop has them.")
    ] = "ndjson",
    drift: Annotated[str | None, typer.Option(help="The world has drifted like this.")] = None,
    robots: Annotated[int, typer.Option(min=1, help="How many robots report.")] = 5_000,
    seed: Seed = None,
) -> None:
    """Write samples to a file, without AWS.

    They are a millisecond apart and end now, so that the last of them can be what a model is tested on.
    """
    seed = _drawn(seed)
    fleet = Robots(seed, robots=robots)
    now = datetime.now(UTC)
    line = sample_line if form == "ndjson" else row_line
    try:
        if drift is not None:
            fleet.move_to(drift_named(drift).apply(fleet.world), drift)
        with nullcontext(sys.stdout) if str(file) == "-" else file.open("w", encoding="utf-8") as out:
            for start in range(0, samples, _LINES):
                end = min(start + _LINES, samples)
                at = now - (samples - end) * _APART
                reported = fleet.samples(fleet.take(end - start), at, apart=_APART)
                out.writelines(f"{line(sample).text}\n" for sample in reported)
    except UnknownDriftError as error:
        raise _end(str(error), UNUSABLE) from error
    except OSError as error:
        if is_unwritable(error):
            raise
        raise _end(f"cannot write: {error}", FAILED) from error
    floor = f"noise floor {noise_floor(fleet.world):,.0f} ms"
    _console.print(f"{counted(samples, 'sample')} of seed {seed}; {floor}", highlight=False)


@app.command()
def run(
    *,
    topic: Annotated[str | None, typer.Option(help="ARN of the SNS topic for samples.")] = None,
    api: Annotated[str | None, typer.Option(help="URL of the HTTP API; without one, nothing is predicted.")] = None,
    stack: Annotated[str | None, typer.Option(help="Take topic and API from the outputs of this stack.")] = None,
    robots: Annotated[int, typer.Option(min=1, help="How many robots.")] = 5_000,
    rate: Annotated[float, typer.Option(min=0.1, max=5_000, help="Samples a second.")] = 400.0,
    request_rate: Annotated[float, typer.Option(min=0.1, max=100, help="Requests for predictions a second.")] = 8.0,
    predicted: Annotated[float, typer.Option(min=0, max=1, help="Share of interactions that are predicted.")] = 0.5,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="How long; without, until interrupted.")] = None,
    drift: Annotated[str | None, typer.Option(help="Kind of drift; see `dwell fleet drifts`.")] = None,
    drift_after: Annotated[float, typer.Option(min=0, help="Seconds from the start to the drift.")] = 0.0,
    broken: Annotated[float, typer.Option(min=0, max=1, help="Share of samples that are damaged.")] = 0.0,
    duplicates: Annotated[float, typer.Option(min=0, max=1, help="Share of samples that are published twice.")] = 0.0,
    rows: Annotated[
        float, typer.Option(min=0, max=1, help="Share, of those not predicted, that go as workshop rows.")
    ] = 0.0,
    single: Annotated[
        float, typer.Option(min=0, max=1, help="Share of samples that travel in a message of their own.")
    ] = 0.0,
    seed: Seed = None,
    error_budget: Annotated[
        float, typer.Option(min=0, max=1, help="Exit status 1 if more than this share of the API's requests fail.")
    ] = 0.05,
    ledger: Annotated[Path | None, typer.Option(help="Write what was published to this file (NDJSON).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Let robots work against a topic and an API, on AWS or on a laptop (AWS_ENDPOINT_URL)."""
    try:
        if drift is not None:
            drift_named(drift)
        if stack is not None:
            found = find(stack)
            topic, api = topic or found.topic_arn, api or found.api_url
        if topic is None:
            raise _end("Where to? Give --topic ARN, or --stack NAME.", UNUSABLE)
        settings = Settings(
            robots=robots,
            rate=rate,
            request_rate=request_rate,
            predicted=predicted,
            broken=broken,
            duplicates=duplicates,
            rows=rows,
            single=single,
            seed=_drawn(seed),
        )
        if ledger is not None:
            _check_ledger(ledger)
        planner = planner_for(api) if api else None
        with Publisher(sns_client(topic), topic) as publisher:
            fleet = Fleet(settings, publisher, planner)
            try:
                _work(fleet, seconds, drift, drift_after)
            finally:
                if ledger is not None:
                    publisher.ledger.save(ledger)
    except (UnknownDriftError, ValueError) as error:
        raise _end(str(error), UNUSABLE) from error
    except (PublishError, NotSignableError, StackError, BotoCoreError, ClientError, OSError) as error:
        raise _end(str(error), FAILED) from error
    snapshot = fleet.snapshot()
    if as_json:
        sys.stdout.write(json.dumps(summary(snapshot, settings.seed), indent=2) + "\n")
    else:
        console = Console()
        console.print(_shown(snapshot, console), soft_wrap=True)
    # What was not sent, as too many requests were waiting, is shown above but is no failure of the API.
    failed = sum(count for reason, count in snapshot.failures.items() if reason != "busy")
    if failed > error_budget * max(1, snapshot.requests) or snapshot.publish_failures:
        raise _end(f"failed: {failed} requests, {sum(snapshot.publish_failures.values())} messages", FAILED)


def _check_ledger(path: Path) -> None:
    """Make sure that there can be one, before there is anything to write into it."""
    try:
        path.open("a", encoding="utf-8").close()
    except OSError as error:
        raise _end(f"the ledger cannot be written to {path}: {error.strerror}", UNUSABLE) from error


def _work(fleet: Fleet, seconds: float | None, drift: str | None, drift_after: float) -> None:
    """Let the fleet work and show how it goes, until the time is over or a signal asks to stop."""
    started = time.monotonic()
    with _stopping(fleet), fleet.working(), Live(console=_console, refresh_per_second=2, transient=True) as live:
        while not fleet.stop.wait(0.5):
            fleet.check()
            elapsed = time.monotonic() - started
            if drift is not None and elapsed >= drift_after:
                fleet.drift(drift)
                drift = None
            if seconds is not None and elapsed >= seconds:
                break
            live.update(_shown(fleet.snapshot(last=12), _console))


@contextmanager
def _stopping(fleet: Fleet) -> Iterator[None]:
    """SIGINT and SIGTERM end the work in an orderly way: what happened is still published."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        fleet.stop.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def summary(snapshot: Snapshot, seed: int) -> dict[str, Any]:
    """A snapshot as JSON-ready data. Errors in ms."""
    return {
        "seed": seed,
        "seconds": round(snapshot.elapsed, 1),
        "published": snapshot.published,
        "messages": snapshot.messages,
        "broken": snapshot.broken,
        "duplicates": snapshot.duplicates,
        "predictions": {"model": snapshot.model, "fallback": snapshot.fallback, "none": snapshot.unpredicted},
        "requests": {"sent": snapshot.requests, "failures": dict(snapshot.failures)},
        "publish_failures": dict(snapshot.publish_failures),
        "drifts": [{"name": drift.name, "at": drift.at.isoformat()} for drift in snapshot.drifts],
        "noise_floors": snapshot.noise_floors,
        "live_error": [
            {"world": world, "model": model, "samples": tally.samples, **_errors(tally)}
            for (world, model), tally in snapshot.by_world.items()
        ],
    }


def _errors(tally: Tally) -> dict[str, float | None]:
    return {"error": tally.error, "promise": tally.promise, "noise_floor": tally.noise_floor}


def _shown(snapshot: Snapshot, console: Console) -> Group:
    messages = counted(snapshot.messages, "message")
    rows = [
        ("published", f"{counted(snapshot.published, 'line')} in {messages}"),
        ("broken, duplicates", f"{snapshot.broken:,}, {snapshot.duplicates:,}"),
        ("predicted", f"{snapshot.model:,} by a model, {snapshot.fallback:,} by fallback"),
        ("not predicted", f"{snapshot.unpredicted:,}"),
        ("requests", f"{snapshot.requests:,}{_listed(snapshot.failures)}"),
    ]
    if snapshot.publish_failures:
        rows.append(("messages not taken", _listed(snapshot.publish_failures).removeprefix(", ")))
    rows.append(("world", f"{snapshot.world}, noise floor {snapshot.noise_floors[snapshot.world]:,.0f} ms"))
    happened = (Column("robots"), Column(f"after {snapshot.elapsed:,.0f} s"))
    shown = [table("", happened, [Row(row) for row in rows], console=console)]
    errors = [
        Row([world, model, number(tally.error), number(tally.promise)])
        for (world, model), tally in snapshot.by_world.items()
    ]
    if errors:
        columns = (Column("world"), Column("model"), Column("error", right=True), Column("promised", right=True))
        shown += [Text(), table("Live error in ms", columns, errors, console=console)]
    return Group(*shown)


def _listed(failures: dict[str, int]) -> str:
    return "".join(f", {count:,} {reason}" for reason, count in failures.items())
