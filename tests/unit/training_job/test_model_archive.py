"""A model's archive: its metadata, its code, loading, and errors for invalid archives."""

from __future__ import annotations

import ast
import dataclasses
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from feature_schema import FEATURES, TARGET, get_schema_hash
from retraining.training_job import model_archive
from retraining.training_job.algorithms import ALGORITHMS, Algorithm
from retraining.training_job.model_archive import ArchiveError, ModelMetadata
from tests.factories.datasets import make_dataset

TRAINING_JOB = Path(model_archive.__file__).parent
ROWS = make_dataset(500)
DESCRIPTION = ModelMetadata(
    model="xgboost-20261123T063900Z",
    algorithm="xgboost",
    expected_error=1830.25,
    schema_hash=get_schema_hash(),
    round="20261123T063900Z-no-model",
    features=tuple(feature.name for feature in FEATURES),
    target=TARGET.name,
    trained_on="all",
)


def write_archive(folder: Path, algorithm: Algorithm) -> Path:
    model, _ = algorithm.load_module().fit(ROWS.features, ROWS.target, **algorithm.hyperparameters)
    model_archive.write(folder, dataclasses.replace(DESCRIPTION, algorithm=algorithm.name), model)
    return folder


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.name)
def test_loaded_archive_equals_written_one(algorithm: Algorithm, tmp_path: Path) -> None:
    loaded = model_archive.load(write_archive(tmp_path, algorithm))
    assert loaded.metadata == dataclasses.replace(DESCRIPTION, algorithm=algorithm.name)
    expected, _ = algorithm.load_module().fit(ROWS.features, ROWS.target, **algorithm.hyperparameters)
    np.testing.assert_array_equal(loaded.model.predict(ROWS.features), expected.predict(ROWS.features))


def test_archive_has_metadata(tmp_path: Path) -> None:
    content = json.loads((write_archive(tmp_path, ALGORITHMS[1]) / "model.json").read_text())
    assert content == {
        "format": 1,
        "model": "xgboost-20261123T063900Z",
        "algorithm": "linear",
        "expected_error": 1830.25,
        "schema_hash": get_schema_hash(),
        "round": "20261123T063900Z-no-model",
        "features": [feature.name for feature in FEATURES],
        "target": TARGET.name,
        "trained_on": "all",
    }


def imported_modules(path: Path) -> set[str]:
    """The modules of the package ``training_job`` that a file imports, ``__init__`` included if it imports any."""
    modules = set[str]()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            assert node.level == 1, f"{path} imports from outside of its package"
            modules |= {"__init__", *([node.module] if node.module else [alias.name for alias in node.names])}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("training_job."):
            modules |= {"__init__", str(node.module).removeprefix("training_job.")}
    return modules


def test_archive_holds_every_module_that_serving_imports(tmp_path: Path) -> None:
    code = write_archive(tmp_path, ALGORITHMS[1]) / "code"
    needed = set[str]()
    waiting = imported_modules(code / "serving.py") | {algorithm.module for algorithm in ALGORITHMS}
    while waiting:
        module = waiting.pop()
        needed.add(module)
        waiting |= imported_modules(TRAINING_JOB / f"{module}.py") - needed
    assert {path.relative_to(code).as_posix() for path in code.rglob("*") if path.is_file()} == {
        "serving.py",
        *(f"training_job/{module}.py" for module in needed),
    }
    assert "training" not in needed


def test_package_modules_import_each_other_relatively() -> None:
    """The image calls the package ``training_job``, the Lambda function ``retraining.training_job``."""
    ours = {path.stem for path in TRAINING_JOB.glob("*.py")} | {"training_job", "retraining"}
    for path in TRAINING_JOB.glob("*.py"):
        imported_modules(path)
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert not {name.partition(".")[0] for name in names} & ours, path


@pytest.mark.parametrize("name", ["train", "serving", "training_job"])
def test_names_at_the_archive_root_hide_no_package(name: str) -> None:
    assert name not in {"xgboost", "numpy", "sklearn", "scipy", "pandas", "flask", "inference", "feature_schema"}
    assert (TRAINING_JOB.parent / f"{name}.py").is_file() or (TRAINING_JOB.parent / name).is_dir()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        ('{"format": 1}', "cannot be read"),
        (json.dumps({**dataclasses.asdict(DESCRIPTION), "format": 2}), "has format 2, this code reads 1"),
        (json.dumps({**dataclasses.asdict(DESCRIPTION), "format": 1, "surprise": 1}), "surprise"),
    ],
)
def test_invalid_metadata_raises_error(tmp_path: Path, content: str, reason: str) -> None:
    with pytest.raises(ArchiveError, match=r"model\.json cannot be read: FileNotFoundError"):
        model_archive.load(tmp_path)
    (tmp_path / "model.json").write_text(content)
    with pytest.raises(ArchiveError, match=reason):
        model_archive.load(tmp_path)


def test_archive_member_outside_folder_is_refused(tmp_path: Path) -> None:
    packed = tmp_path / "model.tar.gz"
    with tarfile.open(packed, "w:gz") as tar:
        member = tarfile.TarInfo("../escaped")
        member.size = 1
        tar.addfile(member, io.BytesIO(b"x"))
    (tmp_path / "inside").mkdir()
    with pytest.raises(ArchiveError, match="cannot be unpacked"):
        model_archive.unpack(packed, tmp_path / "inside")
    assert not (tmp_path / "escaped").exists()
