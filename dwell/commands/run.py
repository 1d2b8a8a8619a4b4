"""``dwell run``: play the lifecycle, show it, and write the report."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from dwell.commands.ranking import best, show_ranking
from dwell.console.tables import Column, Row, number, show
from dwell.demo import report_page as page
from dwell.demo.scenario import Script, StoryError, play
from dwell.demo.screen import Screen
from dwell.local.deployment import DeploymentError
from dwell.local.emulator_process import LaptopError
from dwell.simulator.drift import DEFAULT, UnknownDriftError, drift_named
from dwell.simulator.physics import AnotherSchemaError, require_robots

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from dwell.demo.report import Report

FOLDER = Path("build/run")


def run(
    folder: Annotated[Path, typer.Option(help="Where report.json and report.html go.")] = FOLDER,
    drift: Annotated[str, typer.Option(help="What happens to the world; `dwell fleet drifts` lists them.")] = DEFAULT,
    rate: Annotated[float, typer.Option(min=50, help="Samples a second.")] = 700,
    steady: Annotated[float, typer.Option(min=5, help="Seconds to watch the first model, and the recovery.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="The robots' seed.")] = 0,
) -> None:
    """Play the whole lifecycle on this machine: robots, alarms, training, promotion, drift, recovery."""
    console = Console()
    try:
        require_robots()
        drift_named(drift)
    except (AnotherSchemaError, UnknownDriftError) as error:
        console.print(f"[red]{error}[/red]", highlight=False)
        raise typer.Exit(2) from error
    script = Script(steady=steady, recovered=steady, drift=drift)
    script = replace(script, fleet=replace(script.fleet, rate=rate, seed=seed))
    screen = Screen(console)
    try:
        with _closing_when_stopped(), screen.shown():
            report = play(script, screen)
    except (StoryError, LaptopError, DeploymentError) as error:
        console.print(f"[red]The loop did not close:[/red] {error}", highlight=False)
        raise typer.Exit(1) from error
    report.write(folder / "report.json")
    (folder / "report.html").write_text(page.render(report), encoding="utf-8")
    tell(report, console, folder)
    if report.samples.lost or report.samples.unexpected:
        console.print("[red]Samples were lost or came out of nowhere.[/red]")
        raise typer.Exit(1)


@contextmanager
def _closing_when_stopped() -> Iterator[None]:
    """A stopped run closes what it has opened, like an interrupted one; whoever called it is stopped as before."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(143)


_ROUNDS = (
    Column("started"),
    Column("cause"),
    Column("train", right=True),
    Column("test", right=True),
    Column("baseline", right=True),
    Column("champion", right=True),
    Column("best", right=True),
    Column("promoted", gives_way=True),
)


def tell(report: Report, console: Console, folder: Path) -> None:
    """The story's end in the terminal: rounds, leaderboard, and the figures that matter."""
    unit = report.target["unit"]
    rows = [
        Row([
            datetime.fromisoformat(entry["started_at"]).strftime("%H:%M:%S"), entry["cause"],
            number(entry["dataset"]["train"]), number(entry["dataset"]["test"]), number(entry["baseline_rmse"]),
            number(entry["champion_rmse"]), number(best(entry)), page.promoted(entry),
        ])
        for entry in report.rounds
    ]  # fmt: skip
    show(console, f"Rounds (errors in {unit})", _ROUNDS, rows)
    console.print()
    show_ranking(console, report.leaderboard, unit)
    console.print()
    error, samples = report.live_error, report.samples
    console.print(
        f"Live error {page.number(error.before_drift, unit)} before the drift (noise floor "
        f"{page.number(error.noise_floor_before, unit)}), {page.number(error.under_drift, unit)} under it, "
        f"{page.number(error.recovered, unit)} after recovery "
        f"(noise floor {page.number(error.noise_floor_after, unit)}).",
        highlight=False,
    )
    console.print(
        f"Samples: {samples.published:,} published = {samples.stored:,} stored + {samples.quarantined:,} in quarantine "
        f"+ {samples.lost:,} lost; {samples.duplicates:,} rows are repeats, which a dataset takes once.",
        highlight=False,
    )
    console.print(f"Charts: {folder / 'report.html'}   Figures: {folder / 'report.json'}", highlight=False)
