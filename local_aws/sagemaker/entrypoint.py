"""A container with an entry point of its own, as the SageMaker SDK's ``ModelTrainer`` starts one.

Its command and the scripts that come with it name ``/opt/ml``, where a container has what is a folder here. So that
they find it, their text is made to say where it is; data is left as it is.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local_aws.sagemaker.environment import Folders

CODE_CHANNELS = ("code", "sm_drivers")
"""The channels in which the SDK sends what its entry point runs: the user's scripts, and its own."""
_OPT_ML = re.compile(rb"/opt/ml(?![\w.-])")


def command(entrypoint: Sequence[str], folders: Folders) -> list[str]:
    """The command to run for an entry point and its arguments."""
    return [_placed(part.encode(), folders).decode() for part in entrypoint]


def search_path(python: str) -> str:
    """``PATH`` of the container: the image's Python goes first."""
    return f"{Path(python).parent}{os.pathsep}{os.defpath}"


def settle(folders: Folders) -> None:
    """Make the scripts in the code channels say where their ``/opt/ml`` is."""
    for channel in CODE_CHANNELS:
        for path in sorted((folders.input_data / channel).rglob("*")):
            if path.is_file() and _OPT_ML.search(content := path.read_bytes()) and b"\0" not in content:
                path.write_bytes(_placed(content, folders))
                for compiled in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
                    compiled.unlink()  # it would still say the old thing


def failure(folders: Folders, code: int) -> str:
    """Why a container that ended with ``code`` failed: what it wrote to ``/opt/ml/output/failure``, if anything."""
    written = folders.output / "failure"
    said = written.read_text(encoding="utf-8", errors="replace") if written.is_file() else ""
    return f"AlgorithmError: {said}, exit code: {code}"


def _placed(text: bytes, folders: Folders) -> bytes:
    return _OPT_ML.sub(lambda _: os.fsencode(folders.base), text)
