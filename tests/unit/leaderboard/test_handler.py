"""The function answers HTTP requests and dashboards."""

from __future__ import annotations

import io
import json
import math
from datetime import timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools import Logger

from leaderboard import formatting, handler, html_view
from leaderboard.leaderboard_state import LeaderboardContext
from rounds import Decision, Endpoint, Model, Round, Store
from tests.unit.conftest import SERVICE
from tests.unit.fake_aws import ENDPOINT, NOW, STACK, Cloud
from tests.unit.leaderboard.factories import FIRST, NEW, OLD, SECOND, TWO_ROUNDS, make_round
from tests.unit.leaderboard.html_reader import HtmlReader
from tests.unit.leaderboard.leaderboard_fixtures import HISTORY, make_context, make_filled_cloud

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.conftest import Context

    ReadEvent = Callable[[str], dict[str, Any]]
    Ask = Callable[[dict[str, Any]], Any]


@pytest.fixture
def lambda_context(context: Context, monkeypatch: pytest.MonkeyPatch) -> Context:
    monkeypatch.setattr(handler, "logger", Logger(service=STACK, stream=io.StringIO()))
    return context


def test_the_context_is_read_from_the_environment(lambda_environment: pytest.MonkeyPatch) -> None:
    variables = {"TABLE_NAME": "rounds", "ENDPOINT_NAME": ENDPOINT, "ALARMS": "a-ModelError,a-NoModel"}
    for name, value in variables.items():
        lambda_environment.setenv(name, value)
    context = handler.get_context.__wrapped__()
    assert (context.service, context.endpoint, context.alarms) == (SERVICE, ENDPOINT, ["a-ModelError", "a-NoModel"])
    assert vars(context.store)["_table"].name == "rounds"
    assert context.cloudwatch.meta.region_name == "us-east-1"
    assert context.clock().utcoffset() == timedelta()


class TestJson:
    @pytest.fixture
    def cloud(self, monkeypatch: pytest.MonkeyPatch) -> Cloud:
        cloud = Cloud()
        table, _, _, cloudwatch = cloud.clients()
        context = LeaderboardContext(Store(table), cloudwatch, STACK, ENDPOINT, [f"{STACK}-ModelError"], cloud.clock)
        monkeypatch.setattr(handler, "get_context", lambda: context)
        return cloud

    @pytest.fixture
    def ask(self, lambda_context: Context) -> Ask:
        """Sends an event to the handler and returns status and body."""

        def ask(event: dict[str, Any]) -> tuple[int, dict[str, Any]]:
            response = handler.handler(event, lambda_context)  # type: ignore[arg-type]  # a context as far as used
            assert isinstance(response, dict)
            assert response["headers"]["content-type"] == "application/json"
            return response["statusCode"], json.loads(response["body"], parse_constant=pytest.fail)

        return ask

    def fill(self, cloud: Cloud) -> None:
        store = Store(cloud.clients()[0])
        store.create(TWO_ROUNDS[0])
        store.create(TWO_ROUNDS[1].model_copy(update={"entrant": "Team A"}))
        store.create(Endpoint(name=ENDPOINT, serving_model=NEW, status="InService", updated_at=NOW))
        for minute in range(9):
            store.create(
                Decision(
                    name=f"2026-11-23T06:3{minute}:00.000Z#e",
                    cause="model-error",
                    trigger="alarm",
                    outcome="refuse",
                    reason="cool_down",
                    round="r",
                    decided_at=NOW,
                    facts={"new_samples": 12},
                    expires_at=1,
                )
            )
        timestamp = NOW - timedelta(minutes=10)
        for model, squared, predicted in ((NEW, 3.61e6, 1), (NEW, 3.61e6, 1), (OLD, 16e6, 1)):
            cloud.cloudwatch.count("SquaredError", timestamp, squared, service=STACK, model=model)
            cloud.cloudwatch.count("PredictedSamples", timestamp, predicted, service=STACK, model=model)

    def test_the_leaderboard_contains_everything(self, cloud: Cloud, ask: Ask, event: ReadEvent) -> None:
        self.fill(cloud)
        status, board = ask(event("api-leaderboard"))
        assert status == 200
        assert board["endpoint"] == {
            "name": ENDPOINT, "model": NEW, "wanted": None, "status": "InService", "pause": None, "resumes": None
        }  # fmt: skip

        assert len(board["leaderboard"]) == 5  # the limit in the event
        best, _, old, *_ = board["leaderboard"]
        assert (best["model"], best["rank"], best["live"], best["round"]) == (NEW, 1, True, SECOND)
        assert (best["algorithm"], best["trained_on"]) == ("xgboost", "recent")
        assert (best["entrant"], old["entrant"]) == ("Team A", None)
        assert (best["test_rmse"], best["expected_error"]) == (1_900, 1_900)
        assert (best["dataset"]["train"], best["dataset"]["test"]) == (60, 20)
        assert math.isclose(best["live_error"], 1_900)
        assert best["live_samples"] == 2
        assert (old["model"], old["live"], old["live_error"]) == (OLD, False, 4_000)
        assert len(cloud.cloudwatch.requests) == 1
        assert len(cloud.cloudwatch.requests[0]["MetricDataQueries"]) == 4

        assert [round_["round"] for round_ in board["rounds"]] == [SECOND, FIRST]
        assert board["rounds"][0]["candidates"][0]["rmse"] == 1_900
        assert board["rounds"][0]["champion_rmse"] == 4_100
        assert board["rounds"][0]["entrant"] == "Team A"
        assert len(board["decisions"]) == 5
        assert board["decisions"][0]["decision"].startswith("2026-11-23T06:38")
        assert board["decisions"][0]["facts"] == {"new_samples": 12}
        # reason codes for scripts, and the page's sentences for people
        assert [round_["sentence"] for round_ in board["rounds"]] == [
            formatting.describe_round(Round.model_validate(round_ | {"name": round_["round"]}))
            for round_ in board["rounds"]
        ]
        assert {decision["sentence"] for decision in board["decisions"]} == {"the last round ended too recently"}

    def test_an_empty_table_is_an_empty_leaderboard(self, cloud: Cloud, ask: Ask, event: ReadEvent) -> None:
        assert ask(event("api-leaderboard")) == (
            200,
            {"endpoint": None, "leaderboard": [], "rounds": [], "decisions": []},
        )
        assert cloud.cloudwatch.requests == []

    def test_an_invalid_limit_is_answered_with_its_reason(self, cloud: Cloud, ask: Ask, event: ReadEvent) -> None:
        request = event("api-leaderboard")
        request["queryStringParameters"] = {"limit": "many"}
        status, body = ask(request)
        assert (status, body["reason"], body["field"]) == (400, "wrong_type:limit", "limit")
        assert cloud.steps.count == 0

    def test_a_champion_older_than_a_hundred_rounds_is_shown(self, cloud: Cloud, ask: Ask, event: ReadEvent) -> None:
        store = Store(cloud.clients()[0])
        store.create(TWO_ROUNDS[0])
        store.create(
            Model(
                name=OLD,
                round=FIRST,
                candidate="xgboost",
                algorithm="xgboost",
                trained_on="all",
                test_set=FIRST,
                status="live",
                created_at=NOW,
            )
        )
        store.create(Endpoint(name=ENDPOINT, serving_model=OLD, status="InService", updated_at=NOW))
        for index in range(101):
            name = f"20261124T{index // 60:02}{index % 60:02}00Z-model-error"
            store.create(make_round(name, {"linear": 9_000.0}, champion=OLD, champion_rmse=2_000.0))
        _, board = ask(event("api-leaderboard"))
        assert (board["leaderboard"][0]["model"], board["leaderboard"][0]["live"]) == (OLD, True)


class TestPageAndWidget:
    @pytest.fixture
    def cloud(self) -> Cloud:
        return make_filled_cloud()

    @pytest.fixture
    def ask(self, cloud: Cloud, lambda_context: Context, monkeypatch: pytest.MonkeyPatch) -> Ask:
        monkeypatch.setattr(handler, "get_context", lambda: make_context(cloud))
        return lambda event: handler.handler(event, lambda_context)  # type: ignore[arg-type]  # as far as it is used

    def test_a_browser_gets_the_page_with_security_headers(self, ask: Ask, event: ReadEvent) -> None:
        response = ask(event("api-page"))
        assert response["statusCode"] == 200
        headers = response["headers"]
        assert headers["content-type"] == "text/html; charset=utf-8"
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in headers["content-security-policy"]
        assert "in the last 24 hours" in HtmlReader(response["body"]).words  # the span in the event

    @pytest.mark.parametrize(
        ("query", "message"),
        [
            ({"span": "soon"}, "span is like 90m, 24h or 7d"),
            ({"span": "31d"}, "span is at least 1m and at most 30d"),
            ({"span": "0m"}, "span is at least 1m and at most 30d"),
            ({"span": "9" * 400 + "d"}, "span is like 90m, 24h or 7d"),
            ({"refresh": "1"}, "refresh is at least 5 and at most 3600"),
            ({"refresh": "<b>"}, "refresh is a whole number"),
        ],
    )
    def test_an_invalid_query_is_answered_with_its_reason(
        self, ask: Ask, cloud: Cloud, event: ReadEvent, query: dict[str, str], message: str
    ) -> None:
        steps = cloud.steps.count
        response = ask(event("api-page") | {"queryStringParameters": query})
        assert response["statusCode"] == 400
        assert response["headers"] == html_view.HEADERS
        assert message in HtmlReader(response["body"]).words
        assert cloud.steps.count == steps

    def test_without_a_query_the_last_hours_are_shown(self, ask: Ask, event: ReadEvent) -> None:
        request = event("api-page")
        del request["queryStringParameters"]
        assert "in the last 6 hours" in HtmlReader(ask(request)["body"]).words

    def test_a_dashboard_gets_its_theme_time_range_and_zone(self, ask: Ask, event: ReadEvent) -> None:
        request = event("dashboard-widget")
        request["widgetContext"]["timezone"]["offsetISO"] = "+05:30"
        response = ask(request)
        assert isinstance(response, str)
        assert response.startswith("<style>")
        assert '<div class="dwell widget dark cwdb-no-default-styles">' in response
        tags = {tag for tag, _ in HtmlReader(response).elements}
        assert not tags & {"html", "head", "body", "meta", "link", "nav", "main"}
        live_since = HISTORY.at(0.74).astimezone(timezone(timedelta(hours=5, minutes=30)))
        assert f"since {live_since:%H:%M} UTC+05:30" in HtmlReader(response).words
        # zoomed to two of the five hours, in which 1,300 lines were rejected
        assert "520 lines in the time shown" in HtmlReader(response).words
        assert len(json.dumps(response)) < 200_000

    def test_a_dashboards_theme_is_escaped(self, ask: Ask, event: ReadEvent) -> None:
        request = event("dashboard-widget")
        request["widgetContext"]["theme"] = '"><script>'
        assert 'class="dwell widget light ' in ask(request)

    def test_a_past_time_range_shows_no_later_lines(self, ask: Ask, event: ReadEvent) -> None:
        request = event("dashboard-widget")
        request["widgetContext"]["timeRange"] = {
            "mode": "absolute",
            "start": int(HISTORY.at(-0.5).timestamp() * 1_000),
            "end": int(HISTORY.at(-0.2).timestamp() * 1_000),
        }
        assert "Nothing was refused in the time shown" in HtmlReader(ask(request)).words

    def test_a_dashboard_gets_the_description(self, ask: Ask, cloud: Cloud, event: ReadEvent) -> None:
        steps = cloud.steps.count
        assert ask(event("dashboard-widget-describe")).startswith("## Leaderboard")
        assert cloud.steps.count == steps
