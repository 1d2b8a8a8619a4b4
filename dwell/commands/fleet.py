"""``dwell fleet``: simulated robots."""

from __future__ import annotations

import secrets
import sys
import time
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from dwell.client.stack import find
from dwell.commands.error_reporting import report_errors
from dwell.console.exit_status import FAILED, UNUSABLE
from dwell.console.numbers import format_count, format_number
from dwell.console.signals import stop_on_signal
from dwell.console.tables import Column, Row, show, table
from dwell.console.terminal import exit_with, print_json
from dwell.messaging.publisher import Publisher, create_sns_client
from dwell.simulator.drift import DEFAULT_DRIFT, DRIFTS, get_drift
from dwell.simulator.fleet_runner import Fleet, FleetSettings
from dwell.simulator.physics import require_robot_schema
from dwell.simulator.planner import create_planner
from dwell.simulator.robots import Robots, noise_floor, row_line, sample_line

if TYPE_CHECKING:
    from dwell.simulator.fleet_runner import Snapshot
    from dwell.simulator.live_error import ErrorTally

app = typer.Typer(no_args_is_help=True, help="Simulated robots that work, publish samples, and ask for predictions.")

_progress_console = Console(stderr=True)

_MAX_BUFFERED_SAMPLES = 5_000
"""Samples held in memory while a file is written."""

_SAMPLE_INTERVAL = timedelta(milliseconds=1)
"""Time between two samples of a file: a time split cannot separate samples of the same moment."""

Seed = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Determines samples and their ids, whatever the drift; use it once for a topic. Default: random.",
    ),
]


def _choose_seed(seed: int | None) -> int:
    """``seed``, or a random one that is unlikely to have been used for the topic."""
    return secrets.randbelow(10**9) if seed is None else seed


@app.callback()
def check_schema() -> None:
    """Simulated robots that work, publish samples, and ask for predictions."""
    with report_errors():
        require_robot_schema()


@app.command()
def drifts() -> None:
    """List the kinds of drift with their strength."""
    rows = [
        Row([f"{drift.name} (default)" if drift.name == DEFAULT_DRIFT else drift.name, drift.strength, drift.meaning])
        for drift in DRIFTS.values()
    ]
    columns = (Column("drift"), Column("effect on an older model"), Column("change", gives_way=True))
    show(Console(), "Drifts", columns, rows)


@app.command()
def write(
    file: Annotated[Path, typer.Argument(help="Output file; - is standard output.")],
    *,
    samples: Annotated[int, typer.Option(min=1, help="Number of samples.")] = 10_000,
    form: Annotated[
        Literal["ndjson", "csv"], typer.Option("--format", help="JSON samples, or the workshop's rows.")
    ] = "ndjson",
    drift: Annotated[str | None, typer.Option(help="Kind of drift that has already happened.")] = None,
    robots: Annotated[int, typer.Option(min=1, help="Number of robots.")] = 5_000,
    seed: Seed = None,
) -> None:
    """Write samples to a file, without AWS.

    Their times are a millisecond apart and end now, so that a model can be tested on the newest of them.
    """
    seed = _choose_seed(seed)
    simulated = Robots(seed, robots=robots)
    now = datetime.now(UTC)
    to_line = sample_line if form == "ndjson" else row_line
    with report_errors():
        if drift is not None:
            simulated.change_world(get_drift(drift).apply(simulated.world), drift)
        if str(file) != "-":
            _check_writable(file)
        with nullcontext(sys.stdout) if str(file) == "-" else file.open("w", encoding="utf-8") as output:
            for start in range(0, samples, _MAX_BUFFERED_SAMPLES):
                end = min(start + _MAX_BUFFERED_SAMPLES, samples)
                recorded_at = now - (samples - end) * _SAMPLE_INTERVAL
                batch = simulated.samples(simulated.take(end - start), recorded_at, interval=_SAMPLE_INTERVAL)
                output.writelines(f"{to_line(sample).text}\n" for sample in batch)
    floor = f"noise floor {noise_floor(simulated.world):,.0f} ms"
    _progress_console.print(f"{format_count(samples, 'sample')} of seed {seed}; {floor}", highlight=False)


@app.command()
def run(
    *,
    topic: Annotated[str | None, typer.Option(help="ARN of the SNS topic for samples.")] = None,
    api: Annotated[str | None, typer.Option(help="URL of the HTTP API; without it, nothing is predicted.")] = None,
    stack: Annotated[str | None, typer.Option(help="Take topic and API from the outputs of this stack.")] = None,
    robots: Annotated[int, typer.Option(min=1, help="Number of robots.")] = 5_000,
    rate: Annotated[float, typer.Option(min=0.1, max=5_000, help="Samples a second.")] = 400.0,
    request_rate: Annotated[float, typer.Option(min=0.1, max=100, help="Requests for predictions a second.")] = 8.0,
    predicted: Annotated[float, typer.Option(min=0, max=1, help="Share of interactions that are predicted.")] = 0.5,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="Duration; default: until interrupted.")] = None,
    drift: Annotated[str | None, typer.Option(help="Kind of drift; see `dwell fleet drifts`.")] = None,
    drift_after: Annotated[float, typer.Option(min=0, help="Seconds from the start to the drift.")] = 0.0,
    broken: Annotated[float, typer.Option(min=0, max=1, help="Share of samples that are corrupted.")] = 0.0,
    duplicates: Annotated[float, typer.Option(min=0, max=1, help="Share of samples that are published twice.")] = 0.0,
    rows: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the unpredicted samples that are sent as workshop rows.")
    ] = 0.0,
    single: Annotated[
        float, typer.Option(min=0, max=1, help="Share of samples that are sent in a message of their own.")
    ] = 0.0,
    seed: Seed = None,
    error_budget: Annotated[
        float, typer.Option(min=0, max=1, help="Exit status 1 if a larger share of the API requests fails.")
    ] = 0.05,
    ledger: Annotated[Path | None, typer.Option(help="Write what was published to this file (NDJSON).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Run robots against a topic and an API, on AWS or on a laptop (AWS_ENDPOINT_URL)."""
    with report_errors():
        if drift is not None:
            get_drift(drift)
        if stack is not None:
            target = find(stack)
            topic, api = topic or target.topic_arn, api or target.api_url
        if topic is None:
            raise exit_with("No topic: give --topic ARN, or --stack NAME.", UNUSABLE)
        settings = FleetSettings(
            robots=robots,
            rate=rate,
            request_rate=request_rate,
            predicted=predicted,
            broken=broken,
            duplicates=duplicates,
            rows=rows,
            single=single,
            seed=_choose_seed(seed),
        )
        if ledger is not None:
            _check_log_file(ledger)
        planner = create_planner(api) if api else None
        with Publisher(create_sns_client(topic), topic) as publisher:
            fleet = Fleet(settings, publisher, planner)
            try:
                _work(fleet, seconds, drift, drift_after)
            finally:
                if ledger is not None:
                    publisher.publish_log.save(ledger)
    snapshot = fleet.snapshot()
    if as_json:
        print_json(summary(snapshot, settings.seed))
    else:
        console = Console()
        console.print(_render(snapshot, console), soft_wrap=True)
    # "busy" requests were not sent, because too many were waiting: they are shown, but are not failures of the API.
    failed = sum(count for reason, count in snapshot.failures.items() if reason != "busy")
    if failed > error_budget * max(1, snapshot.requests) or snapshot.publish_failures:
        raise exit_with(f"failed: {failed} requests, {sum(snapshot.publish_failures.values())} messages", FAILED)


def _check_writable(path: Path) -> None:
    """Fail before any work if the file cannot be written."""
    try:
        path.open("a", encoding="utf-8").close()
    except OSError as error:
        raise exit_with(f"cannot write: {error}") from error


def _check_log_file(path: Path) -> None:
    """Fail before any work if the file cannot be written."""
    try:
        path.open("a", encoding="utf-8").close()
    except OSError as error:
        raise exit_with(f"the ledger cannot be written to {path}: {error.strerror}", UNUSABLE) from error


def _work(fleet: Fleet, seconds: float | None, drift: str | None, drift_after: float) -> None:
    """Run the fleet and show its progress, for ``seconds`` or until SIGINT or SIGTERM; then publish what is left."""
    started = time.monotonic()
    with (
        stop_on_signal(fleet.stop),
        fleet.working(),
        Live(console=_progress_console, refresh_per_second=2, transient=True) as live,
    ):
        while not fleet.stop.wait(0.5):
            fleet.check()
            elapsed = time.monotonic() - started
            if drift is not None and elapsed >= drift_after:
                fleet.drift(drift)
                drift = None
            if seconds is not None and elapsed >= seconds:
                break
            live.update(_render(fleet.snapshot(last=12), _progress_console))


def summary(snapshot: Snapshot, seed: int) -> dict[str, Any]:
    """A snapshot as a JSON object. Errors are in ms."""
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


def _errors(tally: ErrorTally) -> dict[str, float | None]:
    return {"error": tally.error, "promise": tally.promise, "noise_floor": tally.noise_floor}


def _render(snapshot: Snapshot, console: Console) -> Group:
    messages = format_count(snapshot.messages, "message")
    rows = [
        ("published", f"{format_count(snapshot.published, 'line')} in {messages}"),
        ("broken, duplicates", f"{snapshot.broken:,}, {snapshot.duplicates:,}"),
        ("predicted", f"{snapshot.model:,} by a model, {snapshot.fallback:,} by fallback"),
        ("not predicted", f"{snapshot.unpredicted:,}"),
        ("requests", f"{snapshot.requests:,}{_list_failures(snapshot.failures)}"),
    ]
    if snapshot.publish_failures:
        rows.append(("messages refused", _list_failures(snapshot.publish_failures).removeprefix(", ")))
    rows.append(("world", f"{snapshot.world}, noise floor {snapshot.noise_floors[snapshot.world]:,.0f} ms"))
    columns = (Column("robots"), Column(f"after {snapshot.elapsed:,.0f} s"))
    tables = [table("", columns, [Row(row) for row in rows], console=console)]
    errors = [
        Row([world, model, format_number(tally.error), format_number(tally.promise)])
        for (world, model), tally in snapshot.by_world.items()
    ]
    if errors:
        error_columns = (Column("world"), Column("model"), Column("error", right=True), Column("promised", right=True))
        tables += [Text(), table("Live error in ms", error_columns, errors, console=console)]
    return Group(*tables)


def _list_failures(failures: dict[str, int]) -> str:
    return "".join(f", {count:,} {reason}" for reason, count in failures.items())
