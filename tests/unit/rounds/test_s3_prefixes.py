"""The prefixes are those of the template, which grants access by them."""

from pathlib import Path

import pytest

from rounds import s3_prefixes

TEMPLATE = (Path(__file__).parents[3] / "template.yaml").read_text(encoding="utf-8")
OPERATORS_ONLY = {"REPLAYED"}
"""Written by the command under an operator's own permissions, which the template does not grant."""
PREFIXES = {name: value for name, value in vars(s3_prefixes).items() if name.isupper() and name not in OPERATORS_ONLY}


@pytest.mark.parametrize("prefix", PREFIXES.values(), ids=PREFIXES)
def test_the_template_grants_access_by_the_prefix(prefix: str) -> None:
    folder = f"{prefix.split('/', maxsplit=1)[0]}/"
    assert prefix.startswith(folder)
    assert f"${{DataBucket.Arn}}/{folder}*" in TEMPLATE
