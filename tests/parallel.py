"""How pytest-xdist divides the tests among its workers (``make test``).

A worker takes one unit after another. A unit is a module, or a folder whose modules share something that is expensive
to set up. Units that use the local AWS wait most of the time, and their alarms and deadlines go by the clock: they
start first, the longest in front. The last worker runs in the background, at a low priority, and begins with the units
that only compute.
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

AWS_FOLDERS = ("tests/e2e/", "tests/integration/", "local_aws/tests/integration/")

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

BACKGROUND_NICENESS = 5

STOP_SECONDS = 30.0
"""How long the fixtures of all workers may take to stop what they have started."""


def unit_of(node_id: str) -> str:
    """The unit that a test belongs to."""
    module = node_id.partition("::")[0]
    return next((folder for folder in SHARED_FOLDERS if module.startswith(folder)), module)


def rank(node_id: str) -> int:
    """Sorts tests into the order in which their units start."""
    return next((rank for rank, path in enumerate(LONGEST_FIRST) if node_id.startswith(path)), len(LONGEST_FIRST))


def is_background(worker_id: str, worker_count: int) -> bool:
    """Whether a worker (``gw0``, ``gw1``, …) is the one in the background; a single worker is not."""
    return worker_count > 1 and worker_id == f"gw{worker_count - 1}"


class UnitScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Hands out units in the order of collection, and to the worker in the background first those that only compute."""

    def __init__(self, config: Any, log: Any = None) -> None:
        config.option.loadscopereorder = False  # would start with the unit that has most tests
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)

    def _assign_work_unit(self, node: Any) -> None:
        if is_background(node.gateway.id, node.workerinput["workercount"]):
            computing = (unit for unit in self.workqueue if not unit.startswith(AWS_FOLDERS))
            if (unit := next(computing, None)) is not None:
                self.workqueue.move_to_end(unit, last=False)
        super()._assign_work_unit(node)


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
