"""A model's archive: it says what it is, comes back as it was, and is refused when it is not one."""

from __future__ import annotations

import ast
import dataclasses
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

import archive
from archive import ArchiveError, ModelDescription
from candidates import ALGORITHMS, Algorithm
from feature_schema import FEATURES, TARGET, get_schema_hash
from tests.factories.datasets import make_dataset

TRAINING_JOB = Path(archive.__file__).parent
ROWS = make_dataset(500)
DESCRIPTION = ModelDescription(
    model="xgboost-20261123T063900Z",
    algorithm="xgboost",
    expected_error=1830.25,
    schema_hash=get_schema_hash(),
    round="20261123T063900Z-no-model",
    features=tuple(feature.name for feature in FEATURES),
    target=TARGET.name,
    trained_on="all",
)


def written(folder: Path, algorithm: Algorithm) -> Path:
    model, _ = algorithm.load_module().fit(ROWS.features, ROWS.target, **algorithm.hyperparameters)
    archive.write(folder, dataclasses.replace(DESCRIPTION, algorithm=algorithm.name), model)
    return folder


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda one: one.name)
def test_an_archive_comes_back_as_it_was(algorithm: Algorithm, tmp_path: Path) -> None:
    loaded = archive.load(written(tmp_path, algorithm))
    assert loaded.description == dataclasses.replace(DESCRIPTION, algorithm=algorithm.name)
    expected, _ = algorithm.load_module().fit(ROWS.features, ROWS.target, **algorithm.hyperparameters)
    np.testing.assert_array_equal(loaded.model.predict(ROWS.features), expected.predict(ROWS.features))


def test_an_archive_describes_itself(tmp_path: Path) -> None:
    told = json.loads((written(tmp_path, ALGORITHMS[1]) / "model.json").read_text())
    assert told == {
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


def test_an_archive_brings_every_module_that_serving_it_imports(tmp_path: Path) -> None:
    code = written(tmp_path, ALGORITHMS[1]) / "code"
    ours = {path.stem for path in TRAINING_JOB.glob("*.py")}
    needed, waiting = set[str](), {"serving", *(algorithm.module for algorithm in ALGORITHMS)}
    while waiting:
        module = waiting.pop()
        needed.add(module)
        tree = ast.parse((TRAINING_JOB / f"{module}.py").read_text())
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            waiting |= {name for name in names if name in ours} - needed
    assert {path.stem for path in code.iterdir()} == needed
    assert "inference" not in needed


def test_no_module_uses_relative_imports_or_the_name_of_a_package(tmp_path: Path) -> None:
    for path in TRAINING_JOB.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            assert not (isinstance(node, ast.ImportFrom) and node.level), path
        assert path.stem not in {
            "xgboost",
            "numpy",
            "sklearn",
            "scipy",
            "pandas",
            "flask",
            "inference",
            "feature_schema",
        }


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
def test_what_is_no_archive_of_ours_is_refused(tmp_path: Path, content: str, reason: str) -> None:
    with pytest.raises(ArchiveError, match=r"model\.json cannot be read: FileNotFoundError"):
        archive.load(tmp_path)
    (tmp_path / "model.json").write_text(content)
    with pytest.raises(ArchiveError, match=reason):
        archive.load(tmp_path)


def test_an_archive_cannot_write_outside_of_its_folder(tmp_path: Path) -> None:
    packed = tmp_path / "model.tar.gz"
    with tarfile.open(packed, "w:gz") as tar:
        member = tarfile.TarInfo("../escaped")
        member.size = 1
        tar.addfile(member, io.BytesIO(b"x"))
    (tmp_path / "inside").mkdir()
    with pytest.raises(ArchiveError, match="cannot be unpacked"):
        archive.unpack(packed, tmp_path / "inside")
    assert not (tmp_path / "escaped").exists()
