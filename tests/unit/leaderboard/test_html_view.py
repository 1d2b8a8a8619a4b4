"""The page and the widget: everything is on them, nothing on them is run, and whatever is named is only shown."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, timedelta, timezone
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools import Logger
from hypothesis import given
from hypothesis import strategies as st

from feature_schema import TARGET
from leaderboard import handler, html_view
from leaderboard.alarm_history import AlarmOn
from leaderboard.rejections import Refusals
from rounds import Endpoint, Store
from tests.sample_history import MISSING, OUT_OF_RANGE, RECOVERED
from tests.unit.fake_aws import ENDPOINT, NOW, STACK, Cloud
from tests.unit.leaderboard.leaderboard_fixtures import LOOK, SCENE, around, filled, seen

if TYPE_CHECKING:
    from collections.abc import Callable

    from leaderboard.page_data import Look
    from tests.unit.conftest import Context


class Reader(HTMLParser):
    """What a browser would make of it: the elements with the names of their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.values: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        if tag not in {"bdi", "span", "time", "strong"}:
            self.text += " "  # it begins a cell, a line or a paragraph
        self.values += [value or "" for _, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def words(self) -> str:
        """The text, with single spaces."""
        return " ".join(re.sub(r"\.dwell.*?(?=Leaderboard|Now)", "", self.text, flags=re.DOTALL).split())


def shown(look: Look = LOOK) -> Reader:
    return Reader(html_view.page(look, span="6h", refresh=None))


class TestWhatIsOnIt:
    def test_who_serves_since_when_and_how_well(self) -> None:
        words = shown().words
        assert f"{SCENE.second} answers since {SCENE.at(0.74):%H:%M} UTC (1 h 18 min), entered by night-shift." in words
        assert f"It misses by 1,944 {TARGET.unit}, 2 % more than it promised." in words
        assert "Baseline 5,210" in words

    def test_the_ranking_in_order_and_apart_by_test_set(self) -> None:
        words = shown().words
        names = [SCENE.second, SCENE.first, SCENE.first.replace("xgboost", "linear")]
        ranking = words[words.index("Ranking") : words.index("Rounds Each")]
        assert sorted(names, key=ranking.index) == names
        assert ranking.count("where the baseline misses by 5,210") == 3
        assert f"{RECOVERED:,.0f}" in ranking

    def test_rounds_and_decisions_say_why(self) -> None:
        words = shown().words
        assert f"promoted {SCENE.second}: better than the champion" in words
        assert "kept nobody was better" in words
        assert "refused too few new samples: 7,214 of 10,000" in words
        assert "started somebody asked for it: “new pods arrived”" in words

    def test_quarantine_by_reason_most_frequent_first(self) -> None:
        words = shown().words
        quarantine = words[words.index("Quarantine Lines") :]
        assert f"{OUT_OF_RANGE} 900 malformed 300 {MISSING} 100" in quarantine
        assert "not told yet" not in quarantine
        assert "Refused 0.31 % 1,300 lines in the last 6 hours" in words

    def test_refusals_whose_reason_cloudwatch_does_not_list_yet_are_not_hidden(self) -> None:
        refused = replace(LOOK.refusals, refused=LOOK.refusals.refused + 7)
        assert "not told yet" in shown(replace(LOOK, refusals=refused)).words

    def test_an_alarm_that_is_on_is_told_first(self) -> None:
        assert "No alarm is on" in shown().words
        on = [*LOOK.alarms, AlarmOn("QuarantineRate", NOW - timedelta(minutes=9), None)]
        words = shown(replace(LOOK, alarms=on)).words
        assert "Alarm QuarantineRate is on since 06:30" in words
        assert "No alarm is on" not in words

    def test_the_chart_is_told_in_words_too(self) -> None:
        reader = shown()
        (summary,) = [value for value in reader.values if value.startswith("Live error from")]
        assert "1 alarm" not in summary
        assert "2 alarms, 3 rounds, 2 promotions" in summary
        assert "Alarm ModelError went on" in reader.words
        assert f"{SCENE.second} went live" in reader.words
        assert len(LOOK.live_error) == sum(1 for one in LOOK.live_error if f"{one.rmse:,.0f}" in reader.words)

    def test_a_new_stack_says_what_is_not_there_yet(self) -> None:
        words = shown(seen(Cloud())).words
        for said in (
            "No model answers yet.",
            "Nothing to draw yet",
            "No model has been trained yet.",
            "No round has been started yet.",
            "Nobody has asked for a round yet.",
            "Nothing was refused",
        ):
            assert said in words

    def test_a_model_that_is_being_deployed_and_an_endpoint_without_rounds(self) -> None:
        cloud = Cloud()
        endpoint = Endpoint(
            name=ENDPOINT, serving_model="by-hand", desired_model="next", status="Updating", updated_at=NOW
        )
        Store(cloud.clients()[0]).create(endpoint)
        assert "by-hand answers. next is being deployed." in shown(seen(cloud)).words

    def test_a_paused_endpoint_is_no_fault_and_who_comes_back_is_said(self) -> None:
        cloud = Cloud()
        endpoint = Endpoint(
            name=ENDPOINT, pause="paused", model_after_resume=SCENE.second, desired_model=SCENE.second, updated_at=NOW
        )
        Store(cloud.clients()[0]).create(endpoint)
        words = shown(seen(cloud)).words
        assert "The endpoint is paused. Planners get the baseline" in words
        assert f"until {SCENE.second} answers again." in words
        assert "is being deployed" not in words

    def test_rare_reasons_are_folded_away_and_still_there(self) -> None:
        reasons = tuple((f"reason-{number}", 50 - number) for number in range(14))
        refused = Refusals(accepted=1, refused=sum(count for _, count in reasons), reasons=reasons)
        words = shown(replace(LOOK, refusals=refused)).words
        assert words.index("reason-9") < words.index("4 more reasons") < words.index("reason-10")
        assert "reason-13" in words
        assert "more reason" not in shown().words

    @pytest.mark.parametrize("refresh", [None, 60])
    def test_it_asks_again_only_if_somebody_wants_that(self, refresh: int | None) -> None:
        html = html_view.page(LOOK, span="6h", refresh=refresh)
        assert ("http-equiv" in html) == (refresh is not None)
        assert ("Stop reloading" in html) == (refresh is not None)
        assert ("?span=24h&amp;refresh=60" in html) == (refresh is not None)  # and goes on when another span is chosen

    def test_errors_are_in_the_targets_unit(self) -> None:
        assert f"in {TARGET.unit}." in shown().words


class TestWhatIsNot:
    def test_nothing_is_fetched_or_run(self) -> None:
        for html in (html_view.page(LOOK, span="6h", refresh=None), html_view.widget(LOOK, zone=UTC, theme="dark")):
            reader = Reader(html)
            names = {name for _, attributes in reader.elements for name in attributes}
            assert not {tag for tag, _ in reader.elements} & {
                "script",
                "iframe",
                "object",
                "embed",
                "use",
                "img",
                "form",
            }
            assert not {name for name in names if name.startswith("on")} | (names & {"src", "action", "xlink:href"})
            assert "style" not in names  # the policy admits one style sheet
            for value in reader.values:
                assert "://" not in value or value == html_view.ICON
            assert "url(" not in html_view.STYLE
            assert "@import" not in html_view.STYLE

    def test_the_policy_admits_the_style_sheet_that_is_on_it(self) -> None:
        html = html_view.page(LOOK, span="6h", refresh=None)
        style = html[html.index("<style>") + 7 : html.index("</style>")]
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert f"style-src 'sha256-{digest}'" in html_view.HEADERS["content-security-policy"]

    def test_a_widget_styles_nothing_but_itself(self) -> None:
        rules = re.sub(r"@media[^{]*\{|\{[^{}]*\}", ";", html_view.STYLE)
        selectors = [one.strip() for rule in rules.split(";") for one in rule.strip(" \n}").split(",")]
        assert {one for one in selectors if one and not one.startswith(".dwell")} == set()


HOSTILE = st.one_of(
    st.text(min_size=1, max_size=60),
    st.sampled_from(
        [
            "<script>alert(1)</script>",
            '"><img src=x onerror=alert(1)>',
            "' onload='alert(1)",
            "</title></style></svg><script>alert(1)</script>",
            "<!--",
            "]]>",
            "&lt;script&gt;",
            "{{ 7 * 7 }}{% raw %}",
            "\N{RIGHT-TO-LEFT OVERRIDE}gnp.exe",
            "אבג عربى",
            "x" * 5_000,
            "javascript:alert(1)",
        ]
    ),
)


def named(text: str) -> Look:
    """The look with every name and every word that others chose replaced by a text."""
    standing = LOOK.standing
    rounds = [
        one.model_copy(
            update={"cause": text, "reason": text, "entrant": text, "promoted": text if one.promoted else None}
        )
        for one in standing.rounds
    ]
    decisions = [
        one.model_copy(update={"cause": text, "reason": text, "facts": {"note": text}}) for one in standing.decisions
    ]
    models = [replace(one, model=text, entrant=text, error=text) for one in standing.models]
    return replace(
        LOOK,
        stack=text,
        standing=replace(standing, rounds=rounds, decisions=decisions, models=models, errors={}),
        alarms=[replace(one, alarm=text, until=None) for one in LOOK.alarms],
        refusals=Refusals(accepted=1, refused=1, reasons=((text, 1),)),
    )


class TestNames:
    @given(HOSTILE)
    def test_are_shown_and_change_nothing_else(self, text: str) -> None:
        for harmless, hostile in (
            [Reader(html_view.page(named(one), span="6h", refresh=None)) for one in ("x", text)],
            [Reader(html_view.widget(named(one), zone=UTC, theme="light")) for one in ("x", text)],
        ):
            assert hostile.elements == harmless.elements
            assert hostile.text.count(text) >= 40

    def test_of_others_stand_apart_from_the_direction_of_the_line(self) -> None:
        text = "\N{RIGHT-TO-LEFT OVERRIDE}name"
        html = html_view.page(named(text), span="6h", refresh=None)
        body = html[html.index("<main>") :]
        outside = re.sub(r"<bdi>.*?</bdi>|<svg.*?</svg>", "", body, flags=re.DOTALL)
        assert text not in outside

    def test_a_bad_query_is_not_repeated_as_html(self) -> None:
        html = html_view.problem("span is <b>bad</b>")
        assert "<b>" not in html


def luminance(colour: str) -> float:
    parts = [int(colour[position : position + 2], 16) / 255 for position in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


COLOURS = {
    name: (light, dark)
    for name, light, dark in re.findall(r"--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", html_view.STYLE)
}


@pytest.mark.parametrize(
    ("text", "ground"),
    [
        *((text, ground) for text in ("ink", "soft", "blue") for ground in ("paper", "card")),
        *((text, f"{text}-wash") for text in ("good", "bad", "warn")),
        *((text, "card") for text in ("good", "bad", "warn")),
        ("soft", "line"),  # the name of a round that was kept, in its bar
        ("soft", "bad-wash"),  # the promise, where the alarm is on
    ],
)
@pytest.mark.parametrize("theme", [0, 1])
def test_text_is_legible(text: str, ground: str, theme: int) -> None:
    """WCAG's contrast for text, 4.5 to 1."""
    lights = sorted((luminance(COLOURS[text][theme]), luminance(COLOURS[ground][theme])))
    assert (lights[1] + 0.05) / (lights[0] + 0.05) >= 4.5


class TestHandler:
    @pytest.fixture
    def cloud(self) -> Cloud:
        return filled()

    @pytest.fixture
    def ask(self, cloud: Cloud, context: Context, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any]], Any]:
        monkeypatch.setattr(handler, "surroundings", lambda: around(cloud))
        monkeypatch.setattr(handler, "logger", Logger(service=STACK, stream=io.StringIO()))
        return lambda event: handler.handler(event, context)  # type: ignore[arg-type]  # as far as it is used

    def test_a_browser_gets_the_page_and_what_it_may_do_with_it(
        self, ask: Callable[[dict[str, Any]], Any], event: Callable[[str], dict[str, Any]]
    ) -> None:
        answer = ask(event("api-page"))
        assert answer["statusCode"] == 200
        headers = answer["headers"]
        assert headers["content-type"] == "text/html; charset=utf-8"
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in headers["content-security-policy"]
        assert "in the last 24 hours" in Reader(answer["body"]).words  # as the event asks

    @pytest.mark.parametrize(
        ("given_query", "said"),
        [
            ({"span": "soon"}, "span is like 90m, 24h or 7d"),
            ({"span": "31d"}, "span is at least 1m and at most 30d"),
            ({"span": "0m"}, "span is at least 1m and at most 30d"),
            ({"span": "9" * 400 + "d"}, "span is like 90m, 24h or 7d"),
            ({"refresh": "1"}, "refresh is at least 5 and at most 3600"),
            ({"refresh": "<b>"}, "refresh is a whole number"),
        ],
    )
    def test_a_bad_query_is_answered_with_its_reason(
        self,
        ask: Callable[[dict[str, Any]], Any],
        cloud: Cloud,
        event: Callable[[str], dict[str, Any]],
        given_query: dict[str, str],
        said: str,
    ) -> None:
        steps = cloud.steps.count
        answer = ask(event("api-page") | {"queryStringParameters": given_query})
        assert answer["statusCode"] == 400
        assert answer["headers"] == html_view.HEADERS
        assert said in Reader(answer["body"]).words
        assert cloud.steps.count == steps

    def test_without_a_query_it_shows_the_last_hours(
        self, ask: Callable[[dict[str, Any]], Any], event: Callable[[str], dict[str, Any]]
    ) -> None:
        without = event("api-page")
        del without["queryStringParameters"]
        assert "in the last 6 hours" in Reader(ask(without)["body"]).words

    def test_a_dashboard_gets_a_part_in_its_theme_time_range_and_time_zone(
        self, ask: Callable[[dict[str, Any]], Any], event: Callable[[str], dict[str, Any]]
    ) -> None:
        given_event = event("dashboard-widget")
        given_event["widgetContext"]["timezone"]["offsetISO"] = "+05:30"
        answer = ask(given_event)
        assert isinstance(answer, str)
        assert answer.startswith("<style>")
        assert '<div class="dwell widget dark cwdb-no-default-styles">' in answer
        assert not {tag for tag, _ in Reader(answer).elements} & {"html", "head", "body", "meta", "link", "nav", "main"}
        there = SCENE.at(0.74).astimezone(timezone(timedelta(hours=5, minutes=30)))
        assert f"since {there:%H:%M} UTC+05:30" in Reader(answer).words
        # two hours, as it is zoomed in: of five, in which 1,300 lines were refused
        assert "520 lines in the time shown" in Reader(answer).words
        assert len(json.dumps(answer)) < 200_000

    def test_a_dashboard_gets_what_its_theme_is_and_never_something_else(
        self, ask: Callable[[dict[str, Any]], Any], event: Callable[[str], dict[str, Any]]
    ) -> None:
        given_event = event("dashboard-widget")
        given_event["widgetContext"]["theme"] = '"><script>'
        assert 'class="dwell widget light ' in ask(given_event)

    def test_a_dashboard_that_looks_into_the_past_does_not_see_later_lines(
        self, ask: Callable[[dict[str, Any]], Any], event: Callable[[str], dict[str, Any]]
    ) -> None:
        given_event = event("dashboard-widget")
        given_event["widgetContext"]["timeRange"] = {
            "mode": "absolute",
            "start": int(SCENE.at(-0.5).timestamp() * 1_000),
            "end": int(SCENE.at(-0.2).timestamp() * 1_000),
        }
        assert "Nothing was refused in the time shown" in Reader(ask(given_event)).words

    def test_a_dashboard_gets_the_description(
        self, ask: Callable[[dict[str, Any]], Any], cloud: Cloud, event: Callable[[str], dict[str, Any]]
    ) -> None:
        steps = cloud.steps.count
        assert ask(event("dashboard-widget-describe")).startswith("## Leaderboard")
        assert cloud.steps.count == steps

    def test_a_look_costs_the_same_however_much_has_happened(self) -> None:
        few, many = filled(), filled()
        for hour in range(1_000):
            at = NOW - timedelta(hours=6) + timedelta(seconds=20 * hour)
            many.cloudwatch.count("RefusedSamples", at, 1, service=STACK)
            many.cloudwatch.count("RefusedSamples", at, 1, service=STACK, reason="malformed")
        before = few.steps.count, many.steps.count
        seen(few)
        seen(many)
        assert few.steps.count - before[0] == many.steps.count - before[1]
        asked = Counter(len(one["MetricDataQueries"]) for one in few.cloudwatch.requests)
        assert asked == {4: 1, 3: 1, 5: 1}
