"""The training job's source archive as SageMaker takes it, named by the hash of its content."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
PACKAGE = "training_job"
PROGRAM = "train.py"
"""Script mode runs a file at the root of the archive, and no module of a package."""
ENTRY_FILES = (PROGRAM, "serving.py")


@dataclass(frozen=True, slots=True)
class SourceArchive:
    """``content`` is a ``sourcedir.tar.gz``; ``digest`` (16 hexadecimal digits) is the hash of what it holds."""

    content: bytes
    digest: str


def build_source_archive(folder: Path = FOLDER) -> SourceArchive:
    """Pack the entry files and the Python files of the package ``training_job``, both in ``folder``, in memory.

    The same files give the same bytes: times, owners and modes are fixed. Raises ``FileNotFoundError`` if an entry file
    or the package is absent.
    """
    modules = sorted((folder / PACKAGE).glob("*.py"))
    if not modules:
        raise FileNotFoundError(f"no package {PACKAGE} in {folder}")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for file in (*(folder / name for name in ENTRY_FILES), *modules):
            content = file.read_bytes()
            member = tarfile.TarInfo(file.relative_to(folder).as_posix())  # mode 0644, owner 0, time 0
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    # The digest is taken before compression, because another version of zlib may compress to other bytes.
    return SourceArchive(gzip.compress(packed.getvalue(), mtime=0), hashlib.sha256(packed.getvalue()).hexdigest()[:16])
