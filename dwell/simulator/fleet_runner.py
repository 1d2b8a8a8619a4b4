"""Runs a fleet: draws interactions, requests predictions for some, and publishes all, at given rates."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from dwell.messaging.batching import MAX_LINES_PER_MESSAGE, Batcher, Message
from dwell.messaging.line import LineKind
from dwell.simulator.corruption import corrupt_line
from dwell.simulator.drift import get_drift
from dwell.simulator.live_error import ErrorTally, LiveError, SecondStats
from dwell.simulator.planner import Planner, PlannerError
from dwell.simulator.robots import Robots, concatenate, noise_floor, row_line, sample_line
from feature_schema import MAX_INSTANCES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dwell.messaging.line import Line
    from dwell.messaging.publish_log import PublishLog
    from dwell.messaging.publisher import Publisher
    from dwell.simulator.robots import Interactions

TICK_SECONDS = 0.1
"""Time between two ticks."""

_MAX_LINGER_SECONDS = 1.0
"""Time that a sample may wait until its message is full."""

_SINGLE_REQUEST_INTERVAL = 10
"""Every so many requests, one asks for a single prediction, as the workshop's clients do."""

_MAX_CONCURRENT_REQUESTS = 4
"""Prediction requests in flight."""


@dataclass(frozen=True, slots=True)
class FleetSettings:
    """Settings of a fleet. Shares are of samples, 0 to 1.

    ``rate``: samples a second. ``request_rate``: prediction requests a second. ``predicted``: the share for which the
    planner requests a prediction (if there is a planner). ``broken``: the share that is corrupted. ``duplicates``: the
    share that is published again, in a later message. ``rows``: the share (of those without prediction) that is
    published as workshop rows. ``single``: the share that has a message of its own. ``message_lines``: lines in a
    message.
    """

    robots: int = 5_000
    rate: float = 400.0
    request_rate: float = 8.0
    predicted: float = 0.5
    broken: float = 0.0
    duplicates: float = 0.0
    rows: float = 0.0
    single: float = 0.0
    message_lines: int = MAX_LINES_PER_MESSAGE
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("predicted", "broken", "duplicates", "rows", "single"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be a share, from 0 to 1")
        if not (self.rate > 0 and self.request_rate > 0):
            raise ValueError("rates must be positive")


@dataclass(frozen=True, slots=True)
class DriftEvent:
    """The world ``label`` is in effect from the time ``at`` (aware) and from interaction ``number`` on."""

    name: str
    label: str
    at: datetime
    number: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A copy of the state of a fleet at one moment.

    ``published`` counts lines that SNS confirmed, including broken ones and duplicates; ``model``, ``fallback`` and
    ``unpredicted`` count interactions. ``requests`` were sent to the API; ``failures`` counts failed requests by
    reason, and as ``busy`` those that were not sent because too many were in flight. ``by_world`` has the live error by
    (world, model), ``noise_floors`` (ms) the noise floor of every world so far by its label.
    """

    elapsed: float
    published: int
    messages: int
    broken: int
    duplicates: int
    model: int
    fallback: int
    unpredicted: int
    requests: int
    failures: Counter[str]
    publish_failures: Counter[str]
    world: str
    drifts: tuple[DriftEvent, ...]
    noise_floors: dict[str, float]
    by_world: dict[tuple[str, str], ErrorTally]
    seconds: tuple[SecondStats, ...]

    def recent(self, seconds: int = 10) -> ErrorTally:
        """Live error of the models in the last complete ``seconds``."""
        last = [second.model for second in self.seconds[:-1][-seconds:]]
        return sum(last, ErrorTally())

    def world_error(self, label: str) -> ErrorTally:
        """Live error of all models together in the world ``label``."""
        return sum((tally for (world, _), tally in self.by_world.items() if world == label), ErrorTally())


type _PendingRequest = tuple[Interactions, Future[list[dict[str, Any]]]]


class Fleet:
    """Robots that work until ``stop`` is set: ``run`` blocks, ``working`` runs in the background.

    ``drift``, ``snapshot`` and ``check`` may be called from any thread.
    """

    def __init__(self, settings: FleetSettings, publisher: Publisher, planner: Planner | None = None) -> None:
        self.settings = settings
        self.stop = threading.Event()
        self.robots = Robots(settings.seed, robots=settings.robots)
        self._publisher = publisher
        self._planner = planner
        self._batcher = Batcher(max_lines=settings.message_lines)
        self._rng = np.random.default_rng([settings.seed, 1, 1])
        self._to_repeat: list[Line] = []
        self._planned: list[Interactions] = []
        self._pending: deque[_PendingRequest] = deque()
        self._lock = threading.Lock()
        self._live = LiveError()
        self._published = 0
        self._skipped_requests = 0
        self._request_count = 0
        self._started_at = time.monotonic()
        self._ended_at: float | None = None
        self._flushed_at = 0.0
        self._requested_drifts: deque[str] = deque()
        self._drifts: list[DriftEvent] = []
        self._noise_floors = {self.robots.label: noise_floor(self.robots.world)}
        self._background: Future[None] | None = None

    @property
    def publish_log(self) -> PublishLog:
        """Everything that was published. Complete when the fleet has stopped."""
        return self._publisher.publish_log

    def drift(self, name: str) -> None:
        """Request a drift at the next tick. Raises ``UnknownDriftError``."""
        self._requested_drifts.append(get_drift(name).name)

    def check(self) -> None:
        """Raise the error that ended the background work, if there is one."""
        if self._background is not None and self._background.done():
            self._background.result()

    @contextmanager
    def working(self) -> Iterator[Fleet]:
        """Run in the background. Leaving the block stops the fleet, publishes the last samples, raises its error."""
        with ThreadPoolExecutor(1, thread_name_prefix="fleet") as executor:
            self._background = executor.submit(self.run)
            try:
                yield self
            finally:
                self.stop.set()
        self._background.result()

    def run(self, seconds: float | None = None) -> None:
        """Run for ``seconds``, or until ``stop`` is set; then publish what remains. Raises ``PublishError``."""
        self._started_at = time.monotonic()
        with ThreadPoolExecutor(_MAX_CONCURRENT_REQUESTS, thread_name_prefix="planner") as executor:
            previous = 0.0
            while not self.stop.wait(TICK_SECONDS):
                elapsed = time.monotonic() - self._started_at
                if seconds is not None and elapsed >= seconds:
                    break
                # After a stall at most one second is caught up: robots do not work faster to make up for it.
                self.tick(executor, max(previous, elapsed - 1), elapsed)
                previous = elapsed
            for _, response in self._pending:
                response.cancel()
        # The executor has waited for the requests in flight: every response has arrived or was cancelled.
        self.finish()
        self._ended_at = time.monotonic()

    def tick(self, executor: Executor, previous: float, now: float) -> None:
        """Do the work due between ``previous`` and ``now`` (seconds since the start)."""
        lines, self._to_repeat = self._to_repeat, []
        while self._requested_drifts:
            lines += self._apply_drift(self._requested_drifts.popleft())
        count = _due(self.settings.rate, previous, now)
        if count:
            interactions = self.robots.take(count)
            share = self.settings.predicted if self._planner else 0
            planned = _due(share, self.robots.taken - count, self.robots.taken)
            if planned:
                self._planned.append(interactions.part(0, planned))
            if planned < count:
                lines += self._perform(interactions.part(planned, count), None)
        for _ in range(_due(self.settings.request_rate, previous, now)):
            lines += self._send_request(executor)
        lines += self._collect_responses()
        messages = self._build_messages(lines)
        if now - self._flushed_at >= _MAX_LINGER_SECONDS:
            messages += self._batcher.flush()
            self._flushed_at = now
        self._publish(messages)

    def _apply_drift(self, name: str) -> list[Line]:
        """Start the drift ``name``. Returns the lines of interactions that were planned in the old world."""
        lines = self._perform(concatenate(self._planned), None) if self._planned else []
        self._planned.clear()
        label = name if not self._drifts else f"{self.robots.label}+{name}"
        self.robots.change_world(get_drift(name).apply(self.robots.world), label)
        new_floor = noise_floor(self.robots.world)
        with self._lock:
            self._noise_floors[label] = new_floor
            self._drifts.append(DriftEvent(name, label, datetime.now(UTC), self.robots.taken))
        return lines

    def _send_request(self, executor: Executor) -> list[Line]:
        """Request predictions for planned interactions. Returns the lines of those that happen without a prediction."""
        if self._planner is None or not self._planned:
            return []
        planned = concatenate(self._planned)
        self._planned.clear()
        if len(self._pending) >= 2 * _MAX_CONCURRENT_REQUESTS:
            self._skipped_requests += 1
            return self._perform(planned, None)
        self._request_count += 1
        single = self._request_count % _SINGLE_REQUEST_INTERVAL == 0
        size = min(len(planned), 1 if single else MAX_INSTANCES)
        part, remaining = planned.part(0, size), planned.part(size, len(planned))
        self._pending.append(
            (part, executor.submit(self._planner.request_predictions, part.instances(), single=single))
        )
        if len(remaining) > MAX_INSTANCES:
            return self._perform(remaining, None)
        if len(remaining):
            self._planned.append(remaining)
        return []

    def _collect_responses(self) -> list[Line]:
        """Perform the interactions whose response has arrived or failed."""
        lines: list[Line] = []
        still_pending: deque[_PendingRequest] = deque()
        for interactions, response in self._pending:
            if not response.done():
                still_pending.append((interactions, response))
                continue
            try:
                predictions = None if response.cancelled() else response.result()
            except PlannerError:
                predictions = None  # counted by the planner; the robot continues without a prediction
            lines += self._perform(interactions, predictions)
        self._pending = still_pending
        return lines

    def _perform(self, interactions: Interactions, predictions: list[dict[str, Any]] | None) -> list[Line]:
        """Let the interactions happen now. Returns their lines, a share of them corrupted."""
        now = datetime.now(UTC)
        chance = self._rng.random((len(interactions), 2))
        lines = []
        with self._lock:
            for position, sample in enumerate(self.robots.samples(interactions, now, predictions)):
                if chance[position, 0] < self.settings.broken:
                    lines.append(corrupt_line(sample, self._rng))
                    continue
                prediction = predictions[position] if predictions else None
                self._live.record(now.timestamp(), interactions, position, prediction)
                is_row = prediction is None and chance[position, 1] < self.settings.rows
                lines.append(row_line(sample) if is_row else sample_line(sample))
        return lines

    def _build_messages(self, lines: list[Line]) -> list[Message]:
        is_single = self._rng.random(len(lines)) < self.settings.single
        messages = [Message((line,)) for line, single in zip(lines, is_single, strict=True) if single]
        return messages + self._batcher.add(line for line, single in zip(lines, is_single, strict=True) if not single)

    def _publish(self, messages: list[Message]) -> None:
        if not messages:
            return
        published_ids = self.publish_log.published_ids
        first_time = [line for message in messages for line in message.lines if line.kind is LineKind.SAMPLE]
        first_time = [line for line in first_time if line.identity not in published_ids]
        is_repeated = self._rng.random(len(first_time)) < self.settings.duplicates
        confirmed = self._publisher.publish(messages)
        self._to_repeat += [line for line, repeated in zip(first_time, is_repeated, strict=True) if repeated]
        with self._lock:
            self._published += confirmed
            self._live.second(time.time()).published += confirmed

    def finish(self) -> None:
        """Publish the remaining samples; the last duplicates go in later messages than their originals."""
        lines = self._collect_responses()
        if self._planned:
            lines += self._perform(concatenate(self._planned), None)
        self._publish(self._build_messages(lines) + self._batcher.flush())
        lines, self._to_repeat = self._to_repeat, []
        self._publish(self._build_messages(lines) + self._batcher.flush())

    def snapshot(self, last: int | None = None) -> Snapshot:
        """The current state, with the ``last`` seconds of the series, or with all."""
        planner, log = self._planner, self.publish_log
        with self._lock:
            series = sorted(self._live.seconds.items())
            seconds = tuple(deepcopy(second) for _, second in (series if last is None else series[-last:]))
            by_world = deepcopy(dict(self._live.by_world))
            floors, drifts, published = dict(self._noise_floors), tuple(self._drifts), self._published
            fallback, unpredicted = self._live.fallback, self._live.unpredicted
        failures = Counter(planner.failures if planner else {})
        if self._skipped_requests:
            failures["busy"] = self._skipped_requests
        return Snapshot(
            elapsed=(self._ended_at or time.monotonic()) - self._started_at,
            published=published,
            messages=log.messages,
            broken=len(log.broken),
            duplicates=log.duplicates,
            model=sum(tally.samples for tally in by_world.values()),
            fallback=fallback,
            unpredicted=unpredicted,
            requests=planner.requests if planner else 0,
            failures=failures,
            publish_failures=Counter(log.failures),
            world=self.robots.label,
            drifts=drifts,
            noise_floors=floors,
            by_world=by_world,
            seconds=seconds,
        )


def _due(rate: float, previous: float, now: float) -> int:
    """Number of events of a steady ``rate`` between two times (s, for a rate in 1/s) or two counts (for a share)."""
    return int(now * rate) - int(previous * rate)
