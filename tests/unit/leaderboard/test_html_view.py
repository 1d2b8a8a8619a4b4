"""The page and the widget show everything, run nothing, and escape every name."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from datetime import UTC, timedelta
from functools import cache
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_schema import TARGET
from leaderboard import html_view
from leaderboard.alarm_history import AlarmPeriod
from leaderboard.rejections import Rejections
from rounds import Endpoint, Store
from tests.sample_history import MISSING, OUT_OF_RANGE, RECOVERED
from tests.unit.fake_aws import ENDPOINT, NOW, Cloud
from tests.unit.leaderboard.html_reader import HtmlReader
from tests.unit.leaderboard.leaderboard_fixtures import HISTORY, PAGE, load_page

if TYPE_CHECKING:
    from leaderboard.page_data import PageData


def read_page(data: PageData = PAGE) -> HtmlReader:
    return HtmlReader(html_view.render_page(data, span="6h", refresh=None))


def test_the_page_shows_the_live_model_and_its_error() -> None:
    words = read_page().words
    live_since = f"{HISTORY.at(0.74):%H:%M}"
    assert f"{HISTORY.second} answers since {live_since} UTC (1 h 18 min), entered by night-shift." in words
    assert f"It misses by 1,944 {TARGET.unit}, 2 % more than it promised." in words
    assert "Baseline 5,210" in words


def test_the_ranking_is_ordered_and_grouped_by_test_set() -> None:
    words = read_page().words
    names = [HISTORY.second, HISTORY.first, HISTORY.first.replace("xgboost", "linear")]
    ranking = words[words.index("Ranking") : words.index("Rounds Each")]
    assert sorted(names, key=ranking.index) == names
    assert ranking.count("where the baseline misses by 5,210") == 3
    assert f"{RECOVERED:,.0f}" in ranking


def test_rounds_and_decisions_have_reasons() -> None:
    words = read_page().words
    assert f"promoted {HISTORY.second}: better than the champion" in words
    assert "kept nobody was better" in words
    assert "refused too few new samples: 7,214 of 10,000" in words
    assert "started somebody asked for it: “new pods arrived”" in words


def test_rejection_reasons_are_ordered_by_frequency() -> None:
    words = read_page().words
    quarantine = words[words.index("Quarantine Lines") :]
    assert f"{OUT_OF_RANGE} 900 malformed 300 {MISSING} 100" in quarantine
    assert "not told yet" not in quarantine
    assert "Refused 0.31 % 1,300 lines in the last 6 hours" in words


def test_rejections_without_a_listed_reason_are_shown() -> None:
    rejections = replace(PAGE.rejections, rejected=PAGE.rejections.rejected + 7)
    assert "not told yet" in read_page(replace(PAGE, rejections=rejections)).words


def test_an_active_alarm_is_shown_first() -> None:
    assert "No alarm is on" in read_page().words
    alarms = [*PAGE.alarms, AlarmPeriod("QuarantineRate", NOW - timedelta(minutes=9), None)]
    words = read_page(replace(PAGE, alarms=alarms)).words
    assert "Alarm QuarantineRate is on since 06:30" in words
    assert "No alarm is on" not in words


def test_the_chart_is_described_in_words() -> None:
    page = read_page()
    (summary,) = [value for value in page.values if value.startswith("Live error from")]
    assert "1 alarm" not in summary
    assert "2 alarms, 3 rounds, 2 promotions" in summary
    assert "Alarm ModelError went on" in page.words
    assert f"{HISTORY.second} went live" in page.words
    assert all(f"{interval.rmse:,.0f}" in page.words for interval in PAGE.live_error)


@pytest.mark.parametrize(
    "text",
    [
        "No model answers yet.",
        "Nothing to draw yet",
        "No model has been trained yet.",
        "No round has been started yet.",
        "Nobody has asked for a round yet.",
        "Nothing was refused",
    ],
)
def test_a_new_stack_shows_what_is_missing(text: str) -> None:
    assert text in read_page(load_page(Cloud())).words


def read_page_with(endpoint: Endpoint) -> str:
    cloud = Cloud()
    Store(cloud.clients()[0]).create(endpoint)
    return read_page(load_page(cloud)).words


def test_a_model_being_deployed_is_shown_without_any_round() -> None:
    endpoint = Endpoint(name=ENDPOINT, serving_model="by-hand", desired_model="next", status="Updating", updated_at=NOW)
    assert "by-hand answers. next is being deployed." in read_page_with(endpoint)


def test_a_paused_endpoint_shows_the_model_after_resume() -> None:
    model = HISTORY.second
    endpoint = Endpoint(name=ENDPOINT, pause="paused", model_after_resume=model, desired_model=model, updated_at=NOW)
    words = read_page_with(endpoint)
    assert "The endpoint is paused. Planners get the baseline" in words
    assert f"until {model} answers again." in words
    assert "is being deployed" not in words


def test_rare_reasons_are_collapsed() -> None:
    reasons = tuple((f"reason-{index}", 50 - index) for index in range(14))
    rejections = Rejections(accepted=1, rejected=sum(lines for _, lines in reasons), reasons=reasons)
    words = read_page(replace(PAGE, rejections=rejections)).words
    assert words.index("reason-9") < words.index("4 more reasons") < words.index("reason-10")
    assert "reason-13" in words
    assert "more reason" not in read_page().words


@pytest.mark.parametrize("refresh", [None, 60])
def test_the_page_reloads_only_on_request(refresh: int | None) -> None:
    html = html_view.render_page(PAGE, span="6h", refresh=refresh)
    assert ("http-equiv" in html) == (refresh is not None)
    assert ("Stop reloading" in html) == (refresh is not None)
    assert ("?span=24h&amp;refresh=60" in html) == (refresh is not None)  # another span keeps reloading


def test_errors_are_in_the_targets_unit() -> None:
    assert f"in {TARGET.unit}." in read_page().words


@pytest.mark.parametrize(
    "html",
    [
        html_view.render_page(PAGE, span="6h", refresh=None),
        html_view.render_widget(PAGE, zone=UTC, theme="dark"),
    ],
    ids=["page", "widget"],
)
def test_nothing_is_loaded_or_run(html: str) -> None:
    reader = HtmlReader(html)
    tags = {tag for tag, _ in reader.elements}
    names = {name for _, attributes in reader.elements for name in attributes}
    assert not tags & {"script", "iframe", "object", "embed", "use", "img", "form"}
    assert not {name for name in names if name.startswith("on")} | (names & {"src", "action", "xlink:href"})
    assert "style" not in names  # the policy allows one style sheet
    for value in reader.values:
        assert "://" not in value or value == html_view.ICON
    assert "url(" not in html_view.STYLE
    assert "@import" not in html_view.STYLE


def test_the_policy_allows_the_pages_style_sheet() -> None:
    html = html_view.render_page(PAGE, span="6h", refresh=None)
    style = html[html.index("<style>") + 7 : html.index("</style>")]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in html_view.HEADERS["content-security-policy"]


def test_the_style_sheet_applies_to_the_widget_only() -> None:
    rules = re.sub(r"@media[^{]*\{|\{[^{}]*\}", ";", html_view.STYLE)
    selectors = [selector.strip() for rule in rules.split(";") for selector in rule.strip(" \n}").split(",")]
    assert {selector for selector in selectors if selector and not selector.startswith(".dwell")} == set()


HOSTILE_TEXTS = st.one_of(
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


def replace_texts(text: str) -> PageData:
    """The page's data with every name and text of another source replaced."""
    state = PAGE.state
    rounds = [
        round_.model_copy(
            update={"cause": text, "reason": text, "entrant": text, "promoted": text if round_.promoted else None}
        )
        for round_ in state.rounds
    ]
    decisions = [
        decision.model_copy(update={"cause": text, "reason": text, "facts": {"note": text}})
        for decision in state.decisions
    ]
    models = [replace(model, model=text, entrant=text, error=text) for model in state.models]
    return replace(
        PAGE,
        stack=text,
        state=replace(state, rounds=rounds, decisions=decisions, models=models, errors={}),
        alarms=[replace(period, alarm=text, until=None) for period in PAGE.alarms],
        rejections=Rejections(accepted=1, rejected=1, reasons=((text, 1),)),
        live_error=PAGE.live_error[:3],  # rows without texts only cost time
    )


def read_views(text: str) -> tuple[HtmlReader, HtmlReader]:
    data = replace_texts(text)
    return (
        HtmlReader(html_view.render_page(data, span="6h", refresh=None)),
        HtmlReader(html_view.render_widget(data, zone=UTC, theme="light")),
    )


read_harmless_views = cache(lambda: read_views("x"))


@given(HOSTILE_TEXTS)
def test_a_hostile_text_is_shown_and_changes_no_element(text: str) -> None:
    for harmless, hostile in zip(read_harmless_views(), read_views(text), strict=True):
        assert hostile.elements == harmless.elements
        assert hostile.text.count(text) >= 40


def test_a_text_cannot_change_the_direction_of_the_line() -> None:
    text = "\N{RIGHT-TO-LEFT OVERRIDE}name"
    html = html_view.render_page(replace_texts(text), span="6h", refresh=None)
    body = html[html.index("<main>") :]
    outside = re.sub(r"<bdi>.*?</bdi>|<svg.*?</svg>", "", body, flags=re.DOTALL)
    assert text not in outside


def test_an_invalid_query_is_escaped() -> None:
    assert "<b>" not in html_view.render_error_page("span is <b>bad</b>")


def compute_luminance(colour: str) -> float:
    """Relative luminance as WCAG defines it, from 0 to 1."""
    channels = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4 for channel in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


COLOURS = {
    name: (light, dark)
    for name, light, dark in re.findall(r"--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", html_view.STYLE)
}


@pytest.mark.parametrize(
    ("text", "background"),
    [
        *((text, background) for text in ("ink", "soft", "blue") for background in ("paper", "card")),
        *((text, f"{text}-wash") for text in ("good", "bad", "warn")),
        *((text, "card") for text in ("good", "bad", "warn")),
        ("soft", "line"),  # the label of a round that kept the champion, in its bar
        ("soft", "bad-wash"),  # the promised error, while the alarm is on
    ],
)
@pytest.mark.parametrize("theme", [0, 1])
def test_text_has_the_contrast_that_wcag_requires(text: str, background: str, theme: int) -> None:
    """At least 4.5 to 1."""
    darker, lighter = sorted((compute_luminance(COLOURS[text][theme]), compute_luminance(COLOURS[background][theme])))
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5
