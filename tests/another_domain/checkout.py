"""A copy of this checkout in which one file is another: the schema."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = "layers/feature_schema/python/feature_schema/schema.py"


def files() -> list[str]:
    """What belongs to the project: what git has, or would take."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return sorted(name for name in listed if (ROOT / name).is_file())


@dataclass(frozen=True, slots=True)
class Checkout:
    """A copy at ``folder``, with this checkout's environments; what it runs has ``temporary`` for temporary files."""

    folder: Path
    temporary: Path

    def changed(self) -> list[str]:
        """Files of the project that are not as they are here."""
        return [name for name in files() if (self.folder / name).read_bytes() != (ROOT / name).read_bytes()]

    def change(self, old: str, new: str) -> None:
        """Change the copy's schema."""
        path = self.folder / SCHEMA
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    def environment(self, aws: dict[str, str] | None = None) -> dict[str, str]:
        """For processes that run the copy's code. The environments have the code of the checkout that made them."""
        path = os.pathsep.join(
            str(self.folder / folder) for folder in (".", Path(SCHEMA).parents[1], "layers/rounds/python")
        )
        without = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return {**without, "PYTHONPATH": path, "TMPDIR": str(self.temporary), "COLUMNS": "120", **(aws or {})}

    def python(self, *arguments: str, aws: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run the copy's Python in the copy."""
        return subprocess.run(
            [str(self.folder / ".venv/bin/python"), *arguments],
            cwd=self.folder,
            env=self.environment(aws),
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )

    def dwell(self, *arguments: str, status: int = 0, aws: dict[str, str] | None = None) -> str:
        """What the command prints; errors and notes, if it is expected to end with another status than 0."""
        done = self.python("-m", "dwell", *arguments, aws=aws)
        assert done.returncode == status, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout if status == 0 else done.stdout + done.stderr


@dataclass(frozen=True, slots=True)
class Deployed:
    """The copy's stack on an AWS of its own on this machine."""

    checkout: Checkout
    aws: dict[str, str]

    def dwell(self, *arguments: str, status: int = 0) -> str:
        """What the command prints when it is pointed at that AWS."""
        return self.checkout.dwell(*arguments, status=status, aws=self.aws)

    def run_json(self, *arguments: str) -> Any:
        """What the command answers with ``--json``."""
        return json.loads(self.dwell(*arguments, "--json"))


def copy(folder: Path, schema: Path, temporary: Path) -> Checkout:
    """Copy the project, take ``schema`` for its schema, and nothing else."""
    for name in files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    for name in (".venv", ".venvs"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copyfile(schema, folder / SCHEMA)
    return Checkout(folder, temporary)


def exports(text: str) -> dict[str, str]:
    """The variables in what ``dwell local env`` prints."""
    words = [shlex.split(line) for line in text.splitlines()]
    return dict(assignment.split("=", 1) for _, assignment in words)
