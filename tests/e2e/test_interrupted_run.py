"""``dwell run`` that is ended before it has finished leaves no process and no file behind."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.eventually import eventually

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.process_tree import ProcessTree


@pytest.mark.timeout(240)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_run_ended_by_signal_leaves_nothing_running(
    start_dwell_run: Callable[[Path], ProcessTree], tmp_path: Path, number: signal.Signals
) -> None:
    # given a run whose robots are working
    folder = tmp_path / "run"
    run = start_dwell_run(folder)
    assert run.supervisor.stdout is not None
    assert any("robots work" in line for line in run.supervisor.stdout)
    # the command, the emulator, its guardian, and functions that have started
    eventually(run.processes, lambda processes: len(processes) > 4)
    # when it is ended
    run.signal(number)
    # then everything that it started ends: the supervisor outlives the last process of the tree
    run.supervisor.wait(60)
    assert run.processes() == []
    assert not folder.exists()
