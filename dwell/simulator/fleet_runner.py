"""The fleet at work: interactions are drawn, some are predicted, all happen and are published, at a given rate."""

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

from dwell.messaging.batching import MAX_LINES, Message, Packer
from dwell.messaging.line import Kind
from dwell.simulator.corruption import broken_line
from dwell.simulator.drift import drift_named
from dwell.simulator.live_error import LiveError, Second, Tally
from dwell.simulator.planner import Planner, PlannerError
from dwell.simulator.robots import Robots, joined, noise_floor, row_line, sample_line
from feature_schema import MAX_INSTANCES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dwell.messaging.line import Line
    from dwell.messaging.publish_log import Ledger
    from dwell.messaging.publisher import Publisher
    from dwell.simulator.robots import Interactions

TICK = 0.1
"""Seconds between two looks at what is due."""

_LINGER = 1.0
"""Seconds that a sample may wait for its message to become full."""

_SINGLE_EVERY = 10
"""One request in so many asks for a single prediction, as the workshop's edge does."""

_ASKERS = 4
"""Requests for predictions under way at once."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a fleet works. Shares are of samples, 0 to 1.

    ``rate``: samples a second. ``request_rate``: requests for predictions a second. ``predicted``: the share that the
    planner asks about (if there is a planner). ``broken``: the share that is damaged. ``duplicates``: the share that is
    published a second time, in a later message. ``rows``: the share (of those without prediction) that is published as
    workshop rows. ``single``: the share that travels in a message of its own. ``message_lines``: lines in a message.
    """

    robots: int = 5_000
    rate: float = 400.0
    request_rate: float = 8.0
    predicted: float = 0.5
    broken: float = 0.0
    duplicates: float = 0.0
    rows: float = 0.0
    single: float = 0.0
    message_lines: int = MAX_LINES
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("predicted", "broken", "duplicates", "rows", "single"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a share, from 0 to 1")
        if not (self.rate > 0 and self.request_rate > 0):
            raise ValueError("rates must be positive")


@dataclass(frozen=True, slots=True)
class DriftEvent:
    """From ``at`` (aware) and from interaction ``number`` on, the world called ``label`` held."""

    name: str
    label: str
    at: datetime
    number: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of a fleet at one moment; a copy, to be read at leisure.

    ``published`` counts lines that SNS confirmed, broken ones and duplicates too; ``model``, ``fallback`` and
    ``unpredicted`` count interactions. ``requests`` were sent to the API; ``failures`` counts by reason the requests
    that were not answered, and under ``busy`` those that were not sent as too many were waiting for an answer.
    ``by_world`` tallies live error by (world, model). ``noise_floors`` (ms) holds every world there was, by label.
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
    by_world: dict[tuple[str, str], Tally]
    seconds: tuple[Second, ...]

    def recent(self, seconds: int = 10) -> Tally:
        """Live error of the models over the last full ``seconds``."""
        last = [second.model for second in self.seconds[:-1][-seconds:]]
        return sum(last, Tally())

    def world_error(self, label: str) -> Tally:
        """Live error of all models together while the world called ``label`` held."""
        return sum((tally for (world, _), tally in self.by_world.items() if world == label), Tally())


type _Asked = tuple[Interactions, Future[list[dict[str, Any]]]]


class Fleet:
    """Robots at work until told to stop: ``run`` blocks, ``working`` does it in the background.

    ``drift``, ``snapshot`` and ``check`` may be called from any thread.
    """

    def __init__(self, settings: Settings, publisher: Publisher, planner: Planner | None = None) -> None:
        self.settings = settings
        self.stop = threading.Event()
        self.robots = Robots(settings.seed, robots=settings.robots)
        self._publisher = publisher
        self._planner = planner
        self._packer = Packer(max_lines=settings.message_lines)
        self._rng = np.random.default_rng([settings.seed, 1, 1])
        self._again: list[Line] = []
        self._planned: list[Interactions] = []
        self._asked: deque[_Asked] = deque()
        self._lock = threading.Lock()
        self._live = LiveError()
        self._published = 0
        self._busy = 0
        self._questions = 0
        self._started = time.monotonic()
        self._ended: float | None = None
        self._flushed = 0.0
        self._coming: deque[str] = deque()
        self._drifts: list[DriftEvent] = []
        self._floors = {self.robots.label: noise_floor(self.robots.world)}
        self._work: Future[None] | None = None

    @property
    def ledger(self) -> Ledger:
        """What was published. Complete when the fleet has stopped."""
        return self._publisher.ledger

    def drift(self, name: str) -> None:
        """Change the world from the next tick on. Raises ``UnknownDriftError``."""
        self._coming.append(drift_named(name).name)

    def check(self) -> None:
        """Raise what ended the work in the background, if anything did."""
        if self._work is not None and self._work.done():
            self._work.result()

    @contextmanager
    def working(self) -> Iterator[Fleet]:
        """The fleet at work in the background. Leaving stops it, waits for the last samples, and raises its error."""
        with ThreadPoolExecutor(1, thread_name_prefix="fleet") as background:
            self._work = background.submit(self.run)
            try:
                yield self
            finally:
                self.stop.set()
        self._work.result()

    def run(self, seconds: float | None = None) -> None:
        """Work for ``seconds``, or until ``stop`` is set; then publish what is left. Raises ``PublishError``."""
        self._started = time.monotonic()
        with ThreadPoolExecutor(_ASKERS, thread_name_prefix="planner") as askers:
            before = 0.0
            while not self.stop.wait(TICK):
                elapsed = time.monotonic() - self._started
                if seconds is not None and elapsed >= seconds:
                    break
                # After a stall at most a second's work is made up for: robots do not work faster then.
                self.tick(askers, max(before, elapsed - 1), elapsed)
                before = elapsed
            for _, answer in self._asked:
                answer.cancel()
        # The pool has waited for the requests under way: every answer is there, or will never be.
        self.finish()
        self._ended = time.monotonic()

    def tick(self, askers: Executor, before: float, now: float) -> None:
        """Do what is due between ``before`` and ``now``, in seconds since the start."""
        lines, self._again = self._again, []
        while self._coming:
            lines += self._change_the_world(self._coming.popleft())
        count = _due(self.settings.rate, before, now)
        if count:
            interactions = self.robots.take(count)
            share = self.settings.predicted if self._planner else 0
            planned = _due(share, self.robots.taken - count, self.robots.taken)
            if planned:
                self._planned.append(interactions.part(0, planned))
            if planned < count:
                lines += self._perform(interactions.part(planned, count), None)
        for _ in range(_due(self.settings.request_rate, before, now)):
            lines += self._ask(askers)
        lines += self._answered()
        messages = self._packed(lines)
        if now - self._flushed >= _LINGER:
            messages += self._packer.flush()
            self._flushed = now
        self._publish(messages)

    def _change_the_world(self, name: str) -> list[Line]:
        """The drift called ``name`` begins. Answers the lines of interactions that were planned in the old world."""
        lines = self._perform(joined(self._planned), None) if self._planned else []
        self._planned.clear()
        label = name if not self._drifts else f"{self.robots.label}+{name}"
        self.robots.move_to(drift_named(name).apply(self.robots.world), label)
        floor = noise_floor(self.robots.world)
        with self._lock:
            self._floors[label] = floor
            self._drifts.append(DriftEvent(name, label, datetime.now(UTC), self.robots.taken))
        return lines

    def _ask(self, askers: Executor) -> list[Line]:
        """Send one request for what is planned. Answers the lines of those that happen without a prediction."""
        if self._planner is None or not self._planned:
            return []
        planned = joined(self._planned)
        self._planned.clear()
        if len(self._asked) >= 2 * _ASKERS:
            self._busy += 1
            return self._perform(planned, None)
        self._questions += 1
        single = self._questions % _SINGLE_EVERY == 0
        size = min(len(planned), 1 if single else MAX_INSTANCES)
        part, rest = planned.part(0, size), planned.part(size, len(planned))
        self._asked.append((part, askers.submit(self._planner.ask, part.instances(), single=single)))
        if len(rest) > MAX_INSTANCES:
            return self._perform(rest, None)
        if len(rest):
            self._planned.append(rest)
        return []

    def _answered(self) -> list[Line]:
        """Perform the interactions whose answer has come, or will not come."""
        lines: list[Line] = []
        waiting: deque[_Asked] = deque()
        for interactions, answer in self._asked:
            if not answer.done():
                waiting.append((interactions, answer))
                continue
            try:
                predictions = None if answer.cancelled() else answer.result()
            except PlannerError:
                predictions = None  # counted by the planner; the robot works on without
            lines += self._perform(interactions, predictions)
        self._asked = waiting
        return lines

    def _perform(self, interactions: Interactions, predictions: list[dict[str, Any]] | None) -> list[Line]:
        """The interactions happen now: their lines, damaged as the settings say."""
        now = datetime.now(UTC)
        chance = self._rng.random((len(interactions), 2))
        lines = []
        with self._lock:
            for position, sample in enumerate(self.robots.samples(interactions, now, predictions)):
                if chance[position, 0] < self.settings.broken:
                    lines.append(broken_line(sample, self._rng))
                    continue
                prediction = predictions[position] if predictions else None
                self._live.record(now.timestamp(), interactions, position, prediction)
                is_row = prediction is None and chance[position, 1] < self.settings.rows
                lines.append(row_line(sample) if is_row else sample_line(sample))
        return lines

    def _packed(self, lines: list[Line]) -> list[Message]:
        alone = self._rng.random(len(lines)) < self.settings.single
        messages = [Message((line,)) for line, is_alone in zip(lines, alone, strict=True) if is_alone]
        return messages + self._packer.add(line for line, is_alone in zip(lines, alone, strict=True) if not is_alone)

    def _publish(self, messages: list[Message]) -> None:
        if not messages:
            return
        known = self.ledger.published_ids
        fresh = [line for message in messages for line in message.lines if line.kind is Kind.SAMPLE]
        fresh = [line for line in fresh if line.identity not in known]
        again = self._rng.random(len(fresh)) < self.settings.duplicates
        confirmed = self._publisher.publish(messages)
        self._again += [line for line, is_again in zip(fresh, again, strict=True) if is_again]
        with self._lock:
            self._published += confirmed
            self._live.second(time.time()).published += confirmed

    def finish(self) -> None:
        """Publish what is left, the last duplicates in messages after those of the first."""
        lines = self._answered()
        if self._planned:
            lines += self._perform(joined(self._planned), None)
        self._publish(self._packed(lines) + self._packer.flush())
        lines, self._again = self._again, []
        self._publish(self._packed(lines) + self._packer.flush())

    def snapshot(self, last: int | None = None) -> Snapshot:
        """How things stand, with the ``last`` so many seconds of the series, or with all of them."""
        planner, ledger = self._planner, self.ledger
        with self._lock:
            series = sorted(self._live.seconds.items())
            seconds = tuple(deepcopy(second) for _, second in (series if last is None else series[-last:]))
            by_world = deepcopy(dict(self._live.by_world))
            floors, drifts, published = dict(self._floors), tuple(self._drifts), self._published
            fallback, unpredicted = self._live.fallback, self._live.unpredicted
        failures = Counter(planner.failures if planner else {})
        if self._busy:
            failures["busy"] = self._busy
        return Snapshot(
            elapsed=(self._ended or time.monotonic()) - self._started,
            published=published,
            messages=ledger.messages,
            broken=len(ledger.broken),
            duplicates=ledger.duplicates,
            model=sum(tally.samples for tally in by_world.values()),
            fallback=fallback,
            unpredicted=unpredicted,
            requests=planner.requests if planner else 0,
            failures=failures,
            publish_failures=Counter(ledger.failures),
            world=self.robots.label,
            drifts=drifts,
            noise_floors=floors,
            by_world=by_world,
            seconds=seconds,
        )


def _due(rate: float, before: float, now: float) -> int:
    """How many events of a steady ``rate`` fall between two times (s, for a rate in 1/s) or two counts (a share)."""
    return int(now * rate) - int(before * rate)
