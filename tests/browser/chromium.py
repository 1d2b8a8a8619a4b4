"""Chromium with a window size, a preference for light or dark, and a keyboard."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from axe_selenium_python import Axe
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRAMS = ("chromium", "chromedriver")
FLAGS = (
    "--headless",
    "--no-sandbox",  # containers have no sandbox, and the only page is ours
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


def list_missing_programs() -> list[str]:
    """Return the programs that are not installed."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


@dataclass(frozen=True)
class Browser:
    """A window; ``driver`` is Selenium's."""

    driver: Any

    def open(self, url: str, *, width: int = 1_200, theme: str = "light") -> None:
        """Open a page in a window of ``width`` pixels, with the preferred colour scheme ``light`` or ``dark``."""
        command = self.driver.execute_cdp_cmd
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        command("Emulation.setDeviceMetricsOverride", size)
        command("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": theme}]})
        self.console_messages()  # drop the messages of the previous page
        self.requested_urls()
        self.driver.get(url)

    def requested_urls(self) -> list[str]:
        """Return the URLs requested since the last call."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]

    def console_messages(self) -> list[str]:
        """Return the console's messages since the last call: errors, and what the page's policy blocked."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a script and return its result."""
        return self.driver.execute_script(script, *arguments)

    def find(self, selector: str) -> list[Any]:
        """Return the elements that match a CSS selector."""
        elements: list[Any] = self.driver.find_elements(By.CSS_SELECTOR, selector)
        return elements

    def press_tab(self) -> str:
        """Press the tab key and return the accessible name of the focused element; empty at the end of the page."""
        body = self.driver.switch_to.active_element
        body.send_keys(Keys.TAB)
        focused = self.driver.switch_to.active_element
        return "" if focused.tag_name in {"body", "html"} else str(focused.accessible_name)

    def measure_overflow(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        return int(self.run("return document.documentElement.scrollWidth - window.innerWidth"))

    def find_violations(self) -> list[str]:
        """Return the violations that axe-core finds, best practices included."""
        axe = Axe(self.driver)
        axe.inject()
        return [
            f"{rule['id']}: {node['html'][:200]} {node['failureSummary']}"
            for rule in axe.run()["violations"]
            for node in rule["nodes"]
        ]

    def take_screenshot(self, path: Path) -> None:
        """Write the full page as a PNG."""
        height = self.run("return document.documentElement.scrollHeight")
        width = self.run("return window.innerWidth")
        screenshot = self.driver.execute_cdp_cmd(
            "Page.captureScreenshot",
            {"captureBeyondViewport": True, "clip": {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}},
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(screenshot["data"]))


@contextlib.contextmanager
def run_browser() -> Iterator[Browser]:
    """Run a browser with a temporary profile."""
    with tempfile.TemporaryDirectory(prefix="dwell-chromium-") as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = str(shutil.which("chromium"))
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"), env=_environment(profile))
        driver = webdriver.Chrome(options=options, service=service)
        try:
            driver.set_page_load_timeout(60)
            yield Browser(driver)
        finally:
            driver.quit()


def _environment(folder: str) -> dict[str, str]:
    """Return an environment without proxies, in which crash reports stay in the temporary folder."""
    variables = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return {**variables, "NO_PROXY": "127.0.0.1", "HOME": folder, "TMPDIR": folder}
