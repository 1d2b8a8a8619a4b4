"""The source archive that the retraining function ships: the same files, the same bytes."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from pathlib import Path

import pytest

from retraining.source import TRAINING_JOB, archive


def copied(folder: Path) -> Path:
    return Path(shutil.copytree(TRAINING_JOB, folder, ignore=shutil.ignore_patterns("__pycache__")))


def test_an_archive_holds_the_python_files_at_its_root_and_nothing_else(tmp_path: Path) -> None:
    # given what a build or a run may have left behind
    folder = copied(tmp_path / "job")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "train.cpython-312.pyc").write_bytes(b"compiled")
    (folder / "build" / "lib").mkdir(parents=True)
    shutil.copy(folder / "train.py", folder / "build" / "lib")
    (folder / "notes.txt").write_text("not code")
    # when
    with tarfile.open(fileobj=io.BytesIO(archive(folder).content), mode="r:gz") as tar:
        members = tar.getmembers()
    # then
    assert [member.name for member in members] == sorted(path.name for path in TRAINING_JOB.glob("*.py"))
    assert {"train.py", "serving.py"} <= {member.name for member in members}
    assert {(member.mtime, member.uid, member.gid, member.uname, member.mode) for member in members} == {
        (0, 0, 0, "", 0o644)
    }


def test_the_same_files_give_the_same_bytes_wherever_and_whenever_they_are_packed(tmp_path: Path) -> None:
    one, other = copied(tmp_path / "one"), copied(tmp_path / "other")
    for number, path in enumerate(sorted(other.iterdir())):
        os.utime(path, (number, 10**9 + number))
        path.chmod(0o600)
    assert archive(one) == archive(other) == archive()


def test_another_content_or_name_gives_another_digest(tmp_path: Path) -> None:
    folder = copied(tmp_path / "job")
    before = archive(folder).digest
    (folder / "ridge.py").write_text((folder / "ridge.py").read_text() + "\n")
    changed = archive(folder).digest
    (folder / "ridge.py").rename(folder / "ridges.py")
    assert len({before, changed, archive(folder).digest}) == 3
    assert len(before) == 16


def test_a_folder_without_the_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no train\.py"):
        archive(tmp_path)
