"""The template's table of images says what the SDK knows: for every region in it, and the same version everywhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from sagemaker.core import image_uris

TEMPLATE = (Path(__file__).parents[2] / "template.yaml").read_text(encoding="utf-8")
URL_SUFFIX = "amazonaws.com"


class _Loader(yaml.SafeLoader):
    """Reads a template as plain data; its intrinsic functions become their arguments."""


def _argument(loader: yaml.SafeLoader, _tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    assert isinstance(node, yaml.MappingNode)
    return loader.construct_mapping(node, deep=True)


_Loader.add_multi_constructor("!", _argument)
ACCOUNTS: dict[str, dict[str, str]] = yaml.load(TEMPLATE, _Loader)["Mappings"]["XGBoostImage"]  # noqa: S506 - it is safe


def test_the_table_is_read() -> None:
    assert "us-east-1" in ACCOUNTS
    assert len(ACCOUNTS) > 10


@pytest.mark.parametrize("region", sorted(ACCOUNTS))
def test_a_regions_image_is_the_sdks(region: str) -> None:
    # given every way in which the template names the image
    named = set(re.findall(r"\$\{Account\}(\.dkr\.ecr\.\S+/sagemaker-xgboost:\S+)", TEMPLATE))
    assert len(named) == 1, "training and serving must use the same image"
    rest = named.pop().replace("${AWS::Region}", region).replace("${AWS::URLSuffix}", URL_SUFFIX)
    version = rest.rpartition(":")[2]
    # then
    assert ACCOUNTS[region]["Account"] + rest == image_uris.retrieve("xgboost", region, version)
