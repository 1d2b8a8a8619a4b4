"""A model's archive: its metadata in ``model.json``, its files without any pickle, and the code that serves it."""

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
"""Increase it when the meaning of an algorithm's files changes: archives of another format are rejected."""

METADATA = "model.json"
CODE = "code"
ENTRY_FILE = "serving.py"
"""Lies beside this package; see there."""

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
    """An archive that cannot be unpacked, lacks its metadata, or has another format."""


@dataclass(frozen=True, slots=True)
class ModelMetadata:
    """The content of ``model.json``. ``expected_error`` is the RMSE on the test set, in the target's unit."""

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
    """A model that was read from an archive, with its metadata."""

    metadata: ModelMetadata
    model: Model


def write(folder: Path, metadata: ModelMetadata, model: Model) -> None:
    """Write an archive's content into an existing folder, which SageMaker packs as ``model.tar.gz``."""
    content = {"format": FORMAT, **asdict(metadata)}
    (folder / METADATA).write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")
    model.save(folder)
    package = Path(__file__).parent
    code = folder / CODE
    (code / package.name).mkdir(parents=True, exist_ok=True)
    shutil.copyfile(package.parent / ENTRY_FILE, code / ENTRY_FILE)
    for module in SERVING_MODULES:
        shutil.copyfile(package / f"{module}.py", code / package.name / f"{module}.py")


def load(folder: Path) -> LoadedModel:
    """Load an unpacked archive, with this code and not with the archive's own.

    Raises ``ArchiveError``, and whatever the algorithm's reader raises for a damaged file.
    """
    metadata = read_metadata(folder)
    try:
        algorithm = get_algorithm(metadata.algorithm)
    except KeyError:
        raise ArchiveError(f"no algorithm has the name {metadata.algorithm!r}") from None
    return LoadedModel(metadata, algorithm.load_module().load(folder))


def read_metadata(folder: Path) -> ModelMetadata:
    """The metadata of an unpacked archive. Raises ``ArchiveError``."""
    try:
        content: dict[str, Any] = json.loads((folder / METADATA).read_bytes())
        archive_format = content.pop("format")
        metadata = ModelMetadata(**{**content, "features": tuple(content["features"])})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArchiveError(f"{METADATA} cannot be read: {type(error).__name__}: {error}") from error
    if archive_format != FORMAT:
        raise ArchiveError(f"the archive has format {archive_format}, this code reads {FORMAT}")
    return metadata


def unpack(packed: Path, folder: Path) -> None:
    """Unpack ``model.tar.gz`` into a folder. Raises ``ArchiveError``, also for members outside of the folder."""
    try:
        with tarfile.open(packed) as tar:
            tar.extractall(folder, filter="data")
    except (OSError, EOFError, tarfile.TarError) as error:
        raise ArchiveError(f"{packed.name} cannot be unpacked: {error}") from error
