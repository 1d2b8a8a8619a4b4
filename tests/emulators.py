"""Emulators for tests: each with a log of its own, so that sessions and workers side by side do not mix them up."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import pytest

from dwell.client.stack import find
from dwell.local import deployment, emulator_process

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dwell.client.stack import Stack
    from dwell.local.emulator_process import Laptop


@contextlib.contextmanager
def running(name: str, request: pytest.FixtureRequest) -> Iterator[Laptop]:
    """An emulator on a free port for the time of a block. Its log stays in ``build/local/`` when a test failed."""
    log = emulator_process.ROOT / "build" / "local" / f"tests-{name}-{os.getpid()}.log"
    with emulator_process.running(log=log) as emulator:
        yield emulator
    if not request.session.testsfailed:
        log.unlink(missing_ok=True)


@contextlib.contextmanager
def environment(emulator: Laptop) -> Iterator[None]:
    """Point this process's AWS clients at the emulator for the time of a block."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in [variable for variable in os.environ if variable.startswith("AWS_")]:
            patch.delenv(variable)
        for variable, value in emulator.environment().items():
            patch.setenv(variable, value)
        yield


def deploy(emulator: Laptop, parameters: Mapping[str, str] | None = None) -> Stack:
    """Build and deploy template.yaml; call it inside ``environment``."""
    deployment.build()
    deployment.deploy(emulator, parameters=parameters)
    return find(deployment.STACK)
