"""Variables and paths of emulated containers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from local_aws.sagemaker import environment

if TYPE_CHECKING:
    import pytest


def test_container_paths_become_local_and_others_stay() -> None:
    folders = environment.Folders(Path("/job/ml"))
    assert folders.to_local("/opt/ml/input/data/code/a.tar.gz") == "/job/ml/input/data/code/a.tar.gz"
    assert folders.to_local("/opt/mlx/a") == "/opt/mlx/a"


def test_process_inherits_no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    # given variables of this process
    monkeypatch.setenv("A_SECRET_OF_LOCAL_AWS", "1")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    # when a container's variables are built
    variables = environment.for_process(environment.Folders(Path("/job/ml")), Path("/job/site"), {"MINE": "2"})
    # then it has its own only
    assert variables["MINE"] == "2"
    assert not {"A_SECRET_OF_LOCAL_AWS", "PYTHONDONTWRITEBYTECODE"} & set(variables)
