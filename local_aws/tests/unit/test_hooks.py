"""A name of the emulator that is gone or has changed stops an extension with a sentence."""

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
    """A module as the emulator might have it."""
    module = ModuleType("a_service")
    exec("def put(record, stream): return 'theirs'\nclass Worker:\n    def invoke(self, event): pass", module.__dict__)  # noqa: S102 (source of this test)
    monkeypatch.setitem(sys.modules, "a_service", module)
    return module


def ours(record: object, stream: object) -> str:
    return f"{record} to {stream}"


def test_a_name_is_found_and_replaced(service: ModuleType) -> None:
    theirs = hooks.replace("a_service", "put", ours, arguments=("record", "stream"))
    assert theirs(1, 2) == "theirs"
    assert service.put(1, 2) == "1 to 2"
    assert hooks.find("a_service", "Worker.invoke", arguments=("self", "event")) is service.Worker.invoke


@pytest.mark.parametrize(
    ("module", "name"),
    [("a_service", "get"), ("a_service", "Worker.stop"), ("another_service", "put"), ("a_service.inner", "put")],
)
def test_a_missing_name_is_named(service: ModuleType, module: str, name: str) -> None:
    with pytest.raises(hooks.HookMissingError, match=rf"no {module}\.{name} any more; pin the ministack version"):
        hooks.find(module, name)


def test_a_changed_signature_is_shown(service: ModuleType) -> None:
    before = service.put
    with pytest.raises(hooks.HookMissingError, match=r"a_service\.put takes \('record', 'stream'\) now.*\('record',\)"):
        hooks.replace("a_service", "put", ours, arguments=("record",))
    assert service.put is before


def test_the_emulator_does_not_start_without_a_name_that_it_hooks_into(tmp_path: Path) -> None:
    # given a ministack that lost everything
    (tmp_path / "ministack").mkdir()
    (tmp_path / "ministack" / "__init__.py").touch()
    # when the emulator starts (its own extensions, another library)
    started = subprocess.run(
        [sys.executable, "-m", "local_aws"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    # then it says which name is gone, and does not start
    assert started.returncode == 1
    assert started.stderr.startswith("local_aws does not start: the emulator has no ministack.")
    assert "Traceback" not in started.stderr
