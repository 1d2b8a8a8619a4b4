"""The prefixes are those of the template, which grants access by them."""

from pathlib import Path

import pytest

from rounds import s3_prefixes

TEMPLATE = (Path(__file__).parents[3] / "template.yaml").read_text(encoding="utf-8")
PREFIXES = {name: value for name, value in vars(s3_prefixes).items() if name.isupper()}


@pytest.mark.parametrize("prefix", PREFIXES.values(), ids=PREFIXES)
def test_the_template_grants_access_by_the_prefix(prefix: str) -> None:
    assert f"${{DataBucket.Arn}}/{prefix}*" in TEMPLATE
