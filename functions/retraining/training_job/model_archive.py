"""A model's archive: it describes itself, holds no pickle, and brings the code that serves it."""

from __future__ import annotations

import json
import shutil
import tarfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .algorithms import get_algorithm

if TYPE_CHECKING:
    from .algorithms import Model

FORMAT = 1
"""Raise it when an algorithm's files change their meaning: an older archive is then refused, not misread."""

DESCRIPTION = "model.json"
CODE = "code"

ENTRY_FILE = "serving.py"
"""Lies beside this package: see there."""

SERVING_MODULES = (
    "__init__",
    "algorithms",
    "holdout",
    "inference_handlers",
    "model_archive",
    "nearest_neighbours",
    "request_parser",
    "ridge",
    "threads",
    "xgboost_model",
)
"""The modules of this package that serve a model. An explicit list: training needs more modules than serving."""


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
class LoadedModel:
    """A model that was loaded, with what it says of itself."""

    description: ModelDescription
    model: Model


def write(folder: Path, description: ModelDescription, model: Model) -> None:
    """Fill an existing folder, which becomes ``model.tar.gz``."""
    told = {"format": FORMAT, **asdict(description)}
    (folder / DESCRIPTION).write_text(json.dumps(told, indent=2, allow_nan=False) + "\n")
    model.save(folder)
    package = Path(__file__).parent
    code = folder / CODE
    (code / package.name).mkdir(parents=True, exist_ok=True)
    shutil.copyfile(package.parent / ENTRY_FILE, code / ENTRY_FILE)
    for module in SERVING_MODULES:
        shutil.copyfile(package / f"{module}.py", code / package.name / f"{module}.py")


def load(folder: Path) -> LoadedModel:
    """Load from an unpacked archive. Raises ``ArchiveError``, or what the algorithm's reader says of a damaged file."""
    description = read_description(folder)
    try:
        algorithm = get_algorithm(description.algorithm)
    except KeyError:
        raise ArchiveError(f"no algorithm is called {description.algorithm!r}") from None
    return LoadedModel(description, algorithm.load_module().load(folder))


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
