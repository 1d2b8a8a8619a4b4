"""A session that is told to end does so as by Ctrl-C: fixtures take down what they have started."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Otherwise SIGTERM would end the process at once."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
