"""``dwell run``: run the whole lifecycle, show it, and write the report."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from dwell.client.leaderboard import best_rmse
from dwell.commands.error_reporting import report_errors
from dwell.commands.model_table import show_models
from dwell.console.exit_status import FAILED, TERMINATED
from dwell.console.numbers import format_number, format_rounded
from dwell.console.tables import Column, Row, show
from dwell.console.terminal import exit_with
from dwell.console.times import format_clock
from dwell.demo import report_page
from dwell.demo.scenario import Scenario, ScenarioError, run_scenario
from dwell.demo.screen import Screen
from dwell.local.deployment import DeploymentError
from dwell.local.emulator_process import LaptopError
from dwell.simulator.drift import DEFAULT_DRIFT, get_drift
from dwell.simulator.physics import require_robot_schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from dwell.demo.report import Report

FOLDER = Path("build/run")


def run(
    folder: Annotated[Path, typer.Option(help="Folder for report.json and report.html.")] = FOLDER,
    drift: Annotated[str, typer.Option(help="Kind of drift; `dwell fleet drifts` lists them.")] = DEFAULT_DRIFT,
    rate: Annotated[float, typer.Option(min=50, help="Samples a second.")] = 700,
    steady: Annotated[
        float, typer.Option(min=5, help="Seconds to observe the first model, and again the recovery.")
    ] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the simulated robots.")] = 0,
) -> None:
    """Run the whole lifecycle on this machine: robots, alarms, training, promotion, drift, recovery."""
    console = Console()
    with report_errors():
        require_robot_schema()
        get_drift(drift)
    scenario = Scenario(steady=steady, recovered=steady, drift=drift)
    scenario = replace(scenario, fleet=replace(scenario.fleet, rate=rate, seed=seed))
    screen = Screen(console)
    try:
        with _exit_on_sigterm(), screen.shown():
            report = run_scenario(scenario, screen)
    except (ScenarioError, LaptopError, DeploymentError) as error:
        raise exit_with(f"The run did not complete: {error}") from error
    report.write(folder / "report.json")
    (folder / "report.html").write_text(report_page.render(report), encoding="utf-8")
    print_report(report, console, folder)
    if report.samples.lost or report.samples.unexpected:
        raise exit_with("Samples were lost, or stored without being published.", FAILED)


@contextmanager
def _exit_on_sigterm() -> Iterator[None]:
    """Turn SIGTERM into ``SystemExit``, so that the emulator is stopped; restores the previous handler."""
    previous = signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _exit(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(TERMINATED)


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


def print_report(report: Report, console: Console, folder: Path) -> None:
    """Print rounds, leaderboard, live error and sample counts at the end of a run."""
    unit = report.target["unit"]
    rows = [
        Row([
            format_clock(round_["started_at"]), round_["cause"], format_number(round_["dataset"]["train"]),
            format_number(round_["dataset"]["test"]), format_number(round_["baseline_rmse"]),
            format_number(round_["champion_rmse"]), format_number(best_rmse(round_)),
            report_page.describe_promotion(round_),
        ])
        for round_ in report.rounds
    ]  # fmt: skip
    show(console, f"Rounds (errors in {unit})", _ROUNDS, rows)
    console.print()
    show_models(console, report.leaderboard, unit)
    console.print()
    error, samples = report.live_error, report.samples
    console.print(
        f"Live error {format_rounded(error.before_drift, unit)} before the drift (noise floor "
        f"{format_rounded(error.noise_floor_before, unit)}), {format_rounded(error.under_drift, unit)} under it, "
        f"{format_rounded(error.recovered, unit)} after recovery "
        f"(noise floor {format_rounded(error.noise_floor_after, unit)}).",
        highlight=False,
    )
    console.print(
        f"Samples: {samples.published:,} published = {samples.stored:,} stored + {samples.quarantined:,} in quarantine "
        f"+ {samples.lost:,} lost; {samples.duplicates:,} rows are repeats, which a dataset counts once.",
        highlight=False,
    )
    console.print(f"Charts: {folder / 'report.html'}   Figures: {folder / 'report.json'}", highlight=False)
