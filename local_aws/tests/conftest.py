"""SIGTERM ends a test session as Ctrl-C does, so that fixtures stop what they have started."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

# A busy machine is no reason for a test to fail.
settings.register_profile("local_aws", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("local_aws")


def pytest_configure() -> None:
    """Without this, SIGTERM would end the process at once.

    Programs that a shell starts in the background ignore Ctrl-C, and so would every program that a test starts.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
