"""The run as a sequence of phases, each with a condition that ends it and a timeout."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from dwell.client import stack
from dwell.client.signed_api import create_api
from dwell.demo import error_series
from dwell.demo.bucket_contents import BucketContents
from dwell.demo.reconciliation import reconcile
from dwell.demo.report import LiveErrorSummary, Report, TimelineEvent, summarize_round
from dwell.demo.report_page import SERIES_SECONDS, shorten_model_name
from dwell.demo.stack_monitor import MonitorError, StackMonitor
from dwell.local import deployment, emulator_process
from dwell.messaging.publisher import Publisher, create_sns_client
from dwell.simulator.drift import DEFAULT_DRIFT, get_drift
from dwell.simulator.fleet_runner import Fleet, FleetSettings
from dwell.simulator.planner import create_planner
from feature_schema import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dwell.client.leaderboard import Leaderboard
    from dwell.demo.report import SampleCounts
    from dwell.demo.screen import Screen
    from dwell.local.emulator_process import Laptop
    from dwell.simulator.fleet_runner import Snapshot

SETTLING_TIME = timedelta(seconds=3)
"""Time after a promotion in which predictions of the old model may still be echoed."""


class ScenarioError(RuntimeError):
    """The condition of a phase was not met in time; the message has the phase and the last observations."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """The parameters of a run. Times in seconds."""

    fleet: FleetSettings = field(
        default_factory=lambda: FleetSettings(
            robots=5_000,
            rate=700,
            request_rate=8,
            predicted=0.5,
            broken=0.01,
            duplicates=0.01,
            rows=0.02,
            single=0.002,
        )
    )
    drift: str = DEFAULT_DRIFT
    steady: float = 20
    """How long to observe the first model's error."""
    recovered: float = 20
    """How long to observe the error after the last promotion."""
    timeout: float = 120
    """How long to wait for each condition."""


def run_scenario(scenario: Scenario, screen: Screen) -> Report:
    """Run the scenario on a local AWS of its own. Raises ``ScenarioError``, ``LaptopError`` and ``DeploymentError``."""
    with screen.phase("start", "AWS starts on this laptop"):
        aws = emulator_process.start()
    try:
        with _environment(aws):
            with screen.phase("build", "sam build"):
                deployment.build()
            with screen.phase("deploy", "sam deploy: the whole stack from template.yaml"):
                deployment.deploy(aws)
            return _ScenarioRun(scenario, screen, aws).run()
    finally:
        aws.stop()


@contextmanager
def _environment(aws: Laptop) -> Iterator[None]:
    """Set the AWS environment variables to the local AWS while the block runs, as the fleet reads them."""
    previous = dict(os.environ)
    os.environ.update(aws.environment())
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(previous)


class _ScenarioRun:
    def __init__(self, scenario: Scenario, screen: Screen, aws: Laptop) -> None:
        target = stack.find(deployment.STACK)
        self.scenario, self.screen, self.aws = scenario, screen, aws
        self.topic_arn, self.api_url = target.topic_arn, target.api_url
        self.bucket = BucketContents.create(aws.client("s3"), target.bucket)
        self.monitor = StackMonitor(target.name, create_api(target.api_url, timeout=10), aws.client("cloudwatch"))
        self.started_at = datetime.now(UTC)
        self.leaderboard: Leaderboard = {"endpoint": None, "leaderboard": [], "rounds": [], "decisions": []}

    def run(self) -> Report:
        screen, scenario = self.screen, self.scenario
        with Publisher(create_sns_client(self.topic_arn), self.topic_arn) as publisher:
            fleet = Fleet(scenario.fleet, publisher, create_planner(self.api_url))
            with fleet.working():
                with screen.phase("no_model", "robots work; no model serves; the NoModel alarm starts a round"):
                    self._until(fleet, self._find_running_round, "the NoModel alarm started no round")
                with screen.phase("first_round", "one job trains three algorithms; the winner goes live"):
                    first_model = self._until(fleet, self._find_live_model, "no model went live")
                with screen.phase("steady", "live error settles at the error that the model promised"):
                    self._observe_for(fleet, scenario.steady)
                drifted_at = datetime.now(UTC)
                fleet.drift(scenario.drift)
                with screen.phase("drift", "the world changes; the ModelError alarm starts a round"):
                    self._until(fleet, self._find_running_round, "the ModelError alarm started no round")
                with screen.phase(
                    "second_round", "the champion against its challengers; the winner serves as a canary, then live"
                ):
                    self._until(
                        fleet, lambda: self._find_live_model(other_than=first_model), "no better model went live"
                    )
                with screen.phase("recovery", "live error recovers, and the ModelError alarm returns to OK"):
                    self._observe_for(fleet, scenario.recovered)
                    self._until(fleet, self._is_alarm_ok, "the ModelError alarm stayed in ALARM")
            snapshot = fleet.snapshot()
            with screen.phase("reconcile", "every published sample is looked up in S3"):
                samples = self._reconcile(fleet)
        return self._build_report(snapshot, samples, drifted_at)

    # --- conditions -----------------------------------------------------------------------------------------------

    def _find_running_round(self) -> str | None:
        return next((entry["round"] for entry in self.leaderboard["rounds"] if entry["status"] == "started"), None)

    def _find_live_model(self, *, other_than: str | None = None) -> str | None:
        live = next((entry["model"] for entry in self.leaderboard["leaderboard"] if entry["live"]), None)
        return None if live == other_than else live

    def _is_alarm_ok(self) -> bool | None:
        return True if self.monitor.alarms()["ModelError"] == "OK" else None

    def _until[T](self, fleet: Fleet, condition: Callable[[], T | None], failure: str) -> T:
        """Observe every second until the condition returns a value. Raises ``ScenarioError`` after the timeout."""
        deadline = time.monotonic() + self.scenario.timeout
        while time.monotonic() < deadline:
            self._observe(fleet)
            result = condition()
            if result is not None:
                return result
            time.sleep(1)
        decisions = "; ".join(
            f"{decision['outcome']} ({decision['reason']})" for decision in self.leaderboard["decisions"][:3]
        )
        raise ScenarioError(
            f"{failure} within {self.scenario.timeout:.0f} s; alarms: {self.monitor.alarms()}; "
            f"last decisions: {decisions or 'none'}; the emulator's log: {self.aws.log}"
        )

    def _observe_for(self, fleet: Fleet, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._observe(fleet)
            time.sleep(1)

    def _observe(self, fleet: Fleet) -> None:
        fleet.check()
        try:
            self.leaderboard = self.monitor.leaderboard()
        except MonitorError as error:
            # A laptop that trains a model may respond late. Conditions wait for the next observation.
            self.screen.figures["leaderboard"] = str(error)
            return
        self.screen.figures.pop("leaderboard", None)
        snapshot = fleet.snapshot(last=12)
        recent = snapshot.recent()
        unit = describe()["target"]["unit"]
        self.screen.figures |= {
            "samples published": f"{snapshot.published:,}",
            "predictions": f"{snapshot.model:,} by a model, {snapshot.fallback:,} by the baseline",
            "live error": f"{recent.error:,.0f} {unit}, {recent.promise:,.0f} promised, "
            f"{recent.noise_floor:,.0f} noise floor"
            if recent.error and recent.promise and recent.noise_floor
            else "no model serves yet",
            "alarms": ", ".join(f"{name} {state}" for name, state in self.monitor.alarms().items()),
            "live model": self._find_live_model() or "none",
        }

    # --- the end --------------------------------------------------------------------------------------------------

    def _reconcile(self, fleet: Fleet) -> SampleCounts:
        """Wait until every published sample has arrived, or until the timeout."""
        deadline = time.monotonic() + self.scenario.timeout
        while True:
            self.bucket.read()
            samples = reconcile(
                fleet.publish_log,
                self.bucket.samples()["sample_id"],
                self.bucket.quarantined(),
                failed=self.bucket.failed(),
            )
            if samples.lost == 0 or time.monotonic() > deadline:
                return samples
            time.sleep(1)

    def _build_report(self, snapshot: Snapshot, samples: SampleCounts, drifted_at: datetime) -> Report:
        self.leaderboard = self.monitor.leaderboard()
        rows = error_series.predicted_rows(self.bucket.samples())
        rounds = sorted(
            (summarize_round(entry) for entry in self.leaderboard["rounds"]), key=lambda entry: entry["round"]
        )
        promotions = sorted(
            (datetime.fromisoformat(live_since), entry["model"])
            for entry in self.leaderboard["leaderboard"]
            if (live_since := entry.get("live_since"))
        )
        last_promoted_at, last_model = promotions[-1]
        floors = list(snapshot.noise_floors.values())
        events = [TimelineEvent(drifted_at, "drift", f"the world changes: {self.scenario.drift}")]
        events += self.monitor.alarm_events(self.started_at)
        events += [
            TimelineEvent(datetime.fromisoformat(entry["started_at"]), "round", "a round starts")
            for entry in self.leaderboard["rounds"]
        ]
        events += [TimelineEvent(at, "promotion", f"{shorten_model_name(model)} goes live") for at, model in promotions]
        events += [
            TimelineEvent(served_at, "trial", f"{shorten_model_name(model)} serves as a canary")
            for _, model in promotions[1:]
            if (served_at := error_series.find_first_prediction(rows, model)) is not None
        ]
        per_second = self.bucket.samples()["recorded_at"].dt.floor("1s").value_counts().sort_index()
        return Report(
            samples=samples,
            rounds=rounds,
            live_error=LiveErrorSummary(
                before_drift=error_series.compute_rmse(rows, since=promotions[0][0] + SETTLING_TIME, until=drifted_at),
                # of the model that served at the drift: its successor serves a share already as a canary
                under_drift=error_series.compute_rmse(
                    rows, since=drifted_at, until=last_promoted_at, model=promotions[-2][1]
                )
                if len(promotions) > 1
                else None,
                recovered=error_series.compute_rmse(rows, since=last_promoted_at + SETTLING_TIME, model=last_model),
                noise_floor_before=floors[0],
                noise_floor_after=floors[-1],
            ),
            predictions={"model": snapshot.model, "fallback": snapshot.fallback},
            seconds=self.screen.seconds(),
            leaderboard=self.leaderboard["leaderboard"],
            target=describe()["target"],
            drift={"kind": self.scenario.drift, "meaning": get_drift(self.scenario.drift).meaning},
            moments=sorted(events, key=lambda event: event.at),
            error_series=error_series.build_series(rows, seconds=SERIES_SECONDS, min_samples=200),
            rate_series=[(at.to_pydatetime(), int(count)) for at, count in per_second.items()],
        )
