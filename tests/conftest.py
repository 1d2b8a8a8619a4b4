"""What every test session shares: how it ends when it is interrupted, and how it is divided among workers.

SIGTERM ends a session as Ctrl-C does, so that fixtures stop what they have started; also with pytest-xdist.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import FrameType

# Threads of OpenMP (scikit-learn, XGBoost) that have nothing to do would spin for a while, on cores that other workers
# and processes need: several times the CPU of the work itself. Set before anything imports them, and inherited.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

STATE: dict[str, Any] = {}
"""The workers of this session, if it is the one that divides the tests (see tests/parallel.py)."""


def pytest_configure(config: pytest.Config) -> None:
    """Turn signals into ``KeyboardInterrupt``.

    SIGTERM would end the process at once. Programs that a shell starts in the background ignore Ctrl-C, and so would
    every program that a test starts.
    """
    interrupt = interrupt_once if hasattr(config, "workerinput") else signal.default_int_handler
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGINT, interrupt)
    worker: dict[str, Any] = getattr(config, "workerinput", {})
    if worker:
        from tests.parallel import BACKGROUND_NICENESS, is_background  # noqa: PLC0415 (others have no pytest-xdist)

        if is_background(worker["workerid"], worker["workercount"]):
            os.nice(BACKGROUND_NICENESS)


def interrupt_once(number: int, frame: FrameType | None) -> None:
    """Interrupt a worker. A second signal, as Ctrl-C sends to the whole group, must not interrupt the tear-down."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.default_int_handler(number, frame)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a worker: the units that take longest come first."""
    if hasattr(config, "workerinput"):
        from tests.parallel import rank  # noqa: PLC0415 (as above)

        items.sort(key=lambda item: rank(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Divide the tests by units."""
    from tests.parallel import UnitScheduling  # noqa: PLC0415

    return UnitScheduling(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_newgateway(gateway: Any) -> None:
    """Remember a worker's process id."""
    from tests.parallel import Workers  # noqa: PLC0415

    STATE.setdefault("workers", Workers()).add(gateway)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodeready(node: Any) -> None:
    """Remember a node that runs tests."""
    STATE.setdefault("nodes", []).append(node)


def pytest_keyboard_interrupt() -> None:
    """Pass an interruption on to the workers."""
    if "workers" in STATE:
        STATE["workers"].interrupt(STATE.get("nodes", []))
