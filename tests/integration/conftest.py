"""What integration tests share: one emulator without a stack, and one with the deployed template."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import emulators

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dwell.client.stack import Stack
    from dwell.local.emulator_process import Laptop


@pytest.fixture(scope="session")
def laptop(request: pytest.FixtureRequest) -> Iterator[Laptop]:
    """An emulator for the whole session. Tests give what they create names of their own."""
    with emulators.running("empty", request) as emulator:
        yield emulator


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Iterator[tuple[Laptop, Stack]]:
    """The real template on an emulator of its own, because alarms and schedules look at everything on theirs.

    No round starts by itself: ``MinimumSamples`` is out of reach.
    """
    with emulators.running("stack", request) as emulator:
        with emulators.environment(emulator):
            deployed = emulators.deploy(emulator, {"MinimumSamples": "1000000"})
        yield emulator, deployed


@pytest.fixture
def on_stack(stack: tuple[Laptop, Stack]) -> Iterator[Stack]:
    """The deployed stack, with this process's AWS clients pointed at it."""
    emulator, deployed = stack
    with emulators.environment(emulator):
        yield deployed
