"""The page's data: which models served when, and a bounded number of requests."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from leaderboard.page_data import compute_serving_periods
from tests.unit.fake_aws import NOW, STACK
from tests.unit.leaderboard.leaderboard_fixtures import HISTORY, PAGE, load_page, make_filled_cloud


def test_a_model_serves_until_the_next_one_the_last_until_now() -> None:
    periods = compute_serving_periods(PAGE.state.rounds, live_model=HISTORY.second)
    assert [(period.model, period.since, period.until) for period in periods] == [
        (HISTORY.first, HISTORY.at(0.17), HISTORY.at(0.74)),
        (HISTORY.second, HISTORY.at(0.74), None),
    ]


def test_a_winner_deployed_by_an_operator_has_a_serving_period() -> None:
    kept = PAGE.state.rounds[0].model_copy(update={"status": "kept", "promoted": None, "winner": "xgboost-recent"})
    periods = compute_serving_periods([kept, *PAGE.state.rounds[1:]], live_model=HISTORY.second)
    assert [(period.model, period.until) for period in periods] == [
        (HISTORY.first, HISTORY.at(0.74)),
        (HISTORY.second, None),
    ]


def test_a_last_model_that_is_not_live_has_no_serving_period() -> None:
    periods = compute_serving_periods(PAGE.state.rounds, live_model=None)
    assert [period.model for period in periods] == [HISTORY.first]


def test_a_page_sends_as_many_requests_however_much_happened() -> None:
    few, many = make_filled_cloud(), make_filled_cloud()
    for index in range(1_000):
        timestamp = NOW - timedelta(hours=6) + timedelta(seconds=20 * index)
        many.cloudwatch.count("RefusedSamples", timestamp, 1, service=STACK)
        many.cloudwatch.count("RefusedSamples", timestamp, 1, service=STACK, reason="malformed")
    before = few.steps.count, many.steps.count
    load_page(few)
    load_page(many)
    assert few.steps.count - before[0] == many.steps.count - before[1]
    queries = Counter(len(request["MetricDataQueries"]) for request in few.cloudwatch.requests)
    assert queries == {4: 1, 3: 1, 5: 1}
