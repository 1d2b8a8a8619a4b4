"""The page about security tells what the tests know."""

from __future__ import annotations

import re
from pathlib import Path

from tests.privileges.grants import ONLY_ON_AWS

PAGE = (Path(__file__).parents[3] / "docs" / "security.md").read_text(encoding="utf-8")


def rows() -> set[tuple[str, str]]:
    """Role and action of every row of the table of what only AWS can show."""
    found = set()
    for line in PAGE.splitlines():
        cells = [re.findall(r"`([A-Za-z0-9:]+)`", cell) for cell in line.split("|")]
        if len(cells) > 3 and all(name.endswith("Role") for name in cells[1]) and cells[1]:
            found |= {(role, action) for role in cells[1] for action in cells[2]}
    return found


def test_the_page_lists_what_only_aws_needs() -> None:
    assert rows() == ONLY_ON_AWS.keys()


def test_the_tests_that_the_page_names_are_there() -> None:
    named = set(re.findall(r"`(tests/[a-z_/]+(?:\.py)?)`", PAGE))
    assert named
    assert all((Path(__file__).parents[3] / path).exists() for path in named)
