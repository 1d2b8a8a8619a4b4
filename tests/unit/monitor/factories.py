"""Rows, objects and serving models for tests of the monitor. One minute of a fleet is one stored object."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from monitor.monitor_state import State
from monitor.serving_models import Serving, ServingModel
from monitor.step import Measures, Options, step
from monitor.stored_rows import SampledRows, StoredRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

START = 1_795_000_020.0
"""A whole minute, in seconds since 1970."""
PROMISE = 2_000.0
LIVE = "xgboost-1"
OPTIONS = Options()
TARGET_VALUE = 20_000.0
BASELINE_VALUE = TARGET_VALUE + 5_000.0


def serving(
    live: str | None = LIVE,
    *,
    promise: float = PROMISE,
    since: float = START - 3_600,
    others: Mapping[str, ServingModel] | None = None,
) -> Serving:
    """A live model, and ``others`` by name whose echoes are believed, too."""
    models = {} if live is None else {live: ServingModel(since, promise)}
    return Serving(live, None, {**models, **(others or {})})


def row(
    number: int, *, at: float = START, error: float = 0.0, sender: str | None = None, **changes: object
) -> StoredRow:
    """A row whose live model was off by ``error``; it is received as soon as it is recorded."""
    fields: dict[str, object] = {
        "sample_id": f"sample-{number}",
        "sender": sender or f"robot-{number}",
        "segment": "fc-1",
        "recorded_at": at,
        "received_at": at,
        "asked_at": at,
        "target": TARGET_VALUE,
        "baseline": BASELINE_VALUE,
        "features": "1,2",
        "predicted": TARGET_VALUE + error,
        "model": LIVE,
        **changes,
    }
    return StoredRow(**fields)  # type: ignore[arg-type]  # each test names the few cells that it is about


def silent(stored: StoredRow) -> StoredRow:
    """The row as a client sends it that echoes nothing."""
    return row(
        0, **{**{name: getattr(stored, name) for name in stored.__struct_fields__}, "predicted": None, "model": None}
    )


def batch(key: str, rows: Iterable[StoredRow], *, share: float = 1.0) -> SampledRows:
    """One stored object."""
    chosen = tuple(rows)
    return SampledRows(key, chosen, round(len(chosen) / share), share)


class Fleet:
    """Robots that send one sample a minute each, with errors of one standard deviation of ``PROMISE``."""

    def __init__(self, robots: int, *, seed: int = 1) -> None:
        self.robots = robots
        self.minute = 0
        self._number = 0
        self._random = np.random.default_rng(seed)

    def rows(self, scale: float = 1.0) -> list[StoredRow]:
        """The next minute's rows, with errors ``scale`` times as large as promised."""
        errors = scale * PROMISE * self._random.standard_normal(self.robots)
        at = START + 60 * self.minute
        self.minute += 1
        first = self._number
        self._number += self.robots
        return [
            row(
                first + robot,
                at=at + 60 * robot / self.robots,
                error=float(error),
                sender=f"robot-{robot}",
                segment=f"fc-{robot % 5}",
            )
            for robot, error in enumerate(errors)
        ]


def run(
    minutes: Sequence[Sequence[StoredRow]],
    *,
    state: State | None = None,
    serving_models: Serving | None = None,
    options: Options = OPTIONS,
    on_minute: Callable[[State, Measures], None] = lambda _state, _measures: None,
) -> tuple[State, Measures]:
    """Measure one object a minute; the last state and measures."""
    state, measures = state or State(), Measures()
    for rows in minutes:
        key = f"samples/{rows[0].sample_id}.gz"
        state, measures = _pair(state, batch(key, rows), serving_models or serving(), options)
        on_minute(state, measures)
    return state, measures


def _pair(state: State, stored: SampledRows, serving_models: Serving, options: Options) -> tuple[State, Measures]:
    result = step(state, stored, {}, serving_models, options)
    return result.state, result.measures
