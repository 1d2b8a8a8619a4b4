"""The source archive that the retraining function ships: the same files give the same bytes."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from typing import TYPE_CHECKING

import pytest

from retraining.source_archive import ENTRY_FILES, FOLDER, build_source_archive

if TYPE_CHECKING:
    from pathlib import Path

MODULES = sorted(path.name for path in (FOLDER / "training_job").glob("*.py"))


def copy_sources(folder: Path) -> Path:
    shutil.copytree(FOLDER / "training_job", folder / "training_job", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ENTRY_FILES:
        shutil.copy(FOLDER / name, folder)
    return folder


def test_archive_holds_entry_files_and_package_only(tmp_path: Path) -> None:
    # given a folder with other files, and with what a build or a run may have left behind
    folder = copy_sources(tmp_path)
    (folder / "handler.py").write_text("raise ImportError")
    (folder / "training_job" / "__pycache__").mkdir()
    (folder / "training_job" / "__pycache__" / "training.cpython-312.pyc").write_bytes(b"compiled")
    (folder / "training_job" / "notes.txt").write_text("not code")
    (folder / "build" / "lib").mkdir(parents=True)
    shutil.copy(folder / "train.py", folder / "build" / "lib")
    # when
    with tarfile.open(fileobj=io.BytesIO(build_source_archive(folder).content), mode="r:gz") as tar:
        members = tar.getmembers()
    # then
    assert [member.name for member in members] == ["train.py", "serving.py", *(f"training_job/{n}" for n in MODULES)]
    assert {"__init__.py", "training.py", "inference_handlers.py"} <= set(MODULES)
    assert {(member.mtime, member.uid, member.gid, member.uname, member.mode) for member in members} == {
        (0, 0, 0, "", 0o644)
    }


def test_same_files_in_another_folder_give_same_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    copy_sources(first)
    copy_sources(second)
    for number, path in enumerate(sorted(path for path in second.rglob("*") if path.is_file())):
        os.utime(path, (number, 10**9 + number))
        path.chmod(0o600)
    assert build_source_archive(first) == build_source_archive(second) == build_source_archive()


@pytest.mark.parametrize("name", ["train.py", "training_job/ridge.py"])
def test_changed_content_or_name_changes_digest(tmp_path: Path, name: str) -> None:
    folder = copy_sources(tmp_path)
    before = build_source_archive(folder).digest
    (folder / name).write_text((folder / name).read_text() + "\n")
    changed = build_source_archive(folder).digest
    assert len({before, changed}) == 2
    assert len(before) == 16


def test_renamed_module_changes_digest(tmp_path: Path) -> None:
    folder = copy_sources(tmp_path)
    before = build_source_archive(folder).digest
    (folder / "training_job" / "ridge.py").rename(folder / "training_job" / "ridges.py")
    assert build_source_archive(folder).digest != before


@pytest.mark.parametrize("missing", ["train.py", "serving.py", "training_job"])
def test_folder_without_entry_file_or_package_is_refused(tmp_path: Path, missing: str) -> None:
    copy_sources(tmp_path)
    (tmp_path / missing).rename(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError, match=missing):
        build_source_archive(tmp_path)
