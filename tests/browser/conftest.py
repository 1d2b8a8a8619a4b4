"""What tests in a browser share: Chromium, and the real template with something to see in it."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests import emulators
from tests.browser import chromium
from tests.browser.showing import Shown, board, put
from tests.sample_history import SampleHistory

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def browser() -> Iterator[chromium.Browser]:
    """Chromium. Where it is missing the tests are skipped, but not in CI."""
    missing = chromium.missing()
    if missing:
        told = f"the page is tested in a real browser; missing here: {', '.join(missing)}"
        told += " (Debian: apt-get install --no-install-recommends chromium chromium-driver fonts-dejavu-core)"
        if os.environ.get("CI") == "true":
            pytest.fail(told)
        pytest.skip(told)
    with chromium.running() as running:
        yield running


@pytest.fixture(scope="session")
def shown(browser: chromium.Browser, request: pytest.FixtureRequest) -> Iterator[Shown]:
    """The template on an emulator of its own, a scene in its table and metrics, and the command that shows it."""
    with emulators.running("browser", request) as laptop, emulators.environment(laptop):
        stack = emulators.deploy(laptop, {"MinimumSamples": "1000000"})
        # the emulator keeps metrics for three hours
        scene = SampleHistory(datetime.now(UTC), timedelta(hours=2.5), entrant="night-shift", endpoint=stack.endpoint)
        put(scene, stack)
        with board(stack) as url:
            yield Shown(laptop, stack, scene, url)
