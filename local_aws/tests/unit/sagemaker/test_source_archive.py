"""Code becomes installable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_aws.sagemaker import source_archive

if TYPE_CHECKING:
    from pathlib import Path


def test_code_without_setup_gets_one_and_existing_stays(tmp_path: Path) -> None:
    # given code without a setup.py
    (tmp_path / "train.py").write_text("")
    # when it is made installable
    source_archive.make_installable(tmp_path, "train.py")
    # then it has a setup.py named after the script
    assert "name='train'" in (tmp_path / "setup.py").read_text()
    # and an existing setup.py is kept
    (tmp_path / "setup.py").write_text("own")
    source_archive.make_installable(tmp_path, "train.py")
    assert (tmp_path / "setup.py").read_text() == "own"
