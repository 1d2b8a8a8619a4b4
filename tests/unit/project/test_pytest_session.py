"""Test sessions themselves: also one that is told to end leaves nothing behind."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SESSION = """
import pathlib, time, pytest

HERE = pathlib.Path(__file__).parent

@pytest.fixture
def something():
    (HERE / "left behind").touch()
    yield
    (HERE / "left behind").unlink()

def test_that_takes_long(something):
    time.sleep(120)
"""


def test_a_session_that_is_told_to_end_takes_down_what_its_fixtures_started(tmp_path: Path) -> None:
    (tmp_path / "test_long.py").write_text(SESSION)
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "--rootdir", str(tmp_path), str(tmp_path)]
    session = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        while not (tmp_path / "left behind").exists():
            assert session.poll() is None
            time.sleep(0.1)
        session.terminate()
        assert session.wait(30) == 2  # as by Ctrl-C
        assert not (tmp_path / "left behind").exists()
    finally:
        session.kill()
        session.wait()
