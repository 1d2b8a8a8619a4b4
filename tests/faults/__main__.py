"""``make faults``: the loop with faults between its functions and AWS, and what it promised looked up afterwards."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from dwell.demo.screen import Screen
from dwell.local.deployment import DeploymentError
from dwell.local.emulator_process import LaptopError
from dwell.messaging.publisher import Publisher, create_sns_client
from tests.faults import ingest, loop, planners, report
from tests.faults.stage import PARAMETERS, BrokenPromiseError, Stage, staged

FOLDER = Path("build/faults")
OVERHEAD = 2.0
"""Seconds on top of the time limit that a request may take here: a laptop runs all of AWS on the same processors."""


def main() -> int:
    """Run the campaign; 0 if every promise held."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--samples", type=int, help="how many samples to publish (short 20,000; long 300,000)")
    parser.add_argument("--requests", type=int, help="how many predictions to ask for (short 300; long 5,000)")
    parser.add_argument("--seed", type=int, default=1, help="which faults hit which call")
    parser.add_argument("--long", action="store_true", help="more of everything, and more ways for a round to end")
    given = parser.parse_args()
    console = Console()
    if not console.is_terminal:
        console = Console(width=140)  # a log has no width, and 80 columns are too few for the tables
    screen = Screen(console)
    found = report.Report(given.seed)
    try:
        with screen.shown(), staged(screen, given.seed) as stage:
            _play(
                stage,
                screen,
                found,
                samples=given.samples or (300_000 if given.long else 20_000),
                requests=given.requests or (5_000 if given.long else 300),
                long=given.long,
            )
    except BrokenPromiseError as error:
        found.promise("what has to happen happens in time", held=False, seen=str(error))
    except (LaptopError, DeploymentError) as error:
        console.print(f"[red]The campaign could not start:[/red] {error}", highlight=False)
        return 1
    found.seconds = screen.seconds()
    found.write(FOLDER / "report.json")
    found.show(console)
    console.print(f"Figures: {FOLDER / 'report.json'}", highlight=False)
    return 0 if found.held else 1


def _play(stage: Stage, screen: Screen, found: report.Report, *, samples: int, requests: int, long: bool) -> None:
    try:
        with Publisher(create_sns_client(stage.stack.topic_arn), stage.stack.topic_arn) as publisher:
            if long:
                stage.patience = 300.0
            with screen.phase("ingest", f"{samples:,} samples, and everything on their way fails now and then"):
                ingest.publish(stage, publisher, samples)
            with screen.phase("poison", "batches and events that fail in every attempt"):
                ingest.publish_poison(stage, publisher)
            with screen.phase("reconcile", "what failed is sent back, and every sample is looked up"):
                settled = ingest.settle(stage, publisher.publish_log)
                metrics = ingest.metrics(stage)
                report.of_samples(found, settled, both=ingest.both(stage, publisher.publish_log), metrics=metrics)
                ingest.check_reasons(stage, publisher.publish_log)
        with screen.phase("rounds", "alarms flap, jobs and endpoints fail, archives break, functions die"):
            found.rounds = loop.play(stage, long=long)
            found.promise(
                "rounds end, have one job each, and one model serves", held=True, seen=f"{len(found.rounds)} rounds"
            )
            report.of_datasets(found, loop.datasets(stage), metrics)
        with screen.phase("predictions", f"{requests:,} requests while the endpoint does whatever it likes"):
            answers = planners.ask(stage, requests)
            limit = float(PARAMETERS["EndpointTimeoutSeconds"])
            report.of_answers(found, answers, time_limit=limit, bound=limit + OVERHEAD)
    finally:
        found.injected, found.calls = stage.injected, stage.calls
        found.figures["redriven"] = {"events": stage.parked, "lines_of_batches": stage.put_aside}


if __name__ == "__main__":
    sys.exit(main())
