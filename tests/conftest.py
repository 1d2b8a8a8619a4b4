"""A session that is told to end does so as by Ctrl-C: fixtures take down what they have started."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Otherwise SIGTERM would end the process at once.

    What a shell starts in the background ignores Ctrl-C, and so would every program that a test starts.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
