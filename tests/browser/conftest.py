"""What tests in a browser share: Chromium, and the real template with something to see in it."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from dwell.client.stack import find
from dwell.local import deployment
from dwell.local import emulator_process as local
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
def shown(browser: chromium.Browser) -> Iterator[Shown]:
    """The template on an emulator of its own, a scene in its table and metrics, and the command that shows it."""
    with local.running() as laptop, pytest.MonkeyPatch.context() as patch:
        for name, value in laptop.environment().items():
            patch.setenv(name, value)
        deployment.build()
        deployment.deploy(laptop, parameters={"MinimumSamples": "1000000"})
        stack = find(deployment.STACK)
        # the emulator keeps metrics for three hours
        scene = SampleHistory(datetime.now(UTC), timedelta(hours=2.5), entrant="night-shift", endpoint=stack.endpoint)
        put(scene, stack)
        with board(stack) as url:
            yield Shown(laptop, stack, scene, url)
