"""Fixtures of the browser tests: Chromium, and the deployed template with data to show."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests import emulators
from tests.browser import chromium
from tests.browser.deployed_page import DeployedPage, fill_stack, run_board_command
from tests.sample_history import SampleHistory

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def browser() -> Iterator[chromium.Browser]:
    """Chromium. Without it the tests are skipped, except in CI, where they fail."""
    missing = chromium.list_missing_programs()
    if missing:
        message = f"the page is tested in a real browser; missing here: {', '.join(missing)}"
        message += " (Debian: apt-get install --no-install-recommends chromium chromium-driver fonts-dejavu-core)"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    with chromium.run_browser() as running:
        yield running


@pytest.fixture(scope="session")
def page(browser: chromium.Browser, request: pytest.FixtureRequest) -> Iterator[DeployedPage]:
    """The template on a local AWS of its own, with records and metrics, and the command that shows the page."""
    with emulators.running("browser", request) as laptop, emulators.environment(laptop):
        stack = emulators.deploy(laptop, {"MinimumSamples": "1000000"})
        # the local AWS keeps metrics for three hours
        history = SampleHistory(datetime.now(UTC), timedelta(hours=2.5), entrant="night-shift", endpoint=stack.endpoint)
        fill_stack(history, stack)
        with run_board_command(stack) as url:
            yield DeployedPage(laptop, stack, history, url)
