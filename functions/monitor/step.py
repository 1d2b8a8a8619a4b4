"""One stored object's rows change the monitor's state: pure functions, so that a rebuild repeats every judgement.

``questions`` chooses the rows that the endpoint is asked about, ``step`` measures them. Scenarios, backtests and the
deployed function call the same two.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from monitor import policy
from monitor.capped_error import MAX_ERROR_MULTIPLE, capped_excess
from monitor.ledger import add_ids, add_key, has_key
from monitor.monitor_state import State
from monitor.policy import DAY_MINUTES, Evidence
from monitor.segments import add_segments, to_bin, worst_segment
from monitor.senders import allowed_weight, left_out, observe, sums_by_sender
from monitor.serving_models import expected_errors, is_believable
from monitor.stored_rows import StoredRow, hash_fraction, sampled_share
from monitor.windows import EMPTY, Bin, Series, add_bins

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

    from monitor.serving_models import Serving
    from monitor.stored_rows import SampledRows

MAX_ROWS = 2_000
"""Rows of an object that are measured; a window of five minutes then holds at least 10,000, which is enough for every
threshold."""
MAX_QUESTIONS = 200
"""Rows of an object that the endpoint is asked about, in one request."""


class Options(Struct, frozen=True):
    """What the template's parameters decide."""

    error_ratio: float = 1.25
    late_after_seconds: float = 900.0
    clock_tolerance_seconds: float = 60.0
    ledger_days: int = 3
    minute_seconds: float = 60.0


class Answer(Struct, frozen=True):
    """What the endpoint predicted for a row that named no model, and which model it was."""

    model: str
    predicted: float


class Measures(Struct, frozen=True):
    """What one object amounted to, and the judgement of all windows after it.

    Counts are of rows; ``weight`` is how many rows of the fleet they stand for. Squares are in the target's unit
    squared, capped, and weighted. ``error_evidence`` is None if no window could be judged, and nothing is published
    then. It is 0 once when a promise is new, so that the next drift changes the alarm's state.
    """

    stored: int = 0
    measured: int = 0
    late: int = 0
    duplicates: int = 0
    unbelieved: int = 0
    """Echoes that name a model which could not have answered."""
    unmeasured: int = 0
    """Rows without an echo or an answer of the endpoint."""
    weight: float = 0.0
    squared_error: float = 0.0
    baseline_squared_error: float = 0.0
    error_evidence: float | None = None
    evidence: Evidence | None = None
    trial_evidence: float = 0.0
    is_worse_than_baseline: bool = False
    outlying_senders: dict[str, float] = {}


class Step(Struct, frozen=True):
    """The new state, and what to publish."""

    state: State
    measures: Measures


class _Measured(Struct, frozen=True):
    row: StoredRow
    model: str
    predicted: float
    weight: float


def is_late(row: StoredRow, options: Options) -> bool:
    """Whether the row came too late to tell anything of now: it is stored and learnt from, and is no live error."""
    return row.received_at - row.recorded_at > options.late_after_seconds


def questions(state: State, batch: SampledRows, serving: Serving, options: Options) -> list[StoredRow]:
    """The rows to ask the endpoint about: those that name no model, thinned by the hash of their ids.

    None while nothing serves. Late rows and known ones are left out.
    """
    if serving.live is None:
        return []
    rows = [row for row in batch.rows if row.model is None and not is_late(row, options)]
    _, known = add_ids(state.recent_ids, [row.sample_id for row in rows])
    new = [row for row, is_known in zip(rows, known, strict=True) if not is_known]
    share = _question_share(batch, new)
    return [row for row in new if hash_fraction(row.sample_id) < share]


def _question_share(batch: SampledRows, rows: Sequence[StoredRow]) -> float:
    return batch.share * sampled_share(len(rows), MAX_QUESTIONS)


def step(state: State, batch: SampledRows, answers: Mapping[str, Answer], serving: Serving, options: Options) -> Step:
    """Measure the rows of one object; ``answers`` are the endpoint's, by sample id.

    An object that has been measured changes nothing.
    """
    if has_key(state.ledger, batch.key):
        return Step(state, Measures(stored=batch.stored))
    previous = state.live
    in_time = [row for row in batch.rows if not is_late(row, options)]
    recent_ids, known = add_ids(state.recent_ids, [row.sample_id for row in in_time])
    new = [row for row, is_known in zip(in_time, known, strict=True) if not is_known]
    watermark = max([state.watermark, *(row.received_at for row in new)])
    state = msgspec.structs.replace(
        _with_series(state, serving),
        ledger=add_key(state.ledger, batch.key, _day(watermark, options), options.ledger_days),
        recent_ids=recent_ids,
        watermark=watermark,
    )
    has_new_promise = state.live is not None and state.live is not previous
    measured, unbelieved = _measure(new, batch, answers, serving, options)
    if state.watermark >= state.muted_until:
        state = _add(state, measured, serving, options)
    state, measures = _judge(state, options)
    cap = _cap(serving)
    measures = msgspec.structs.replace(
        measures,
        error_evidence=0.0 if has_new_promise else measures.error_evidence,
        stored=batch.stored,
        measured=len(measured),
        late=len(batch.rows) - len(in_time),
        duplicates=len(in_time) - len(new),
        unbelieved=unbelieved,
        unmeasured=len(new) - len(measured) - unbelieved,
        weight=sum(item.weight for item in measured),
        squared_error=_weighted_squares(((item.weight, item.predicted - item.row.target) for item in measured), cap),
        baseline_squared_error=_weighted_squares(
            ((item.weight, item.row.baseline - item.row.target) for item in measured), cap
        ),
    )
    return Step(state, measures)


def _day(timestamp: float, options: Options) -> int:
    return int(timestamp / options.minute_seconds // DAY_MINUTES)


def _weighted_squares(errors: Iterable[tuple[float, float]], cap: float) -> float:
    return sum(weight * min(error * error, cap) for weight, error in errors)


def _cap(serving: Serving) -> float:
    entry = serving.promise(serving.live)
    return math.inf if entry is None else (MAX_ERROR_MULTIPLE * entry.expected_error) ** 2


def _measure(
    rows: Sequence[StoredRow],
    batch: SampledRows,
    answers: Mapping[str, Answer],
    serving: Serving,
    options: Options,
) -> tuple[list[_Measured], int]:
    """The rows whose prediction is known and believed, with their weights, and how many echoes are not believed."""
    silent = [row for row in rows if row.model is None]
    share = _question_share(batch, silent)
    measured, unbelieved = [], 0
    for row in rows:
        if row.model is not None and row.predicted is not None:
            if is_believable(serving, row.model, row.asked_at, options.clock_tolerance_seconds):
                measured.append(_Measured(row, row.model, row.predicted, 1 / batch.share))
            else:
                unbelieved += 1
        elif (answer := answers.get(row.sample_id)) is not None and answer.model in serving.models:
            measured.append(_Measured(row, answer.model, answer.predicted, 1 / share))
    return measured, unbelieved


def _with_series(state: State, serving: Serving) -> State:
    """The state with a series for the live model and the one on trial; a new promise begins a new series.

    A model that goes live after its trial keeps the sums of its trial.
    """
    live = _series(serving, serving.live, serving.live, [state.live, state.trial])
    trial = _series(serving, serving.on_trial, serving.on_trial, [state.trial])
    reference = _series(serving, serving.live, serving.on_trial, [state.trial_reference])
    is_same = live is not None and live is state.live
    has_trial = trial is not None and serving.live is not None
    return msgspec.structs.replace(
        state,
        live=live,
        trial=trial if has_trial else None,
        trial_reference=reference if has_trial else None,
        segments=state.segments if is_same else {},
        is_worse_than_baseline=state.is_worse_than_baseline and is_same,
    )


def _series(
    serving: Serving, model: str | None, promise_of: str | None, known: Iterable[Series | None]
) -> Series | None:
    entry = serving.promise(promise_of)
    if model is None or entry is None:
        return None
    for series in known:
        if series is not None and (series.model, series.expected_error) == (model, entry.expected_error):
            return series
    return Series(model, entry.since, entry.expected_error)


def _add(state: State, measured: Sequence[_Measured], serving: Serving, options: Options) -> State:
    live = state.live
    if live is None:
        return state
    now = state.watermark / options.minute_seconds
    promises = expected_errors(serving)
    errors = sums_by_sender((item.row.sender, _excess(item, promises[item.model])) for item in measured)
    weights: dict[str, float] = {}
    for item in measured:
        weights[item.row.sender] = weights.get(item.row.sender, 0.0) + item.weight
    allowed = allowed_weight(weights, state.senders, now)
    senders = observe(state.senders, allowed, errors, now)
    outlying = left_out(senders)
    factors = {name: 0.0 if name in outlying else allowed[name] / weight for name, weight in weights.items()}
    counted = [(item, item.weight * factors[item.row.sender]) for item in measured]
    own = [(item, weight) for item, weight in counted if item.model == live.model and weight > 0]

    def minute_of(row: StoredRow) -> int:
        return int(row.received_at // options.minute_seconds)

    def segment_of(row: StoredRow) -> tuple[str, int]:
        return row.segment, to_bin(minute_of(row))

    def add(series: Series, rows: Sequence[tuple[_Measured, float]]) -> Series:
        return add_bins(series, _bins(series, rows, minute_of))

    return msgspec.structs.replace(
        state,
        senders=senders,
        live=add(live, own),
        segments=add_segments(state.segments, _bins(live, own, segment_of)),
        trial=None if state.trial is None else add(state.trial, counted),
        trial_reference=None if state.trial_reference is None else add(state.trial_reference, own),
    )


def _bins[Key: Hashable](
    series: Series, counted: Sequence[tuple[_Measured, float]], key_of: Callable[[StoredRow], Key]
) -> dict[Key, Bin]:
    """Sums of the rows that the series' model answered after its promise began, by what ``key_of`` says of a row."""
    bins: dict[Key, Bin] = {}
    for item, weight in counted:
        if item.model != series.model or weight <= 0 or item.row.asked_at < series.since:
            continue
        key = key_of(item.row)
        excess = _excess(item, series.expected_error)
        baseline = capped_excess(item.row.baseline - item.row.target, series.expected_error)
        bins[key] = bins.get(key, EMPTY).plus(Bin(1, weight, weight * excess, weight * baseline))
    return bins


def _excess(item: _Measured, expected_error: float) -> float:
    return capped_excess(item.predicted - item.row.target, expected_error)


def _judge(state: State, options: Options) -> tuple[State, Measures]:
    """Judge all windows up to the newest whole minute."""
    if state.live is None or state.watermark < state.muted_until:
        return state, Measures()
    end = int(state.watermark // options.minute_seconds)
    windows = policy.windows_of(state.live, end)
    worst = worst_segment(state.segments)
    evidence = policy.strongest(policy.judge(windows, worst, options.error_ratio))
    is_worse = policy.is_worse_than_baseline(windows.hour, was_worse=state.is_worse_than_baseline)
    trial = 0.0
    if state.trial is not None and state.trial_reference is not None:
        start = math.ceil(state.trial.since / options.minute_seconds)
        trial = policy.trial_strength(state.trial, state.trial_reference, end, start, options.error_ratio)
    measures = Measures(
        error_evidence=None if evidence is None else evidence.strength,
        evidence=evidence,
        trial_evidence=trial,
        is_worse_than_baseline=is_worse,
        outlying_senders=left_out(state.senders),
    )
    return msgspec.structs.replace(state, is_worse_than_baseline=is_worse), measures
