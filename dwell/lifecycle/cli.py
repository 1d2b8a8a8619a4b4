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
from rich import box
from rich.console import Console
from rich.table import Table

from dwell.fleet.drift import DEFAULT, UnknownDriftError, drift_named
from dwell.fleet.physics import AnotherSchemaError, require_robots
from dwell.lifecycle import page
from dwell.lifecycle.screen import Screen
from dwell.lifecycle.story import Script, StoryError, play
from dwell.local.deployment import DeploymentError
from dwell.local.laptop import LaptopError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from dwell.lifecycle.report import Report

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


def tell(report: Report, console: Console, folder: Path) -> None:
    """The story's end in the terminal: rounds, leaderboard, and the figures that matter."""
    unit = report.target["unit"]
    rounds = _table(f"Rounds (errors in {unit})")
    for heading in ("started", "cause", "train", "test", "baseline", "champion", "best", "promoted"):
        is_text = heading in {"started", "cause", "promoted"}
        rounds.add_column(heading, justify="left" if is_text else "right", overflow="fold")
    for entry in report.rounds:
        rounds.add_row(
            datetime.fromisoformat(entry["started_at"]).strftime("%H:%M:%S"), entry["cause"],
            page.number(entry["dataset"]["train"]), page.number(entry["dataset"]["test"]),
            page.number(entry["baseline_rmse"]), page.number(entry["champion_rmse"]),
            page.number(page.best(entry)), page.promoted(entry),
        )  # fmt: skip
    board = _table(f"Leaderboard (errors in {unit})")
    for heading in ("#", "model", "test error", "live error"):
        board.add_column(heading, justify="left" if heading == "model" else "right")
    for entry in report.leaderboard:
        board.add_row(
            "" if entry["rank"] is None else str(entry["rank"]), entry["model"] + (" (live)" if entry["live"] else ""),
            page.number(entry["test_rmse"]), page.number(entry["live_error"]),
            style="bold green" if entry["live"] else "",
        )  # fmt: skip
    error, samples = report.live_error, report.samples
    console.print(rounds, "", board, "", sep="\n")
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


def _table(title: str) -> Table:
    """Narrow enough for a terminal of 80 columns."""
    return Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
