"""Chromium as a person has it: a window of some width, a preference for light or dark, a keyboard. Nothing else."""

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
    "--no-sandbox",  # in a container there is none, and the only page is ours
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


def missing() -> list[str]:
    """Which of the programs this machine lacks."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


@dataclass(frozen=True)
class Browser:
    """A window, and what was seen in it. ``driver`` is Selenium's."""

    driver: Any

    def open(self, url: str, *, width: int = 1_200, theme: str = "light") -> None:
        """Open a page in a window of so many pixels, for somebody who prefers light or dark."""
        command = self.driver.execute_cdp_cmd
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        command("Emulation.setDeviceMetricsOverride", size)
        command("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": theme}]})
        self.said()  # what an earlier page said is not of interest
        self.asked()
        self.driver.get(url)

    def asked(self) -> list[str]:
        """The addresses that were asked for since the last look."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]

    def said(self) -> list[str]:
        """What the console says since the last look: errors, and what the page's policy has refused."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script returns."""
        return self.driver.execute_script(script, *arguments)

    def find(self, selector: str) -> list[Any]:
        """The elements that a selector fits."""
        found: list[Any] = self.driver.find_elements(By.CSS_SELECTOR, selector)
        return found

    def tab(self) -> str:
        """Press the tab key; the accessible name of what then has the focus, or nothing at the end of the page."""
        body = self.driver.switch_to.active_element
        body.send_keys(Keys.TAB)
        focused = self.driver.switch_to.active_element
        return "" if focused.tag_name in {"body", "html"} else str(focused.accessible_name)

    def overflow(self) -> int:
        """By how many pixels the page is wider than the window."""
        return int(self.run("return document.documentElement.scrollWidth - window.innerWidth"))

    def violations(self) -> list[str]:
        """What axe-core finds fault with, best practices included."""
        axe = Axe(self.driver)
        axe.inject()
        return [
            f"{rule['id']}: {node['html'][:200]} {node['failureSummary']}"
            for rule in axe.run()["violations"]
            for node in rule["nodes"]
        ]

    def picture(self, path: Path) -> None:
        """The whole page as a PNG."""
        height = self.run("return document.documentElement.scrollHeight")
        width = self.run("return window.innerWidth")
        taken = self.driver.execute_cdp_cmd(
            "Page.captureScreenshot",
            {"captureBeyondViewport": True, "clip": {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}},
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(taken["data"]))


@contextlib.contextmanager
def running() -> Iterator[Browser]:
    """A browser with a profile of its own, which ends with it."""
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
    """Nobody's proxy stands between it and this machine; crash reports and the like stay in its folder."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return {**kept, "NO_PROXY": "127.0.0.1", "HOME": folder, "TMPDIR": folder}
