"""What must hold of the meter, whatever a fleet sends: exact once, robust, and deaf to lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from monitor.monitor_state import State, UnknownStateError, decode, encode
from monitor.serving_models import ServingModel
from monitor.step import MAX_QUESTIONS, MAX_ROWS, Answer, Measures, questions, step
from tests.unit.monitor.factories import (
    LIVE,
    OPTIONS,
    PROMISE,
    START,
    TARGET_VALUE,
    Fleet,
    batch,
    row,
    run,
    serving,
    silent,
)

if TYPE_CHECKING:
    from monitor.stored_rows import StoredRow


def hour_ratio(state: State) -> float:
    """Live error over promised error of the last hour."""
    assert state.live is not None
    return state.live.window(int(state.watermark // 60), 60).ratio


# --- drift and its absence --------------------------------------------------------------------------------------------


def test_fleet_that_keeps_its_promise_gives_no_evidence() -> None:
    fleet = Fleet(200)
    state, measures = run([fleet.rows() for _ in range(90)])
    assert measures.error_evidence is not None
    assert measures.error_evidence < 1
    assert hour_ratio(state) == pytest.approx(1, abs=0.02)


def test_doubled_error_is_evidence_within_eight_minutes() -> None:
    fleet = Fleet(200)
    state, _ = run([fleet.rows() for _ in range(60)])
    strengths: list[float] = []
    run(
        [fleet.rows(scale=2.0) for _ in range(9)],
        state=state,
        on_minute=lambda _state, measures: strengths.append(measures.error_evidence or 0.0),
    )
    assert strengths[-1] > 1
    assert strengths[2] < 1


def test_incident_of_four_minutes_is_no_evidence() -> None:
    fleet = Fleet(1_000)
    strengths: list[float] = []
    minutes = [fleet.rows(scale=2.0 if 60 <= minute < 64 else 1.0) for minute in range(75)]
    run(minutes, on_minute=lambda _state, measures: strengths.append(measures.error_evidence or 0.0))
    assert max(strengths) < 1


def test_one_segment_at_1_7_times_its_error_is_named_within_40_minutes() -> None:
    fleet = Fleet(1_000)
    calm = [fleet.rows() for _ in range(150)]
    state, measures = run(calm)
    assert measures.error_evidence is not None
    assert measures.error_evidence < 1
    worst: list[str | None] = []

    def slow(rows: list[StoredRow]) -> list[StoredRow]:
        return [
            msgspec.structs.replace(item, predicted=TARGET_VALUE + 1.7 * ((item.predicted or 0) - TARGET_VALUE))
            if item.segment == "fc-3"
            else item
            for item in rows
        ]

    run(
        [slow(fleet.rows()) for _ in range(40)],
        state=state,
        on_minute=lambda _state, measures: worst.append(
            measures.evidence.segment if measures.evidence is not None and measures.evidence.strength > 1 else None
        ),
    )
    assert worst[-1] == "fc-3"


# --- exactly once -----------------------------------------------------------------------------------------------------


def test_object_told_twice_changes_nothing() -> None:
    rows = Fleet(50).rows()
    first = step(State(), batch("a", rows), {}, serving(), OPTIONS)
    again = step(first.state, batch("a", rows), {}, serving(), OPTIONS)
    assert again.state == first.state
    assert again.measures == Measures(stored=50)


def test_samples_stored_twice_count_once() -> None:
    rows = Fleet(50).rows()
    first = step(State(), batch("a", rows), {}, serving(), OPTIONS)
    again = step(first.state, batch("b", rows), {}, serving(), OPTIONS)
    assert (again.measures.duplicates, again.measures.measured) == (50, 0)
    assert again.state.live == first.state.live


def test_state_survives_storing() -> None:
    state, _ = run([Fleet(20).rows()])
    assert decode(encode(state)) == state
    assert encode(decode(encode(state))) == encode(state)


def test_unreadable_state_is_refused() -> None:
    with pytest.raises(UnknownStateError):
        decode(b"no gzip")
    with pytest.raises(UnknownStateError):
        decode(encode(State(format=99)))


def test_state_stays_bounded() -> None:
    fleet = Fleet(100)
    sizes: list[int] = []
    run([fleet.rows() for _ in range(40)], on_minute=lambda state, _measures: sizes.append(len(encode(state))))
    assert max(sizes) < 700_000
    minutes = [[row(number, at=START + 600 * number)] for number in range(170)]
    state, _ = run(minutes)
    assert state.live is not None
    assert len(state.live.minutes) == 150


# --- trust ------------------------------------------------------------------------------------------------------------


def test_unknown_and_early_models_count_for_nothing() -> None:
    retired, early = row(1, model="ridge-0"), row(2, asked_at=START - 4_000)
    result = step(State(), batch("a", [retired, early, row(3)]), {}, serving(), OPTIONS)
    assert (result.measures.unbelieved, result.measures.measured) == (2, 1)


def test_echoes_of_the_retired_model_do_not_change_the_ratio() -> None:
    fleet = Fleet(200)
    late = [row(10**6 + n, error=3 * PROMISE, model="old-1", sender=f"robot-{n}") for n in range(100)]
    models = serving(others={"old-1": ServingModel(START - 10**6, PROMISE)})
    with_late, _ = run([[*fleet.rows(), *late], *[fleet.rows() for _ in range(20)]], serving_models=models)
    assert hour_ratio(with_late) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("scale", [1.0, 2.1])
def test_lying_robot_with_120_samples_a_minute_moves_the_ratio_by_less_than_0_02(scale: float) -> None:
    def play(*, with_liar: bool) -> float:
        fleet = Fleet(120)
        minutes = []
        for minute in range(60):
            rows = fleet.rows(scale)
            if with_liar:
                at = START + 60 * minute
                rows += [row(10**7 + 1_000 * minute + n, at=at + n / 2, error=0.0, sender="liar") for n in range(120)]
            minutes.append(rows)
        return hour_ratio(run(minutes)[0])

    assert play(with_liar=True) == pytest.approx(play(with_liar=False), abs=0.02)


def test_two_of_fifty_robots_that_report_seconds_are_named_and_left_out() -> None:
    fleet = Fleet(50)
    strengths: list[float] = []
    minutes = []
    for _ in range(180):
        rows = fleet.rows()
        minutes.append(
            [
                msgspec.structs.replace(item, target=TARGET_VALUE / 1_000)
                if item.sender in {"robot-7", "robot-9"}
                else item
                for item in rows
            ]
        )
    state, measures = run(minutes, on_minute=lambda _state, m: strengths.append(m.error_evidence or 0.0))
    assert set(measures.outlying_senders) == {"robot-7", "robot-9"}
    assert max(strengths) < 1
    assert hour_ratio(state) == pytest.approx(1, abs=0.03)


def test_fleet_that_drifts_has_no_outlying_senders() -> None:
    fleet = Fleet(50)
    _, measures = run([fleet.rows(scale=3.0) for _ in range(60)])
    assert measures.outlying_senders == {}


def test_rows_without_a_sender_count_fully_when_alone() -> None:
    rows = [row(number, sender="unknown") for number in range(300)]
    state, _ = run([rows])
    assert state.live is not None
    assert sum(bin_.weight for bin_ in state.live.minutes.values()) == pytest.approx(300)


def test_one_stop_of_600_s_among_2000_moves_the_ratio_by_less_than_0_02() -> None:
    fleet = Fleet(100)
    calm = [fleet.rows() for _ in range(20)]
    stop = msgspec.structs.replace(calm[-1][5], target=600_000.0)
    with_stop = [*calm[:-1], [*calm[-1][:5], stop, *calm[-1][6:]]]
    assert hour_ratio(run(with_stop)[0]) == pytest.approx(hour_ratio(run(calm)[0]), abs=0.02)


# --- time -------------------------------------------------------------------------------------------------------------


def test_late_samples_are_counted_and_are_no_live_error() -> None:
    yesterday = [row(n, at=START, recorded_at=START - 86_400, asked_at=START, error=9 * PROMISE) for n in range(50)]
    result = step(State(), batch("a", yesterday), {}, serving(), OPTIONS)
    assert (result.measures.late, result.measures.measured) == (50, 0)
    assert result.state.live is not None
    assert result.state.live.minutes == {}


def test_new_promise_begins_new_sums() -> None:
    fleet = Fleet(200)
    drifted, _ = run([fleet.rows(scale=1.5) for _ in range(30)])
    renewed, _ = run(
        [fleet.rows(scale=1.5) for _ in range(10)], state=drifted, serving_models=serving(promise=1.5 * PROMISE)
    )
    assert hour_ratio(renewed) == pytest.approx(1, abs=0.05)


def test_new_promise_publishes_zero_evidence_once() -> None:
    published: list[float | None] = []
    fleet = Fleet(300)
    state, _ = run(
        [fleet.rows(scale=2.0) for _ in range(12)], on_minute=lambda _s, m: published.append(m.error_evidence)
    )
    new_model = serving(promise=2 * PROMISE)
    run(
        [fleet.rows(scale=2.0) for _ in range(2)],
        state=state,
        serving_models=new_model,
        on_minute=lambda _s, m: published.append(m.error_evidence),
    )
    assert published[0] == 0.0
    assert (published[11] or 0.0) > 1
    assert published[12:] == [0.0, None]


def test_muted_time_is_not_measured() -> None:
    fleet = Fleet(200)
    state, measures = run([fleet.rows(scale=3.0) for _ in range(30)], state=State(muted_until=START + 10**6))
    assert measures.error_evidence is None
    assert state.live is not None
    assert state.live.minutes == {}


# --- without echoes ---------------------------------------------------------------------------------------------------


def test_silent_clients_give_the_same_ratio_as_echoing_ones() -> None:
    fleet, state = Fleet(3_000), State()
    for minute in range(20):
        rows = fleet.rows(scale=1.6)
        stored = batch(f"samples/{minute}", [silent(item) for item in rows])
        asked = questions(state, stored, serving(), OPTIONS)
        assert 0 < len(asked) <= MAX_QUESTIONS * 1.2
        truth = {item.sample_id: item.predicted for item in rows}
        answers = {item.sample_id: Answer(LIVE, truth[item.sample_id] or 0.0) for item in asked}
        state = step(state, stored, answers, serving(), OPTIONS).state
    assert hour_ratio(state) == pytest.approx(1.6, rel=0.05)


def test_failing_endpoint_costs_a_measure_and_no_sample() -> None:
    stored = batch("a", [silent(item) for item in Fleet(50).rows()])
    result = step(State(), stored, {}, serving(), OPTIONS)
    assert (result.measures.stored, result.measures.measured, result.measures.unmeasured) == (50, 0, 50)


def test_nothing_is_asked_while_nothing_serves_or_of_known_rows() -> None:
    stored = batch("a", [silent(item) for item in Fleet(50).rows()])
    assert questions(State(), stored, serving(None), OPTIONS) == []
    known = step(State(), stored, {}, serving(), OPTIONS).state
    assert questions(known, batch("b", stored.rows), serving(), OPTIONS) == []


# --- the baseline, and a trial ----------------------------------------------------------------------------------------


def test_model_worse_than_baseline_is_seen_and_ends_when_it_is_better() -> None:
    fleet = Fleet(200)
    bad, measures = run([fleet.rows(scale=5.0) for _ in range(60)])
    assert measures.is_worse_than_baseline
    _, measures = run([fleet.rows() for _ in range(61)], state=bad)
    assert not measures.is_worse_than_baseline


def test_trial_is_compared_with_the_old_model_in_the_same_minutes() -> None:
    models = msgspec.structs.replace(serving(others={"new-1": ServingModel(START, PROMISE)}), on_trial="new-1")

    def trial(scale_old: float, scale_new: float) -> float:
        fleet = Fleet(300)
        minutes = []
        for _ in range(12):
            rows = fleet.rows()
            half = len(rows) // 2
            minutes.append(
                [
                    _scaled(item, scale_old)
                    if index < half
                    else msgspec.structs.replace(_scaled(item, scale_new), model="new-1")
                    for index, item in enumerate(rows)
                ]
            )
        return run(minutes, serving_models=models)[1].trial_evidence

    assert trial(1.0, 2.0) > 1
    assert trial(2.0, 2.0) < 1  # a drift during the trial moves both
    assert trial(2.0, 1.0) < 1


def _scaled(item: StoredRow, scale: float) -> StoredRow:
    return msgspec.structs.replace(item, predicted=TARGET_VALUE + scale * ((item.predicted or 0.0) - TARGET_VALUE))


# --- bounded work -----------------------------------------------------------------------------------------------------


def test_thinned_object_stands_for_all_its_rows() -> None:
    fleet = Fleet(MAX_ROWS)
    rows = fleet.rows()
    full = step(State(), batch("a", rows), {}, serving(), OPTIONS)
    thinned = step(State(), batch("a", rows, share=0.125), {}, serving(), OPTIONS)
    assert thinned.measures.weight == pytest.approx(8 * full.measures.weight)
    assert thinned.measures.squared_error == pytest.approx(8 * full.measures.squared_error)
