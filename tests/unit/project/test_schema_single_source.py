"""Only the schema names features and target, and the simulator's physics, which simulates them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from dwell.commands.app import app
from dwell.simulator import physics
from feature_schema import FEATURES, TARGET, schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).parents[3]
SEARCHED = ("template.yaml", "samconfig.toml", "functions", "layers", "dwell")
ALLOWED = {
    "layers/feature_schema/python/feature_schema/schema.py",
    "dwell/simulator/physics.py",
}


def find_files() -> Iterator[Path]:
    for name in SEARCHED:
        path = ROOT / name
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts and not file.name.endswith(".pyc"):
                yield file


def find_lines(names: Iterable[str], text: str) -> list[tuple[int, str]]:
    """Return number (from 1) and text of the lines that contain one of the names as a word."""
    word = re.compile(rf"\b(?:{'|'.join(names)})\b")
    return [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1) if word.search(line)]


@pytest.mark.usefixtures("robots")
def test_only_schema_and_physics_name_fields() -> None:
    names = [TARGET.name, *(feature.name for feature in FEATURES)]
    matches = []
    for file in find_files():
        path = file.relative_to(ROOT).as_posix()
        if path not in ALLOWED:
            matches += [
                f"{path}:{number}: {line}" for number, line in find_lines(names, file.read_text(encoding="utf-8"))
            ]
    assert matches == []


def test_search_finds_names_in_the_schema() -> None:
    text = Path(str(schema.__file__)).read_text()
    assert len(find_lines([FEATURES[0].name], text)) >= 1
    assert len(find_lines([TARGET.name], text)) >= 1
    assert find_lines(["item"], "an item_length\nitems") == []


@pytest.mark.parametrize("command", ["run", "fleet run --stack dwell", "fleet write -", "fleet drifts"])
def test_fleet_rejects_another_schema_with_clear_error(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a schema of something else
    monkeypatch.setattr(physics, "UNITS", {"price": "EUR"})
    # when
    result = CliRunner().invoke(app, command.split(), env={"COLUMNS": "300"})
    # then
    assert result.exit_code == 2
    assert "simulates warehouse robots" in result.output + result.stderr
    assert "dwell publish" in result.output + result.stderr


def test_publish_help_contains_target_and_meaning() -> None:
    help_ = CliRunner().invoke(app, ["publish", "--help"], env={"COLUMNS": "300"}).output
    assert TARGET.name in help_
    assert TARGET.meaning in help_


def test_version_option_prints_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"dwell {project['version']}\n")
