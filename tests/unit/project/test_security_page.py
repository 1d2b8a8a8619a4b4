"""docs/security.md agrees with the tests."""

from __future__ import annotations

import re
from pathlib import Path

from tests.privileges.grants import ONLY_ON_AWS

PAGE = (Path(__file__).parents[3] / "docs" / "security.md").read_text(encoding="utf-8")


def list_rows() -> set[tuple[str, str]]:
    """Return (role, action) of every row of the table of what can be tested on AWS only."""
    rows = set()
    for line in PAGE.splitlines():
        cells = [re.findall(r"`([A-Za-z0-9:]+)`", cell) for cell in line.split("|")]
        if len(cells) > 3 and all(name.endswith("Role") for name in cells[1]) and cells[1]:
            rows |= {(role, action) for role in cells[1] for action in cells[2]}
    return rows


def test_the_page_lists_what_is_tested_on_aws_only() -> None:
    assert list_rows() == ONLY_ON_AWS.keys()


def test_the_tests_named_on_the_page_exist() -> None:
    paths = set(re.findall(r"`(tests/[a-z_/]+(?:\.py)?)`", PAGE))
    assert paths
    assert all((Path(__file__).parents[3] / path).exists() for path in paths)
