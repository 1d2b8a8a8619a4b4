"""Test sessions themselves: one that is ended from outside leaves nothing behind, alone or with workers."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.eventually import eventually
from tests.parallel import AWS_FOLDERS, LONGEST_FIRST, SHARED_FOLDERS, is_background, rank, unit_of
from tests.process_tree import ProcessTree

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[3]
MODULE = """
import pathlib, subprocess, time, pytest

@pytest.fixture
def resource():
    left_behind = pathlib.Path(__file__).with_suffix(".left_behind")
    process = subprocess.Popen(["sleep", "300"])
    left_behind.touch()
    yield
    time.sleep(0.5)
    process.kill()
    process.wait()
    left_behind.unlink()

def test_slow(resource):
    time.sleep(120)
"""


@pytest.fixture
def session(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[ProcessTree]:
    """A session with two slow tests, each in the middle of its work if there are two workers."""
    options, running = request.param
    for name in ("one", "two"):
        (tmp_path / f"test_{name}.py").write_text(MODULE)
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "--rootdir"]
    tree = ProcessTree.start([*command, str(tmp_path), *options, str(tmp_path)], cwd=ROOT, environment=os.environ)
    eventually(lambda: len(left_behind(tmp_path)), lambda count: count == running)
    yield tree
    tree.stop()


def left_behind(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.left_behind"))


ALONE, WITH_WORKERS = ((), 1), (("-n", "2"), 2)


@pytest.mark.parametrize(
    ("session", "number"),
    [(ALONE, signal.SIGTERM), (ALONE, signal.SIGINT), (WITH_WORKERS, signal.SIGTERM), (WITH_WORKERS, signal.SIGINT)],
    indirect=["session"],
)
def test_session_ended_by_signal_tears_down_its_fixtures(
    session: ProcessTree, number: signal.Signals, tmp_path: Path
) -> None:
    # when the session is ended while its tests are running
    session.signal(number)
    # then it ends as by Ctrl-C, with everything that it has started
    assert session.supervisor.wait(60) == pytest.ExitCode.INTERRUPTED
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize("session", [WITH_WORKERS], indirect=True)
def test_ctrl_c_reaches_workers_twice_and_interrupts_no_tear_down(session: ProcessTree, tmp_path: Path) -> None:
    # when every process of the session gets the signal, as from a terminal
    for pid in session.processes():
        os.kill(pid, signal.SIGINT)
    # then the fixtures are torn down once
    assert session.supervisor.wait(60) == pytest.ExitCode.INTERRUPTED
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize("session", [WITH_WORKERS], indirect=True)
def test_session_that_is_killed_takes_its_workers_along(session: ProcessTree, tmp_path: Path) -> None:
    # when the process that divides the tests is killed
    session.signal(signal.SIGKILL)
    # then its workers notice, and tear down their fixtures
    session.supervisor.wait(60)
    assert left_behind(tmp_path) == []


def test_modules_of_one_deployment_share_a_worker() -> None:
    assert unit_of("tests/integration/stack/test_operators.py::test_a[x::y]") == "tests/integration/stack/"
    assert unit_of("tests/unit/test_a.py::TestB::test_c") == "tests/unit/test_a.py"


def test_units_that_wait_longest_start_first() -> None:
    units = ["tests/unit/test_a.py::test_b", "tests/integration/stack/test_c.py::test_d", LONGEST_FIRST[0]]
    assert sorted(units, key=rank) == units[::-1]


def test_only_the_last_of_several_workers_is_in_the_background() -> None:
    assert [is_background(f"gw{number}", 3) for number in range(3)] == [False, False, True]
    assert not is_background("gw0", 1)


def test_paths_of_units_exist() -> None:
    assert all((ROOT / path).exists() for path in (*AWS_FOLDERS, *SHARED_FOLDERS, *LONGEST_FIRST))
