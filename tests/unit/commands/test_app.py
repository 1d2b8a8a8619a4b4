"""``dwell --help`` and ``dwell --version`` import no command, and list every command with its own summary."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dwell.commands.app import COMMANDS, app

ROOT = Path(__file__).parents[3]
HEAVY_MODULES = {
    "boto3", "botocore", "feature_schema", "msgspec", "numpy", "pandas", "plotly", "pyarrow", "pydantic", "rounds",
    "scipy", "yaml",
}  # fmt: skip


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_option_imports_no_heavy_module(option: str) -> None:
    program = (
        "import json, sys; from dwell.__main__ import main; sys.argv = ['dwell', sys.argv[1]]\n"
        "try: main()\n"
        "finally: print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, option], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    modules = set(json.loads(result.stderr))
    assert "dwell.commands.app" in modules
    assert modules & HEAVY_MODULES == set()
    assert not {name for name in modules if name.startswith("dwell.commands.")} - {"dwell.commands.app"}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_summary_equals_the_first_paragraph_of_help(command: object) -> None:
    entry = next(entry for entry in COMMANDS if entry is command)
    help_text = entry.load().help or ""
    assert help_text.partition("\n\n")[0].replace("\n", " ") == entry.summary


def test_help_lists_every_command() -> None:
    output = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "300"}).output
    for entry in COMMANDS:
        assert entry.name in output


def test_unknown_command_is_a_usage_error() -> None:
    result = CliRunner().invoke(app, ["no-such-command"])
    assert result.exit_code == 2
    assert "No such command" in result.stderr
