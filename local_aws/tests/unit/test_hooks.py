"""A missing or changed name of ministack stops the start with a message."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from local_aws import hooks

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module with a function and a class, in place of one of ministack."""
    module = ModuleType("a_service")
    source = "def put(record, stream): return 'original'\nclass Worker:\n    def invoke(self, event): pass"
    exec(source, module.__dict__)  # noqa: S102 (source of this test)
    monkeypatch.setitem(sys.modules, "a_service", module)
    return module


def replacement(record: object, stream: object) -> str:
    return f"{record} to {stream}"


def test_name_is_found_and_replaced(service: ModuleType) -> None:
    original = hooks.replace("a_service", "put", replacement, arguments=("record", "stream"))
    assert original(1, 2) == "original"
    assert service.put(1, 2) == "1 to 2"
    assert hooks.find("a_service", "Worker.invoke", arguments=("self", "event")) is service.Worker.invoke


@pytest.mark.parametrize(
    ("module", "name"),
    [("a_service", "get"), ("a_service", "Worker.stop"), ("another_service", "put"), ("a_service.inner", "put")],
)
def test_missing_name_is_named_in_the_error(service: ModuleType, module: str, name: str) -> None:
    with pytest.raises(hooks.HookMissingError, match=rf"no {module}\.{name}; install the version"):
        hooks.find(module, name)


def test_changed_parameters_are_shown_in_the_error(service: ModuleType) -> None:
    before = service.put
    with pytest.raises(
        hooks.HookMissingError,
        match=r"a_service\.put has the parameters \('record', 'stream'\), expected \('record',\)",
    ):
        hooks.replace("a_service", "put", replacement, arguments=("record",))
    assert service.put is before


def test_start_without_a_needed_name_fails_with_a_message(tmp_path: Path) -> None:
    # given an empty package ministack
    (tmp_path / "ministack").mkdir()
    (tmp_path / "ministack" / "__init__.py").touch()
    # when local_aws starts with it
    started = subprocess.run(
        [sys.executable, "-m", "local_aws"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    # then it ends with a message that has the missing name
    assert started.returncode == 1
    assert started.stderr.startswith("local_aws does not start: ministack has no ministack.")
    assert "Traceback" not in started.stderr
