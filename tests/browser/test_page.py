"""The leaderboard's page in Chromium, from the deployed function through ``dwell board``: it is accessible and safe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.deployed_page import HOSTILE, SCREENSHOTS
from tests.eventually import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.chromium import Browser
    from tests.browser.deployed_page import DeployedPage

DESKTOP, PHONE, ZOOMED = 1_200, 360, 320
"""Widths in pixels; the last is a window of 1,280 pixels zoomed to 400 %."""
REGIONS = ["Models, best first", "Each round trains", "What the retraining function", "Lines refused"]
"""The beginnings of the names of the scrollable frames, in order."""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_the_page_is_accessible_and_loads_nothing_else(
    browser: Browser, page: DeployedPage, width: int, theme: str
) -> None:
    # when the page is opened
    browser.open(page.url, width=width, theme=theme)
    browser.take_screenshot(SCREENSHOTS / f"page-{width}-{theme}.png")
    # then it loads nothing else, logs no error, and fits the window
    assert browser.requested_urls() == [page.url]
    assert browser.console_messages() == []
    assert browser.measure_overflow() <= 0
    # and axe-core, which also checks contrast, finds nothing when everything is expanded
    for details in browser.find("summary"):
        details.click()
    assert browser.find_violations() == []
    assert browser.measure_overflow() <= 0
    browser.take_screenshot(SCREENSHOTS / f"page-{width}-{theme}-expanded.png")


def test_the_page_shows_the_stacks_state(browser: Browser, page: DeployedPage) -> None:
    browser.open(page.url)
    (statement,) = browser.find(".statement")
    assert page.history.second in statement.text
    assert "entered by night-shift" in statement.text
    assert "Alarm ModelError is on" in browser.find(".alarms")[0].text
    assert [chip.text for chip in browser.find(".is-live .chip")] == ["live"]
    assert len(browser.find("polyline.error")) >= 1
    assert {"serving", "rounds", "alarms"} <= {label.text for label in browser.find(".chart > text")}
    # the alarm's action triggered a round, which was refused
    decisions = browser.find("[aria-labelledby=dwell-decisions-about]")[0].text
    assert "too few new samples: 0 of 1,000,000" in decisions or "the last round ended too recently" in decisions


def test_the_page_follows_the_preferred_colour_scheme(browser: Browser, page: DeployedPage) -> None:
    brightness = "return getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number)[0]"
    browser.open(page.url, theme="light")
    assert browser.run(brightness) > 200
    browser.open(page.url, theme="dark")
    assert browser.run(brightness) < 50


@pytest.mark.parametrize("width", [DESKTOP, PHONE, ZOOMED])
def test_the_page_never_scrolls_horizontally(browser: Browser, page: DeployedPage, width: int) -> None:
    browser.open(page.url, width=width)
    assert browser.measure_overflow() <= 0


def test_the_keyboard_reaches_everything_in_order(browser: Browser, page: DeployedPage) -> None:
    browser.open(page.url)
    browser.run("document.activeElement.blur()")
    names = []
    while name := browser.press_tab():
        names.append(name)
    assert names[:7] == ["1h", "6h", "24h", "7d", "30d", "Reload", "Reload every minute"]
    frames = [next((start for start in REGIONS if name.startswith(start)), None) for name in names[7:]]
    assert [frame for frame in frames if frame] == REGIONS
    assert "The chart as tables" in names


def test_every_landmark_chart_and_table_has_a_name(browser: Browser, page: DeployedPage) -> None:
    browser.open(page.url)
    assert [landmark.aria_role for landmark in browser.find("header, main, footer")] == [
        "banner",
        "main",
        "contentinfo",
    ]
    headings = [(heading.tag_name, heading.text) for heading in browser.find("h1, h2, h3")]
    assert headings == [
        ("h1", "Leaderboard"), ("h2", "Now"), ("h2", "Live error over time"), ("h2", "Ranking"), ("h2", "Rounds"),
        ("h2", "Decisions"), ("h2", "Quarantine"),
    ]  # fmt: skip
    assert [section.accessible_name for section in browser.find("section")] == [text for _, text in headings[1:]]
    (chart,) = browser.find("svg[role=img]")
    assert chart.accessible_name.startswith("Live error from ")
    for summary in browser.find("summary"):
        summary.click()
    for table in browser.find("table"):
        assert table.find_element("css selector", "caption").text
        assert table.find_elements("css selector", "th[scope=col]")
        assert table.find_elements("css selector", "th[scope=row]")


def test_a_hostile_text_is_shown_as_text(browser: Browser, page: DeployedPage) -> None:
    browser.open(page.url)
    assert HOSTILE in browser.find("[aria-labelledby=dwell-decisions-about]")[0].text
    assert HOSTILE in browser.find("[aria-labelledby=dwell-quarantine-about]")[0].text
    assert browser.find("img, script") == []
    assert browser.console_messages() == []


def test_the_policy_blocks_injected_code(browser: Browser, page: DeployedPage) -> None:
    browser.open(page.url)
    browser.run("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.ran = 1\">')")
    messages = eventually(browser.console_messages, bool)
    assert "Content Security Policy" in messages[0]
    assert browser.run("return window.ran") is None


def test_another_span_stays_at_the_same_address(browser: Browser, page: DeployedPage) -> None:
    browser.open(page.url)
    browser.driver.find_element("link text", "24h").click()
    assert browser.driver.current_url == f"{page.url}?span=24h"
    assert [link.text for link in browser.find("[aria-current]")] == ["24h"]
    assert "accepted in the last 24 hours" in browser.find(".figures")[0].text


def test_the_page_reloads_only_on_request(browser: Browser, page: DeployedPage) -> None:
    browser.open(f"{page.url}?refresh=5")
    loaded_at = browser.run("return performance.timeOrigin")
    assert "Stop reloading every 5 s" in browser.find("nav")[0].text
    eventually(lambda: browser.run("return performance.timeOrigin"), lambda origin: origin > loaded_at)
    browser.driver.find_element("partial link text", "Stop reloading").click()
    assert browser.find("meta[http-equiv]") == []


def test_an_invalid_query_has_an_accessible_page(browser: Browser, page: DeployedPage) -> None:
    browser.open(f"{page.url}?span=soon", width=PHONE)
    assert browser.find("h1")[0].text == "That cannot be shown"
    assert browser.find_violations() == []
    assert browser.measure_overflow() <= 0


@pytest.mark.parametrize(("theme", "prefers"), [("dark", "light"), ("light", "dark")])
def test_a_widget_follows_the_dashboard_without_changing_it(
    browser: Browser, page: DeployedPage, tmp_path: Path, theme: str, prefers: str
) -> None:
    # given a page with the widget in it, as a dashboard has
    background = "#0f1b2a" if theme == "dark" else "#ffffff"
    dashboard = tmp_path / "dashboard.html"
    dashboard.write_text(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Dashboard</title>"
        f"<body style='margin:0;background:{background}'><main><h1 id=host style='font-size:31px;margin:7px;"
        f"color:{'#fff' if theme == 'dark' else '#000'}'>Dashboard</h1>{page.widget(theme=theme)}</main>",
        encoding="utf-8",
    )
    browser.open(dashboard.as_uri(), theme=prefers)
    browser.take_screenshot(SCREENSHOTS / f"widget-{theme}.png")
    # then it has the dashboard's theme, whatever the system's preference is
    (widget,) = browser.find(".dwell")
    shade = browser.run("return getComputedStyle(arguments[0]).backgroundColor.match(/[0-9]+/g)[0]", widget)
    assert int(shade) < 50 if theme == "dark" else int(shade) > 200
    assert browser.find("nav, header, footer") == []
    # and it changes nothing around it, loads nothing, and is accessible
    size = "const style = getComputedStyle(arguments[0]); return [style.fontSize, style.marginTop]"
    assert browser.run(size, browser.find("#host")[0]) == ["31px", "7px"]
    assert browser.requested_urls() == [dashboard.as_uri()]
    assert browser.console_messages() == []
    assert browser.find_violations() == []
