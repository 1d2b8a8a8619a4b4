"""The training job's code as SageMaker takes it: one archive, named by the hash of its content."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

TRAINING_JOB = Path(__file__).with_name("training_job")
PROGRAM = "train.py"


@dataclass(frozen=True, slots=True)
class SourceArchive:
    """``content`` is a ``sourcedir.tar.gz``; ``digest`` (16 hexadecimal digits) is the hash of what it holds."""

    content: bytes
    digest: str


def archive(folder: Path = TRAINING_JOB) -> SourceArchive:
    """Pack the Python files right inside a folder, the program among them, in memory.

    The same files give the same bytes, whenever and by whomever they are packed: no times, owners or modes of theirs.
    Raises ``FileNotFoundError`` if the program is not there.
    """
    files = sorted(folder.glob("*.py"))
    if folder / PROGRAM not in files:
        raise FileNotFoundError(f"no {PROGRAM} in {folder}")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for file in files:
            content = file.read_bytes()
            member = tarfile.TarInfo(file.name)  # mode 0644, owner 0, time 0
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    # The hash is of the archive before compression, which another zlib may do differently.
    return SourceArchive(gzip.compress(packed.getvalue(), mtime=0), hashlib.sha256(packed.getvalue()).hexdigest()[:16])
