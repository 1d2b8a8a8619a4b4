"""How end-to-end tests start ``dwell run`` and check that nothing of it remains."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.process_tree import ProcessTree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def start_dwell_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], ProcessTree]]:
    """Starts ``dwell run`` with a report folder. Every run has to leave its temporary folder empty."""
    runs: list[tuple[ProcessTree, Path]] = []

    def start(folder: Path) -> ProcessTree:
        temporary = tmp_path_factory.mktemp("tmp")
        command = [sys.executable, "-m", "dwell", "run", "--steady", "8", "--seed", "7", "--folder", str(folder)]
        environment = {**os.environ, "TMPDIR": str(temporary), "COLUMNS": "120"}
        run = ProcessTree.start(command, cwd=ROOT, environment=environment)
        runs.append((run, temporary))
        return run

    yield start
    for run, _ in runs:
        run.stop()
    assert [path.name for _, temporary in runs for path in temporary.iterdir()] == []
