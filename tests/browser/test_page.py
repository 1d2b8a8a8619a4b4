"""The leaderboard's page in Chromium, from the deployed function through ``dwell board``: for eyes, ears and keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.showing import HOSTILE, PICTURES
from tests.eventually import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.chromium import Browser
    from tests.browser.showing import Shown

DESKTOP, PHONE, ZOOMED = 1_200, 360, 320
"""Widths in pixels; the last is a small window that was zoomed in to 400 %."""
REGIONS = ["Models, best first", "Each round trains", "What the retraining function", "Lines refused"]
"""How the names of the frames that may scroll begin, in order."""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_it_is_accessible_and_asks_nobody_else(browser: Browser, shown: Shown, width: int, theme: str) -> None:
    # when somebody opens it
    browser.open(shown.url, width=width, theme=theme)
    browser.picture(PICTURES / f"page-{width}-{theme}.png")
    # then nobody else is asked, nothing goes wrong, and it fits
    assert browser.asked() == [shown.url]
    assert browser.said() == []
    assert browser.overflow() <= 0
    # and axe-core, which also measures the contrast of text, finds nothing, with all of it unfolded
    for details in browser.find("summary"):
        details.click()
    assert browser.violations() == []
    assert browser.overflow() <= 0
    browser.picture(PICTURES / f"page-{width}-{theme}-unfolded.png")


def test_it_tells_what_there_is(browser: Browser, shown: Shown) -> None:
    browser.open(shown.url)
    (statement,) = browser.find(".statement")
    assert shown.scene.second in statement.text
    assert "entered by night-shift" in statement.text
    assert "Alarm ModelError is on" in browser.find(".alarms")[0].text
    assert [one.text for one in browser.find(".is-live .chip")] == ["live"]
    assert len(browser.find("polyline.error")) >= 1
    assert {"serving", "rounds", "alarms"} <= {one.text for one in browser.find(".chart > text")}
    # the alarm's action has asked for a round, and was refused
    decisions = browser.find("[aria-labelledby=dwell-decisions-about]")[0].text
    assert "too few new samples: 0 of 1,000,000" in decisions or "the last round ended too recently" in decisions


def test_dark_is_dark_and_light_is_light(browser: Browser, shown: Shown) -> None:
    brightness = "return getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number)[0]"
    browser.open(shown.url, theme="light")
    assert browser.run(brightness) > 200
    browser.open(shown.url, theme="dark")
    assert browser.run(brightness) < 50


@pytest.mark.parametrize("width", [DESKTOP, PHONE, ZOOMED])
def test_it_never_scrolls_sideways(browser: Browser, shown: Shown, width: int) -> None:
    browser.open(shown.url, width=width)
    assert browser.overflow() <= 0


def test_everything_is_reached_by_keyboard_in_order(browser: Browser, shown: Shown) -> None:
    browser.open(shown.url)
    browser.run("document.activeElement.blur()")
    reached = []
    while name := browser.tab():
        reached.append(name)
    assert reached[:7] == ["1h", "6h", "24h", "7d", "30d", "Reload", "Reload every minute"]
    frames = [next((start for start in REGIONS if name.startswith(start)), None) for name in reached[7:]]
    assert [one for one in frames if one] == REGIONS
    assert "The chart as tables" in reached


def test_everything_has_a_name_for_those_who_listen(browser: Browser, shown: Shown) -> None:
    browser.open(shown.url)
    assert [one.aria_role for one in browser.find("header, main, footer")] == ["banner", "main", "contentinfo"]
    headings = [(one.tag_name, one.text) for one in browser.find("h1, h2, h3")]
    assert headings == [
        ("h1", "Leaderboard"), ("h2", "Now"), ("h2", "Live error over time"), ("h2", "Ranking"), ("h2", "Rounds"),
        ("h2", "Decisions"), ("h2", "Quarantine"),
    ]  # fmt: skip
    assert [one.accessible_name for one in browser.find("section")] == [text for _, text in headings[1:]]
    (chart,) = browser.find("svg[role=img]")
    assert chart.accessible_name.startswith("Live error from ")
    for summary in browser.find("summary"):
        summary.click()
    for table in browser.find("table"):
        assert table.find_element("css selector", "caption").text
        assert table.find_elements("css selector", "th[scope=col]")
        assert table.find_elements("css selector", "th[scope=row]")


def test_what_others_wrote_is_text(browser: Browser, shown: Shown) -> None:
    browser.open(shown.url)
    assert HOSTILE in browser.find("[aria-labelledby=dwell-decisions-about]")[0].text
    assert HOSTILE in browser.find("[aria-labelledby=dwell-quarantine-about]")[0].text
    assert browser.find("img, script") == []
    assert browser.said() == []


def test_even_if_it_were_not_nothing_would_run(browser: Browser, shown: Shown) -> None:
    browser.open(shown.url)
    browser.run("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.ran = 1\">')")
    refused = eventually(browser.said, bool)
    assert "Content Security Policy" in refused[0]
    assert browser.run("return window.ran") is None


def test_another_span_stays_on_the_same_address(browser: Browser, shown: Shown) -> None:
    browser.open(shown.url)
    browser.driver.find_element("link text", "24h").click()
    assert browser.driver.current_url == f"{shown.url}?span=24h"
    assert [one.text for one in browser.find("[aria-current]")] == ["24h"]
    assert "accepted in the last 24 hours" in browser.find(".figures")[0].text


def test_it_reloads_only_if_somebody_wants_that(browser: Browser, shown: Shown) -> None:
    browser.open(f"{shown.url}?refresh=5")
    loaded = browser.run("return performance.timeOrigin")
    assert "Stop reloading every 5 s" in browser.find("nav")[0].text
    eventually(lambda: browser.run("return performance.timeOrigin"), lambda origin: origin > loaded)
    browser.driver.find_element("partial link text", "Stop reloading").click()
    assert browser.find("meta[http-equiv]") == []


def test_a_bad_query_is_told_in_the_same_style(browser: Browser, shown: Shown) -> None:
    browser.open(f"{shown.url}?span=soon", width=PHONE)
    assert browser.find("h1")[0].text == "That cannot be shown"
    assert browser.violations() == []
    assert browser.overflow() <= 0


@pytest.mark.parametrize(("theme", "prefers"), [("dark", "light"), ("light", "dark")])
def test_a_widget_follows_the_dashboard_and_leaves_it_alone(
    browser: Browser, shown: Shown, tmp_path: Path, theme: str, prefers: str
) -> None:
    # given a page of somebody else with the widget in it, as a dashboard has it
    ground = "#0f1b2a" if theme == "dark" else "#ffffff"
    dashboard = tmp_path / "dashboard.html"
    dashboard.write_text(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Dashboard</title>"
        f"<body style='margin:0;background:{ground}'><main><h1 id=host style='font-size:31px;margin:7px;"
        f"color:{'#fff' if theme == 'dark' else '#000'}'>Dashboard</h1>{shown.widget(theme=theme)}</main>",
        encoding="utf-8",
    )
    browser.open(dashboard.as_uri(), theme=prefers)
    browser.picture(PICTURES / f"widget-{theme}.png")
    # then it looks as the dashboard does, whatever the reader's system prefers
    (widget,) = browser.find(".dwell")
    shade = browser.run("return getComputedStyle(arguments[0]).backgroundColor.match(/[0-9]+/g)[0]", widget)
    assert int(shade) < 50 if theme == "dark" else int(shade) > 200
    assert browser.find("nav, header, footer") == []
    # and changes nothing around it, asks nobody, and is as accessible
    size = "const style = getComputedStyle(arguments[0]); return [style.fontSize, style.marginTop]"
    assert browser.run(size, browser.find("#host")[0]) == ["31px", "7px"]
    assert browser.asked() == [dashboard.as_uri()]
    assert browser.said() == []
    assert browser.violations() == []
