"""Containers with their own entry point, as the SageMaker SDK's ``ModelTrainer`` starts them.

Their command and scripts contain the path ``/opt/ml``, which is another folder here. So the path is replaced in the
command and in the scripts, but not in data.
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
"""The channels of scripts that the entry point runs: the user's and the SDK's."""
_OPT_ML = re.compile(rb"/opt/ml(?![\w.-])")


def command(entrypoint: Sequence[str], folders: Folders) -> list[str]:
    """The command to run for an entry point and its arguments."""
    return [_with_local_paths(part.encode(), folders).decode() for part in entrypoint]


def search_path(python: str) -> str:
    """``PATH`` of the container: the image's Python goes first."""
    return f"{Path(python).parent}{os.pathsep}{os.defpath}"


def rewrite_scripts(folders: Folders) -> None:
    """Replace ``/opt/ml`` in the scripts of the code channels."""
    for channel in CODE_CHANNELS:
        for path in sorted((folders.input_data / channel).rglob("*")):
            if path.is_file() and _OPT_ML.search(content := path.read_bytes()) and b"\0" not in content:
                path.write_bytes(_with_local_paths(content, folders))
                for compiled in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
                    compiled.unlink()  # it contains the old path


def failure(folders: Folders, code: int) -> str:
    """The failure reason of a container that ended with ``code``: the text in ``/opt/ml/output/failure``, if any."""
    file = folders.output / "failure"
    text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    return f"AlgorithmError: {text}, exit code: {code}"


def _with_local_paths(text: bytes, folders: Folders) -> bytes:
    return _OPT_ML.sub(lambda _: os.fsencode(folders.base), text)
