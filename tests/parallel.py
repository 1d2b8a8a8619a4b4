"""How pytest-xdist divides the tests among its workers (``make test``).

A worker takes one unit after another. A unit is a module, or a folder whose modules share something that is expensive
to set up. The units that wait longest for AWS or for alarms start first; the others fill the processors meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING, Any

from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from collections.abc import Sequence

SHARED_FOLDERS = ("tests/integration/stack/",)
"""Their modules use one deployment, and so one worker."""

LONGEST_FIRST = (
    "tests/integration/test_deployment_safety.py",
    "tests/e2e/test_lifecycle.py",
    "tests/integration/stack/",
    "tests/e2e/",
    "local_aws/tests/integration/",
    "tests/integration/",
    "tests/unit/promotion/",
    "tests/unit/test_round_fault_injection.py",
    "tests/unit/retraining/test_concurrent_triggers.py",
)
"""Paths of the units that start first, in this order."""

STOP_SECONDS = 30.0
"""How long the fixtures of all workers may take to stop what they have started."""


def unit_of(node_id: str) -> str:
    """The unit that a test belongs to."""
    module = node_id.partition("::")[0]
    return next((folder for folder in SHARED_FOLDERS if module.startswith(folder)), module)


def rank(node_id: str) -> int:
    """Sorts tests into the order in which their units start."""
    return next((rank for rank, path in enumerate(LONGEST_FIRST) if node_id.startswith(path)), len(LONGEST_FIRST))


class UnitScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Hands out units in the order of collection."""

    def __init__(self, config: Any, log: Any = None) -> None:
        config.option.loadscopereorder = False  # would start with the unit that has most tests
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


class Workers:
    """The worker processes of a session, by process id."""

    def __init__(self) -> None:
        self._pids: dict[Any, int] = {}

    def add(self, gateway: Any) -> None:
        """Ask a new worker for its process id."""
        channel = gateway.remote_exec("import os; channel.send(os.getpid())")
        self._pids[gateway] = channel.receive(STOP_SECONDS)
        channel.waitclose(STOP_SECONDS)

    def interrupt(self, nodes: Sequence[Any]) -> None:
        """Interrupt the tests that run in these nodes, and wait until their fixtures have been torn down.

        Without this, pytest-xdist would wait for the running tests and kill the workers after ten seconds.
        """
        for node in nodes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pids[node.gateway], signal.SIGINT)
        for node in nodes:
            with contextlib.suppress(node.channel.RemoteError, node.channel.TimeoutError, EOFError):
                node.channel.waitclose(STOP_SECONDS)
