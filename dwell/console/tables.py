"""Tables for the terminal. Names and numbers are never wrapped, so that they can be copied and searched for.

Long columns are printed below their row, wrapped between words. If the output is not a terminal, nothing is wrapped, so
that ``grep`` finds a row with all of its columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

_GAP = "  "


@dataclass(frozen=True, slots=True)
class Column:
    """A column; ``right`` aligns numbers. One that ``gives_way`` is printed below the row if the table is too wide.

    A column that gives way and is empty in all rows is left out.
    """

    heading: str
    right: bool = False
    gives_way: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A cell for each column. A line with the ``group`` precedes the first row of each group."""

    cells: Sequence[str]
    group: str = ""
    style: str = ""


def show(console: Console, title: str, columns: Sequence[Column], rows: Sequence[Row]) -> None:
    """Print a table, or that it is empty."""
    if rows:
        console.print(table(title, columns, rows, console=console), soft_wrap=True)
    else:
        console.print(f"{title}: none yet.", soft_wrap=True, markup=False, highlight=False)


def table(title: str, columns: Sequence[Column], rows: Sequence[Row], *, console: Console) -> Text:
    """The table for the width of ``console``."""
    cells = [[_to_plain(cell) for cell in row.cells] for row in rows]
    max_width = console.width if console.is_terminal else None
    beside, below = _arrange(columns, cells, max_width)
    widths = {index: _width(columns, cells, index) for index in beside}
    line = "-" if console.options.ascii_only else "\N{BOX DRAWINGS LIGHT HORIZONTAL}"
    lines = [
        *(_wrap(title, max_width, style="italic") if title else []),
        Text(_line(columns, [column.heading for column in columns], widths), style="bold"),
        Text(line * min(_total(widths), max_width or _total(widths))),
    ]
    group = ""
    for row, texts in zip(rows, cells, strict=True):
        if row.group != group:
            group = row.group
            lines += _wrap(_to_plain(group), max_width, style="dim")
        lines.append(Text(_line(columns, texts, widths), style=row.style))
        for index in below:
            if texts[index]:
                lines += _wrap(f"{columns[index].heading}: {texts[index]}", max_width, indent="    ")
    return Text("\n", no_wrap=True, overflow="ignore").join(lines)


def shorten(text: str, max_length: int) -> str:
    """Cut a text to ``max_length`` characters; an ellipsis marks the cut."""
    return text if len(text) <= max_length else f"{text[: max_length - 1]}\N{HORIZONTAL ELLIPSIS}"


def _to_plain(text: str) -> str:
    """The text on one line, without control characters."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def _arrange(
    columns: Sequence[Column], cells: Sequence[Sequence[str]], max_width: int | None
) -> tuple[list[int], list[int]]:
    """Indexes of the columns printed side by side and of those below the row: as few as possible, the last first."""
    beside = [
        index for index, column in enumerate(columns) if not column.gives_way or any(texts[index] for texts in cells)
    ]
    below: list[int] = []
    for index in reversed(beside):
        widths = {other: _width(columns, cells, other) for other in beside if other not in below}
        if max_width is None or _total(widths) <= max_width:
            break
        if columns[index].gives_way:
            below.insert(0, index)
    return [index for index in beside if index not in below], below


def _width(columns: Sequence[Column], cells: Sequence[Sequence[str]], index: int) -> int:
    return max(cell_len(columns[index].heading), *(cell_len(texts[index]) for texts in cells))


def _total(widths: dict[int, int]) -> int:
    return sum(widths.values()) + len(_GAP) * (len(widths) - 1)


def _line(columns: Sequence[Column], texts: Sequence[str], widths: dict[int, int]) -> str:
    parts = []
    for index, width in widths.items():
        padding = " " * (width - cell_len(texts[index]))
        parts.append(padding + texts[index] if columns[index].right else texts[index] + padding)
    return _GAP.join(parts).rstrip()


def _wrap(text: str, max_width: int | None, *, indent: str = "", style: str = "") -> list[Text]:
    """Wrap between words only: a name longer than a line stays in one piece, so that it can be copied."""
    if max_width is None:
        return [Text(indent + text, style=style)]
    further_indent = indent + _GAP if indent else ""
    lines = wrap(
        text,
        max_width,
        initial_indent=indent,
        subsequent_indent=further_indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [Text(line, style=style) for line in lines]
