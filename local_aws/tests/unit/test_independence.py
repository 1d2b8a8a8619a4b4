"""The distribution stands alone: it imports no other package of this repository and has no word of another project."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2]
MODULES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.py"))
PRODUCT = [module for module in MODULES if not module.startswith("tests/")]
TEXTS = sorted(
    path.relative_to(FOLDER).as_posix()
    for path in FOLDER.rglob("*")
    if path.suffix in {".py", ".md", ".toml", ".in", ".yaml"} and path != Path(__file__)
)
THIRD_PARTY = {"boto3", "botocore", "cbor2", "ministack"}
SAGEMAKER_IMAGE = {"flask"}
"""What SageMaker's image has besides; ``sagemaker/image`` runs there."""
OTHER_PROJECTS = re.compile(r"dwell|robot|warehouse|feature_schema|pick station", re.IGNORECASE)
VARIABLE = re.compile(r"environ(?:\.get|\.pop|\.setdefault)?[(\[]\s*[\"'](\w+)[\"']")
AWS_VARIABLES = ("AWS_", "SAGEMAKER_", "SM_")
"""Beginnings of the variables that functions and models find on AWS, read in their processes."""


@pytest.mark.parametrize("module", PRODUCT)
def test_product_module_imports_only_declared_packages(module: str) -> None:
    allowed = {"local_aws", *THIRD_PARTY, *sys.stdlib_module_names}
    if module.startswith("sagemaker/image/"):
        allowed |= SAGEMAKER_IMAGE
    assert imported_packages(FOLDER / module) <= allowed


@pytest.mark.parametrize("module", sorted(set(MODULES) - set(PRODUCT)))
def test_test_module_imports_nothing_of_other_folders(module: str) -> None:
    siblings = {path.name for path in FOLDER.parent.iterdir() if path.is_dir()} - {"local_aws"}
    assert not imported_packages(FOLDER / module) & siblings


@pytest.mark.parametrize("text", TEXTS)
def test_text_names_no_other_project(text: str) -> None:
    assert not OTHER_PROJECTS.findall((FOLDER / text).read_text(encoding="utf-8"))


def test_environment_variables_begin_with_local_aws() -> None:
    names = {name for module in PRODUCT for name in VARIABLE.findall((FOLDER / module).read_text(encoding="utf-8"))}
    own = {name for name in names if not name.startswith(AWS_VARIABLES)}
    assert {name for name in own if not name.startswith("LOCAL_AWS_")} == {
        "GATEWAY_PORT",
        "PATH",
    }
    assert "LOCAL_AWS_LIFELINE" in own  # the pattern finds some


def test_pyproject_contains_every_module() -> None:
    settings = tomllib.loads((FOLDER / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    folders = {".".join(["local_aws", *Path(module).parent.parts]) for module in PRODUCT}
    data = {f"{package}.{Path(glob).parent}" for package, globs in settings["package-data"].items() for glob in globs}
    assert set(settings["packages"]) | data == folders


def imported_packages(path: Path) -> set[str]:
    """The top-level packages that a module imports, anywhere in it."""
    packages: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            packages |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            packages.add((node.module or "").partition(".")[0])
    return packages
