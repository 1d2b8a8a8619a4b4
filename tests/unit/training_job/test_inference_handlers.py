"""The four functions that SageMaker's image calls, with the image's special cases."""

from __future__ import annotations

import importlib.util
import json
import sys
from typing import TYPE_CHECKING, Any

import flask
import numpy as np
import pytest

from feature_schema import FEATURES, TARGET, get_schema_hash
from retraining.training_job import inference_handlers, model_archive
from retraining.training_job.algorithms import ALGORITHMS
from retraining.training_job.model_archive import ModelMetadata
from tests.factories.datasets import make_dataset

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

ROWS = make_dataset(500)
WIDTH = len(FEATURES)
JSON, CSV = "application/json", "text/csv"
BODY = "".join(",".join(str(int(value)) for value in row) + "\n" for row in ROWS.features[:3])


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    algorithm = ALGORITHMS[0]
    model, _ = algorithm.load_module().fit(ROWS.features, ROWS.target, **algorithm.hyperparameters)
    names = tuple(feature.name for feature in FEATURES)
    description = ModelMetadata(
        "xgboost-20261123T063900Z", algorithm.name, 1830.25, get_schema_hash(), "r", names, TARGET.name, "all"
    )
    model_archive.write(folder, description, model)
    return folder


def respond(
    model_dir: Path,
    body: str | bytes,
    content_type: str = CSV,
    accept: str | None = JSON,
    module: Any = inference_handlers,
) -> Any:
    """One request, in the order in which the image calls."""
    model = module.model_fn(str(model_dir))
    return module.output_fn(module.predict_fn(module.input_fn(body, content_type), model), accept)


def test_json_response_has_model_error_schema_and_predictions(model_dir: Path) -> None:
    body, mimetype = respond(model_dir, BODY)
    content = json.loads(body)
    assert mimetype == JSON
    assert (content["model"], content["expected_error"]) == ("xgboost-20261123T063900Z", 1830.25)
    assert content["schema_hash"] == get_schema_hash()
    expected = model_archive.load(model_dir).model.predict(ROWS.features[:3])
    np.testing.assert_array_equal(content["predictions"], expected)


def test_csv_response_has_one_number_per_line(model_dir: Path) -> None:
    body, mimetype = respond(model_dir, BODY, accept="text/csv; charset=utf-8")
    assert mimetype == CSV
    assert [float(line) for line in body.splitlines()] == json.loads(respond(model_dir, BODY)[0])["predictions"]


def test_response_is_body_and_media_type(model_dir: Path) -> None:
    result = respond(model_dir, BODY)
    assert isinstance(result, tuple)
    assert [type(part) for part in result] == [str, str]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (BODY, "text/csv"),  # the image gives text for exactly this type
        (BODY.encode(), "text/csv; charset=utf-8"),  # and bytes for every other spelling
        (bytearray(BODY.encode()), "Text/CSV"),
        (BODY.rstrip("\n"), "text/csv"),
        (BODY.replace("\n", "\r\n"), "text/csv"),
    ],
)
def test_text_and_bytes_are_parsed_alike(model_dir: Path, body: Any, content_type: str) -> None:
    assert respond(model_dir, body, content_type) == respond(model_dir, BODY)


@pytest.mark.parametrize("accept", [None, "", "*/*", "application/*", "text/html, application/json;q=0.9"])
def test_unspecific_accept_header_gets_json(model_dir: Path, accept: str | None) -> None:
    assert respond(model_dir, BODY, accept=accept)[1] == JSON


@pytest.mark.parametrize(
    ("request_", "status", "reason"),
    [
        ((",".join(["1"] * (WIDTH - 1)) + "\n", CSV, JSON), 400, "wrong_width"),
        ((BODY + ",".join(["1"] * (WIDTH + 1)), CSV, JSON), 400, "wrong_width"),
        ((BODY + "\n" + BODY, CSV, JSON), 400, "malformed"),
        (("a,b,c\n", CSV, JSON), 400, "malformed"),
        (("", CSV, JSON), 400, "empty"),
        ((b"\xff\xfe", "text/csv; charset=latin", JSON), 400, "malformed"),
        ((",".join(["nan"] * WIDTH), CSV, JSON), 400, "not_finite"),
        ((",".join(["1e999"] * WIDTH), CSV, JSON), 400, "not_finite"),
        (('{"instances": []}', JSON, JSON), 415, "unsupported_media_type"),
        ((BODY, CSV, "text/html"), 406, "not_acceptable"),
    ],
)
def test_invalid_request_gets_4xx_response_with_reason(
    model_dir: Path, request_: tuple[str | bytes, str, str], status: int, reason: str
) -> None:
    body, content_type, accept = request_
    response = respond(model_dir, body, content_type, accept)
    # then it is a response: a tuple of body and status would be a 500 too
    assert isinstance(response, flask.Response)
    assert (response.status_code, response.mimetype) == (status, JSON)
    content = json.loads(response.get_data())
    assert content["reason"] == reason
    assert content["message"]


def import_by_path(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("user_module", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def installed_modules() -> list[str]:
    return [name for name in sys.modules if name.partition(".")[0] == "training_job"]


@pytest.fixture
def clean_imports(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No module called ``training_job`` before and after the test, and the module path as it was."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in installed_modules():
        del sys.modules[name]
    yield
    for name in installed_modules():
        del sys.modules[name]


@pytest.mark.usefixtures("clean_imports")
def test_archive_code_is_served_from_any_working_directory(
    model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given only the archive's own code, imported by its path from elsewhere
    monkeypatch.chdir(tmp_path)
    code = model_dir / "code"
    # when
    module = import_by_path(code / "serving.py")
    # then every module of the package comes from the archive
    assert respond(model_dir, BODY, module=module)[1] == JSON
    files = {str(sys.modules[name].__file__) for name in installed_modules()}
    assert str(code / "training_job" / "request_parser.py") in files
    assert all(file.startswith(f"{code}/training_job/") for file in files)


@pytest.mark.usefixtures("clean_imports")
def test_entry_file_imported_again_refuses_alike(model_dir: Path) -> None:
    # given that the framework holds functions of one import and calls them beside those of the next
    first = import_by_path(model_dir / "code" / "serving.py")
    refused = first.input_fn("1,2,x", CSV)
    again = import_by_path(model_dir / "code" / "serving.py")
    # then both treat a rejected request alike
    assert isinstance(again.output_fn(again.predict_fn(refused, first.model_fn(str(model_dir))), JSON), flask.Response)
    assert sys.path.count(str(model_dir / "code")) == 1
