"""What integration tests share: one emulator, with nothing deployed on it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from dwell.client.stack import find
from dwell.local import deployment
from dwell.local import emulator_process as local

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dwell.client.stack import Stack


@pytest.fixture(scope="session")
def laptop(request: pytest.FixtureRequest) -> Iterator[local.Laptop]:
    """A fresh emulator on a free port, for the whole session: name what you create so that tests do not meet.

    Its log stays in ``build/local/`` when a test failed.
    """
    log = local.ROOT / "build" / "local" / f"tests-{os.getpid()}.log"
    with local.running(log=log) as running:
        yield running
    if not request.session.testsfailed:
        log.unlink(missing_ok=True)


@pytest.fixture(scope="session")
def stack() -> Iterator[tuple[local.Laptop, Stack]]:
    """The real template, deployed on an emulator of its own: what rests on alarms and schedules needs its own clock.

    Automatic rounds are out of reach, so that a test starts what it wants to see.
    """
    with local.running() as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.environment().items():
            patch.setenv(name, value)
        deployment.build()
        deployment.deploy(running, parameters={"MinimumSamples": "1000000"})
        yield running, find(deployment.STACK)


@pytest.fixture
def on_stack(stack: tuple[local.Laptop, Stack], monkeypatch: pytest.MonkeyPatch) -> Stack:
    """The deployed stack, with this process's AWS environment pointing at it."""
    running, found = stack
    for name, value in running.environment().items():
        monkeypatch.setenv(name, value)
    return found
