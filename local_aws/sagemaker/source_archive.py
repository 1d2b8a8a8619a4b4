"""Unpacks a user's code and makes it installable with pip, as the image's toolkit does."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

from local_aws.sagemaker.errors import JobError


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a ``.tar.gz`` into ``folder``. Raises ``JobError`` if it is invalid or has paths outside the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise JobError(f"ClientError: {archive.name} cannot be unpacked: {error}") from error


def place_code(source: Path, folder: Path) -> None:
    """Put the content of an archive or a directory into ``folder``. Raises ``JobError``."""
    if source.is_dir():
        shutil.copytree(source, folder, dirs_exist_ok=True)
    elif source.is_file():
        unpack(source, folder)
    else:
        raise JobError(f"AlgorithmError: the code was not found: {source.name} does not exist")


def make_installable(folder: Path, program: str) -> None:
    """Write a ``setup.py`` that installs everything in ``folder``, unless there is one."""
    if (folder / "setup.py").exists():
        return
    name = Path(program).stem
    lines = [
        "from setuptools import setup",
        f'setup(name={name!r}, version="1.0.0", packages=[""], include_package_data=True)',
    ]
    (folder / "setup.py").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "MANIFEST.in").write_text("recursive-include . *\nglobal-exclude *.py[co]\n", encoding="utf-8")


def install_command(python: str, folder: Path, site: Path) -> list[str]:
    """The image's command that installs code, but into ``site``, a folder of this container alone."""
    requirements = ["-r", "requirements.txt"] if (folder / "requirements.txt").exists() else []
    return [python, "-m", "pip", "install", ".", *requirements, "--target", str(site)]
