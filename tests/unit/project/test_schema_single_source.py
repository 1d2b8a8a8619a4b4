"""The schema is the place that names features and target; the fleet's physics, which simulates them, is the other."""

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
PLACES = ("template.yaml", "samconfig.toml", "functions", "layers", "dwell")
MAY_NAME = {
    "layers/feature_schema/python/feature_schema/schema.py",
    "dwell/simulator/physics.py",
}


def files() -> Iterator[Path]:
    for place in PLACES:
        path = ROOT / place
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts and not file.name.endswith(".pyc"):
                yield file


def naming(names: Iterable[str], text: str) -> list[tuple[int, str]]:
    """Lines, counted from 1, that hold one of the names as a word."""
    word = re.compile(rf"\b(?:{'|'.join(names)})\b")
    return [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1) if word.search(line)]


@pytest.mark.usefixtures("robots")
def test_no_other_file_names_a_feature_or_the_target() -> None:
    names = [TARGET.name, *(feature.name for feature in FEATURES)]
    found = []
    for file in files():
        where = file.relative_to(ROOT).as_posix()
        if where not in MAY_NAME:
            found += [f"{where}:{number}: {line}" for number, line in naming(names, file.read_text(encoding="utf-8"))]
    assert found == []


def test_the_schema_is_seen_to_name_them() -> None:
    text = Path(str(schema.__file__)).read_text()
    assert len(naming([FEATURES[0].name], text)) >= 1
    assert len(naming([TARGET.name], text)) >= 1
    assert naming(["item"], "an item_length\nitems") == []


@pytest.mark.parametrize("command", ["run", "fleet run --stack dwell", "fleet write -", "fleet drifts"])
def test_the_fleet_says_that_it_simulates_robots_only(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a schema of something else
    monkeypatch.setattr(physics, "UNITS", {"price": "EUR"})
    # when
    result = CliRunner().invoke(app, command.split(), env={"COLUMNS": "300"})
    # then
    assert result.exit_code == 2
    assert "simulates warehouse robots" in result.output + result.stderr
    assert "dwell publish" in result.output + result.stderr


def test_the_command_says_what_is_predicted() -> None:
    help_ = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "300"}).output
    assert TARGET.name in help_
    assert TARGET.meaning in help_


def test_the_command_says_its_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    told = CliRunner().invoke(app, ["--version"])
    assert (told.exit_code, told.output) == (0, f"dwell {project['version']}\n")
