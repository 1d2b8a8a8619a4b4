"""Samples on their way in, with everything between a robot and its row failing; then every one is looked up."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from dwell.demo.reconciliation import reconcile
from dwell.messaging.batching import Batcher
from dwell.messaging.line import Line, LineKind
from dwell.simulator.fleet_runner import Fleet, FleetSettings
from dwell.simulator.robots import Robots, sample_line
from tests.faults.rules import BATCHES_FAIL, FORWARDER_DIES, INGEST
from tests.faults.stage import BrokenPromiseError

if TYPE_CHECKING:
    from dwell.demo.report import SampleCounts
    from dwell.messaging.publish_log import PublishLog
    from dwell.messaging.publisher import Publisher
    from tests.faults.stage import Stage

RATE = 2_000.0
"""Samples a second that the fleet tries to publish."""

CLOCKS: dict[int, str | None] = {
    -40: "out_of_range:recorded_at",
    -5: None,
    -1: None,
    1: "in_the_future",
    20: "in_the_future",
}
"""How many years off the clocks of some robots are, and what their samples are refused for, if they are."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """What the metrics say against what is true: deliveries that were repeated count again, samples do not."""

    accepted: int
    rows: int
    distinct: int


def publish(stage: Stage, publisher: Publisher, samples: int) -> None:
    """Publish about ``samples`` samples while everything fails, and some of robots whose clocks are years off."""
    with stage.beset(INGEST):
        settings = FleetSettings(
            rate=RATE, predicted=0, broken=0.02, duplicates=0.02, rows=0.02, single=0.002, seed=stage.seed
        )
        fleet = Fleet(settings, publisher, None)
        while len(publisher.publish_log.published_ids) < samples:
            fleet.run(2)
        _publish_from_other_years(publisher, stage.seed + 1)
        # The faults go on until most has arrived; the rest is what they have parked.
        end = time.monotonic() + 25
        while _reconciled(stage, publisher.publish_log).lost > samples // 50 and time.monotonic() < end:
            time.sleep(1)


def _publish_from_other_years(publisher: Publisher, seed: int) -> None:
    robots, packer = Robots(seed), Batcher()
    now = datetime.now(UTC)
    lines = []
    for years, reason in CLOCKS.items():
        for sample in robots.samples(robots.take(40), now + timedelta(days=365 * years)):
            line = sample_line(sample)
            lines.append(Line(line.text, LineKind.BROKEN, line.identity, reason) if reason else line)
    publisher.publish(packer.add(lines) + packer.flush())


def publish_poison(stage: Stage, publisher: Publisher) -> None:
    """Publish samples whose every attempt fails, first at the validator, then at the forwarder."""
    settings = FleetSettings(rate=500, predicted=0, broken=0.02, seed=stage.seed + 2)
    fleet = Fleet(settings, publisher, None)
    with stage.beset(BATCHES_FAIL):
        fleet.run(2)
        stage.until(lambda: stage.storage.failed() or None, "no batch was put aside")
    with stage.beset(FORWARDER_DIES):
        fleet.run(1)
        stage.until(lambda: stage.waiting() or None, "no event was parked")


def settle(stage: Stage, ledger: PublishLog) -> SampleCounts:
    """Send back what failed for good until every sample is accounted for, or patience ends."""
    end = time.monotonic() + stage.patience
    while True:
        samples = _reconciled(stage, ledger)
        settled = samples.lost == 0 and samples.failed == 0 and stage.waiting() == 0
        if settled or time.monotonic() > end:
            return samples
        stage.redrive()
        time.sleep(2)


def _reconciled(stage: Stage, ledger: PublishLog) -> SampleCounts:
    stage.storage.read()
    return reconcile(
        ledger,
        stage.storage.samples()["sample_id"],
        stage.storage.quarantined(),
        failed=stage.storage.failed(),
    )


def check_reasons(stage: Stage, ledger: PublishLog) -> None:
    """Every broken line has to lie in quarantine under its own reason. Raises ``BrokenPromiseError``."""
    reasons: dict[str, set[str]] = {}
    for line in stage.storage.quarantined():
        reasons.setdefault(line.get("raw", ""), set()).add(line["reason"])
    wrong = [broken for broken in ledger.broken.values() if reasons.get(broken.raw, set()) != {broken.reason}]
    if wrong:
        raise BrokenPromiseError(f"{len(wrong)} lines were refused for another reason than theirs: {wrong[:2]}")


def both(stage: Stage, ledger: PublishLog) -> int:
    """Samples that lie in a row and in quarantine too."""
    refused = {line["raw"] for line in stage.storage.quarantined() if "raw" in line}
    broken = {identity for identity, line in ledger.broken.items() if line.raw in refused}
    return len(broken & set(stage.storage.samples()["sample_id"]))


def metrics(stage: Stage) -> Metrics:
    """How far repeated batches make the metrics count too much."""
    rows = list(stage.storage.samples()["sample_id"])
    return Metrics(accepted=int(stage.metric("AcceptedSamples")), rows=len(rows), distinct=len(set(rows)))
