"""A model's archive: it describes itself, holds no pickle, and brings the code that serves it."""

from __future__ import annotations

import json
import shutil
import tarfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from candidates import algorithm_called

if TYPE_CHECKING:
    from candidates import Model

FORMAT = 1
"""Raise it when an algorithm's files change their meaning: an older archive is then refused, not misread."""

DESCRIPTION = "model.json"
CODE = "code"

SERVING_MODULES = (
    "serving",
    "instances",
    "archive",
    "candidates",
    "gradient_boosting",
    "holdout",
    "nearest_neighbours",
    "parallelism",
    "ridge",
)
"""What serves a model. Named one by one: beside the job's code lie pip's copies of it."""


class ArchiveError(ValueError):
    """An archive that is not one of ours, or of another format."""


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """What ``model.json`` says. ``expected_error`` is the root mean square on the test set, in the target's unit."""

    model: str
    algorithm: str
    expected_error: float
    schema_hash: str
    round: str
    features: tuple[str, ...]
    target: str
    trained_on: str


@dataclass(frozen=True, slots=True)
class Archive:
    """A model that was loaded, with what it says of itself."""

    description: ModelDescription
    model: Model


def write(folder: Path, description: ModelDescription, model: Model) -> None:
    """Fill an existing folder, which becomes ``model.tar.gz``."""
    told = {"format": FORMAT, **asdict(description)}
    (folder / DESCRIPTION).write_text(json.dumps(told, indent=2, allow_nan=False) + "\n")
    model.save(folder)
    code = folder / CODE
    code.mkdir(exist_ok=True)
    for module in SERVING_MODULES:
        shutil.copyfile(Path(__file__).with_name(f"{module}.py"), code / f"{module}.py")


def load(folder: Path) -> Archive:
    """Load from an unpacked archive. Raises ``ArchiveError``, or what the algorithm's reader says of a damaged file."""
    description = read_description(folder)
    try:
        algorithm = algorithm_called(description.algorithm)
    except KeyError:
        raise ArchiveError(f"no algorithm is called {description.algorithm!r}") from None
    return Archive(description, algorithm.load_module().load(folder))


def read_description(folder: Path) -> ModelDescription:
    """What the archive says of itself. Raises ``ArchiveError``."""
    try:
        told: dict[str, Any] = json.loads((folder / DESCRIPTION).read_bytes())
        written_as = told.pop("format")
        description = ModelDescription(**{**told, "features": tuple(told["features"])})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArchiveError(f"{DESCRIPTION} cannot be read: {type(error).__name__}: {error}") from error
    if written_as != FORMAT:
        raise ArchiveError(f"the archive has format {written_as}, this code reads {FORMAT}")
    return description


def unpack(packed: Path, folder: Path) -> None:
    """Unpack ``model.tar.gz`` into a folder; members that would land elsewhere are refused. Raises ``ArchiveError``."""
    try:
        with tarfile.open(packed) as archive:
            archive.extractall(folder, filter="data")
    except (OSError, EOFError, tarfile.TarError) as error:
        raise ArchiveError(f"{packed.name} cannot be unpacked: {error}") from error
