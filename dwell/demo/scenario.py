"""The lifecycle as a story of phases, each with a condition that ends it and a time by which it must have come true."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from dwell.client import stack
from dwell.client.signed_api import api_for
from dwell.demo import error_series as live_error
from dwell.demo.bucket_contents import Storage
from dwell.demo.reconciliation import reconcile
from dwell.demo.report import LiveError, Moment, Report, round_entry
from dwell.demo.report_page import SERIES_SECONDS, short
from dwell.demo.stack_monitor import Watch, WatchError
from dwell.local import deployment
from dwell.local import emulator_process as laptop
from dwell.messaging.publisher import Publisher, sns_client
from dwell.simulator.drift import DEFAULT, drift_named
from dwell.simulator.fleet_runner import Fleet, Settings
from dwell.simulator.planner import planner_for
from feature_schema import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dwell.demo.report import Samples
    from dwell.demo.screen import Screen
    from dwell.local.emulator_process import Laptop
    from dwell.simulator.fleet_runner import Snapshot

SETTLE = timedelta(seconds=3)
"""After a promotion some answers of the old model are still on their way."""


class StoryError(RuntimeError):
    """A phase did not end as it should; the message says which, and what was seen last."""


@dataclass(frozen=True, slots=True)
class Script:
    """How the story is played. Times in seconds."""

    fleet: Settings = field(
        default_factory=lambda: Settings(
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
    drift: str = DEFAULT
    steady: float = 20
    """How long the first model's error is watched."""
    recovered: float = 20
    """How long the error after the last promotion is watched."""
    patience: float = 120
    """How long to wait for what the loop has to do by itself."""


def play(script: Script, screen: Screen) -> Report:
    """Play the whole story on an emulator of its own. Raises ``StoryError`` if the loop does not close."""
    with screen.phase("start", "AWS starts on this laptop"):
        aws = laptop.start()
    try:
        with _environment(aws):
            with screen.phase("build", "sam build"):
                deployment.build()
            with screen.phase("deploy", "sam deploy: the whole stack from template.yaml"):
                deployment.deploy(aws)
            return _Story(script, screen, aws).play()
    finally:
        aws.stop()


@contextmanager
def _environment(aws: Laptop) -> Iterator[None]:
    """Point boto3 at the emulator for the time of a block: the fleet asks the usual AWS chain, as it does on AWS."""
    before = dict(os.environ)
    os.environ.update(aws.environment())
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class _Story:
    def __init__(self, script: Script, screen: Screen, aws: Laptop) -> None:
        found = stack.find(deployment.STACK)
        self.script, self.screen, self.aws = script, screen, aws
        self.topic_arn, self.api_url = found.topic_arn, found.api_url
        self.storage = Storage.of(aws.client("s3"), found.bucket)
        self.watch = Watch(found.name, api_for(found.api_url, timeout=10), aws.client("cloudwatch"))
        self.started = datetime.now(UTC)
        self.board: dict[str, Any] = {"leaderboard": [], "rounds": [], "decisions": []}

    def play(self) -> Report:
        screen, script = self.screen, self.script
        with Publisher(sns_client(self.topic_arn), self.topic_arn) as publisher:
            fleet = Fleet(script.fleet, publisher, planner_for(self.api_url))
            with fleet.working():
                with screen.phase("no_model", "robots work; no model serves; the NoModel alarm starts a round"):
                    self._until(fleet, self._a_round_runs, "the NoModel alarm started no round")
                with screen.phase("first_round", "one job trains three algorithms; the winner goes live"):
                    first = self._until(fleet, self._live_model, "no model went live")
                with screen.phase("steady", "live error settles at what the model promised"):
                    self._watch_for(fleet, script.steady)
                drifted = datetime.now(UTC)
                fleet.drift(script.drift)
                with screen.phase("drift", "the world changes; the ModelError alarm starts a round"):
                    self._until(fleet, self._a_round_runs, "the ModelError alarm started no round")
                with screen.phase(
                    "second_round", "the old champion and its challengers; the winner is on trial, then live"
                ):
                    self._until(fleet, lambda: self._live_model(other_than=first), "no better model went live")
                with screen.phase("recovery", "live error recovers, and the ModelError alarm rests"):
                    self._watch_for(fleet, script.recovered)
                    self._until(fleet, self._alarm_rests, "the ModelError alarm stayed in ALARM")
            snapshot = fleet.snapshot()
            with screen.phase("reconcile", "every published sample is looked up in S3"):
                samples = self._reconciled(fleet)
        return self._report(snapshot, samples, drifted)

    # --- conditions -----------------------------------------------------------------------------------------------

    def _a_round_runs(self) -> str | None:
        running = [entry for entry in self.board["rounds"] if entry["status"] == "started"]
        return running[0]["round"] if running else None

    def _live_model(self, *, other_than: str | None = None) -> str | None:
        live = [entry["model"] for entry in self.board["leaderboard"] if entry["live"]]
        return live[0] if live and live[0] != other_than else None

    def _alarm_rests(self) -> bool | None:
        return True if self.watch.alarms()["ModelError"] == "OK" else None

    def _until[T](self, fleet: Fleet, condition: Callable[[], T | None], otherwise: str) -> T:
        """Look every second until the condition answers something. Raises ``StoryError`` when patience ends."""
        end = time.monotonic() + self.script.patience
        while time.monotonic() < end:
            self._look(fleet)
            answer = condition()
            if answer is not None:
                return answer
            time.sleep(1)
        decisions = "; ".join(
            f"{decision['outcome']} ({decision['reason']})" for decision in self.board["decisions"][:3]
        )
        raise StoryError(
            f"{otherwise} within {self.script.patience:.0f} s; alarms: {self.watch.alarms()}; "
            f"last decisions: {decisions or 'none'}; the emulator's log: {self.aws.log}"
        )

    def _watch_for(self, fleet: Fleet, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._look(fleet)
            time.sleep(1)

    def _look(self, fleet: Fleet) -> None:
        fleet.check()
        try:
            self.board = self.watch.leaderboard()
        except WatchError as error:
            # A laptop that trains a model may answer late. Conditions wait for the next look, until patience ends.
            self.screen.figures["leaderboard"] = str(error)
            return
        self.screen.figures.pop("leaderboard", None)
        snapshot = fleet.snapshot(last=12)
        recent = snapshot.recent()
        unit = describe()["target"]["unit"]
        self.screen.figures |= {
            "samples published": f"{snapshot.published:,}",
            "answers": f"{snapshot.model:,} by a model, {snapshot.fallback:,} by the baseline",
            "live error": f"{recent.error:,.0f} {unit}, {recent.promise:,.0f} promised, "
            f"{recent.noise_floor:,.0f} is the noise floor"
            if recent.error and recent.promise and recent.noise_floor
            else "no model answers yet",
            "alarms": ", ".join(f"{name} {state}" for name, state in self.watch.alarms().items()),
            "live model": self._live_model() or "none",
        }

    # --- the end --------------------------------------------------------------------------------------------------

    def _reconciled(self, fleet: Fleet) -> Samples:
        """Wait until everything has arrived, or until nothing more comes."""
        end = time.monotonic() + self.script.patience
        while True:
            self.storage.read()
            samples = reconcile(
                fleet.ledger,
                self.storage.samples()["sample_id"],
                self.storage.quarantined(),
                failed=self.storage.failed(),
            )
            if samples.lost == 0 or time.monotonic() > end:
                return samples
            time.sleep(1)

    def _report(self, snapshot: Snapshot, samples: Samples, drifted: datetime) -> Report:
        self.board = self.watch.leaderboard()
        rows = live_error.predicted_rows(self.storage.samples())
        rounds = sorted((round_entry(entry) for entry in self.board["rounds"]), key=lambda entry: entry["round"])
        promotions = sorted(
            (datetime.fromisoformat(entry["live_since"]), entry["model"])
            for entry in self.board["leaderboard"]
            if entry.get("live_since")
        )
        last_at, last_model = promotions[-1]
        floors = list(snapshot.noise_floors.values())
        moments = [Moment(drifted, "drift", f"the world changes: {self.script.drift}")]
        moments += self.watch.alarm_moments(self.started)
        moments += [
            Moment(datetime.fromisoformat(entry["started_at"]), "round", "a round starts")
            for entry in self.board["rounds"]
        ]
        moments += [Moment(at, "promotion", f"{short(model)} goes live") for at, model in promotions]
        moments += [
            Moment(began, "trial", f"{short(model)} answers, on trial")
            for _, model in promotions[1:]
            if (began := live_error.first_answer(rows, model)) is not None
        ]
        per_second = self.storage.samples()["recorded_at"].dt.floor("1s").value_counts().sort_index()
        return Report(
            samples=samples,
            rounds=rounds,
            live_error=LiveError(
                before_drift=live_error.error(rows, since=promotions[0][0] + SETTLE, until=drifted),
                # of the model that met the drift: its successor answers already while it is on trial
                under_drift=live_error.error(rows, since=drifted, until=last_at, model=promotions[-2][1])
                if len(promotions) > 1
                else None,
                recovered=live_error.error(rows, since=last_at + SETTLE, model=last_model),
                noise_floor_before=floors[0],
                noise_floor_after=floors[-1],
            ),
            predictions={"model": snapshot.model, "fallback": snapshot.fallback},
            seconds=self.screen.seconds(),
            leaderboard=self.board["leaderboard"],
            target=describe()["target"],
            drift={"kind": self.script.drift, "meaning": drift_named(self.script.drift).meaning},
            moments=sorted(moments, key=lambda moment: moment.at),
            error_series=live_error.series(rows, seconds=SERIES_SECONDS, minimum=200),
            rate_series=[(at.to_pydatetime(), int(count)) for at, count in per_second.items()],
        )
