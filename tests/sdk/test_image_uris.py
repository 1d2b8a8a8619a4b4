"""The template's table of images says what the SDK knows: for every region in it, and the same version everywhere."""

from __future__ import annotations

import re

import pytest
from sagemaker.core import image_uris

from dwell.template import TEMPLATE_PATH, read_template

TEMPLATE = TEMPLATE_PATH.read_text(encoding="utf-8")
URL_SUFFIX = "amazonaws.com"
ACCOUNTS: dict[str, dict[str, str]] = read_template()["Mappings"]["XGBoostImage"]


def test_image_table_of_the_template_is_complete() -> None:
    assert "us-east-1" in ACCOUNTS
    assert len(ACCOUNTS) > 10


@pytest.mark.parametrize("region", sorted(ACCOUNTS))
def test_image_of_a_region_matches_the_sdk(region: str) -> None:
    # given every way in which the template names the image
    named = set(re.findall(r"\$\{Account\}(\.dkr\.ecr\.\S+/sagemaker-xgboost:\S+)", TEMPLATE))
    assert len(named) == 1, "training and serving must use the same image"
    rest = named.pop().replace("${AWS::Region}", region).replace("${AWS::URLSuffix}", URL_SUFFIX)
    version = rest.rpartition(":")[2]
    # then
    assert ACCOUNTS[region]["Account"] + rest == image_uris.retrieve("xgboost", region, version)
