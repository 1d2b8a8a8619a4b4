"""Tables: names stay whole, whatever the terminal's width, and nothing is folded where nobody looks."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from dwell.console.numbers import format_count, format_number
from dwell.console.tables import Column, Row, shorten, show

COLUMNS = (
    Column("name"),
    Column("count", right=True),
    Column("by", gives_way=True),
    Column("why", gives_way=True),
)
WORDS = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=30)
SENTENCES = st.lists(WORDS, max_size=8).map(" ".join)
ROWS = st.lists(st.tuples(WORDS, WORDS, SENTENCES, SENTENCES), min_size=1, max_size=5)


def shown(
    rows: list[tuple[str, ...]], *, width: int = 80, is_terminal: bool = True, groups: list[str] | None = None
) -> list[str]:
    console = Console(width=width, force_terminal=is_terminal, color_system=None, file=io.StringIO())
    names = groups or [""] * len(rows)
    show(console, "Title", COLUMNS, [Row(row, group) for row, group in zip(rows, names, strict=True)])
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_last_column_moves_below_the_row_first() -> None:
    row = ("xgboost-20261123T063900Z", "1,900", "night-shift", "better than the champion")
    assert shown([row])[3] == "xgboost-20261123T063900Z  1,900  night-shift  better than the champion"
    assert shown([row], width=50)[1:] == [
        "name                      count  by",
        "─" * 44,
        "xgboost-20261123T063900Z  1,900  night-shift",
        "    why: better than the champion",
    ]
    assert shown([row], width=32)[3:] == [
        "xgboost-20261123T063900Z  1,900",
        "    by: night-shift",
        "    why: better than the",
        "      champion",
    ]


@given(rows=ROWS, width=st.integers(10, 120))
def test_only_a_long_word_exceeds_the_width(rows: list[tuple[str, ...]], width: int) -> None:
    lines = shown(rows, width=width)
    words = {word for line in lines for word in line.split()}
    assert {word for row in rows for cell in row for word in cell.split()} <= words
    # names and counts stand on one line however narrow it is
    names = max(cell_len(cell) for cell in ("name", *(row[0] for row in rows)))
    counts = max(cell_len(cell) for cell in ("count", *(row[1] for row in rows)))
    if width >= max(names + 2 + counts, 50):
        assert all(len(line) <= width for line in lines)


@given(rows=ROWS)
def test_without_a_terminal_a_row_is_a_line(rows: list[tuple[str, ...]]) -> None:
    lines = shown(rows, width=10, is_terminal=False)
    assert len(lines) == 3 + len(rows)
    for row, line in zip(rows, lines[3:], strict=True):
        assert line.split() == " ".join(row).split()


def test_columns_line_up_in_any_script() -> None:
    first, second = shown([("東京", "1", "", ""), ("ab", "22", "", "")])[3:]
    assert cell_len(first) == cell_len(second)


def test_group_line_precedes_its_first_row() -> None:
    rows: list[tuple[str, ...]] = [("a", "1", "", ""), ("b", "2", "", ""), ("c", "0", "", "")]
    assert shown(rows, groups=["old", "old", "new"])[3:] == ["old", "a         1", "b         2", "new", "c         0"]


def test_cell_has_no_control_characters_and_no_markup() -> None:
    (line,) = shown([("[red]a[/red]", "1", "", "two\nlines \x1b[2J\u202e")])[3:]
    assert line.split() == ["[red]a[/red]", "1", "two", "lines", "[2J"]


def test_empty_table_prints_none_yet() -> None:
    assert shown([]) == ["Title: none yet."]


@pytest.mark.parametrize(
    ("count", "told"), [(0, "0 lines"), (1, "1 line"), (1.2, "1 line"), (2, "2 lines"), (1_234, "1,234 lines")]
)
def test_one_is_no_plural(count: float, told: str) -> None:
    assert format_count(count, "line") == told


def test_figures_are_for_people() -> None:
    assert [format_number(value) for value in (None, 1_234.5, 99.94, 0.123456)] == ["-", "1,234", "99.94", "0.1235"]


def test_a_text_that_was_cut_shows_it() -> None:
    assert (shorten("abc", 3), shorten("abcd", 3)) == ("abc", "ab…")
