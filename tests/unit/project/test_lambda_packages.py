"""`sam build` packs each function's own folder only, with bytecode, and reproducibly."""

from __future__ import annotations

import importlib.util
import marshal
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dwell.local.functions import logical_ids

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

    type BuildOnce = Callable[[Path, str], dict[str, bytes]]

ROOT = Path(__file__).parents[3]


def build(source: Path, target: str, artifacts: Path) -> dict[str, bytes]:
    """Run a target of the Makefile and return its files by path."""
    artifacts.mkdir()
    subprocess.run(
        ["make", "--makefile", str(source / "Makefile"), f"build-{target}", f"PYTHON={sys.executable}"],
        cwd=source, env={"ARTIFACTS_DIR": str(artifacts), "PATH": "/usr/local/bin:/usr/bin:/bin"}, check=True,
        capture_output=True,
    )  # fmt: skip
    return {str(file.relative_to(artifacts)): file.read_bytes() for file in artifacts.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def build_once(tmp_path_factory: pytest.TempPathFactory) -> BuildOnce:
    """Builds each target at its first use."""
    folder = tmp_path_factory.mktemp("packages")
    return cache(lambda source, target: build(source, target, folder / target))


@pytest.mark.parametrize(
    ("source", "target", "runs_in"),
    [
        *((ROOT / "functions", name, "/var/task") for name in logical_ids().values()),
        (ROOT / "layers" / "rounds", "RoundsLayer", "/opt"),
    ],
)
def test_a_package_has_bytecode_and_is_reproducible(tmp_path: Path, source: Path, target: str, runs_in: str) -> None:
    files = build(source, target, tmp_path / "one")

    assert files == build(source, target, tmp_path / "another")
    sources = [name for name in files if name.endswith(".py")]
    assert sources
    for name in sources:
        cached = importlib.util.cache_from_source(name)
        flags = int.from_bytes(files[cached][4:8], "little")
        assert flags == 0b01, "bytecode is validated by hash, unchecked"
        code: CodeType = marshal.loads(files[cached][16:])  # noqa: S302 (built by this test)
        assert code.co_filename == f"{runs_in}/{name}"
    assert len([name for name in files if name.endswith(".pyc")]) == len(sources)


def test_a_function_contains_no_other_function(build_once: BuildOnce) -> None:
    for name, logical_id in logical_ids().items():
        assert {file.partition("/")[0] for file in build_once(ROOT / "functions", logical_id)} == {name}
