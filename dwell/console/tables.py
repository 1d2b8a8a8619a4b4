"""Tables for people. Names and figures are copied and searched for, so they are never folded.

What is too long to stand beside them goes beneath its row, folded between words. Where nobody is in front of a
terminal nothing is folded at all, so that ``grep`` finds a row with all that is said of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console

_GAP = "  "


@dataclass(frozen=True, slots=True)
class Column:
    """A column; figures stand to the right. One that ``gives_way`` goes beneath the row if there is no room.

    One that gives way and says nothing is left out.
    """

    heading: str
    right: bool = False
    gives_way: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A cell for each column. Where another ``group`` begins, a line says so."""

    cells: Sequence[str]
    group: str = ""
    style: str = ""


def show(console: Console, title: str, columns: Sequence[Column], rows: Sequence[Row]) -> None:
    """Print a table, or that there is nothing yet."""
    if rows:
        console.print(table(title, columns, rows, console=console), soft_wrap=True)
    else:
        console.print(f"{title}: nothing yet.", soft_wrap=True, markup=False, highlight=False)


def table(title: str, columns: Sequence[Column], rows: Sequence[Row], *, console: Console) -> Text:
    """The table as it is printed on that console."""
    cells = [[_plain(cell) for cell in row.cells] for row in rows]
    room = console.width if console.is_terminal else None
    beside, beneath = _places(columns, cells, room)
    widths = {place: _width(columns, cells, place) for place in beside}
    line = "-" if console.options.ascii_only else "\N{BOX DRAWINGS LIGHT HORIZONTAL}"
    lines = [
        *(_folded(title, room, style="italic") if title else []),
        Text(_line(columns, [column.heading for column in columns], widths), style="bold"),
        Text(line * min(_total(widths), room or _total(widths))),
    ]
    group = ""
    for row, said in zip(rows, cells, strict=True):
        if row.group != group:
            group = row.group
            lines += _folded(_plain(group), room, style="dim")
        lines.append(Text(_line(columns, said, widths), style=row.style))
        for place in beneath:
            if said[place]:
                lines += _folded(f"{columns[place].heading}: {said[place]}", room, indent="    ")
    return Text("\n", no_wrap=True, overflow="ignore").join(lines)


def number(value: float | None) -> str:
    """A figure: thousands apart, as many decimals as matter, a dash for nothing."""
    return "-" if value is None else f"{value:,.4g}" if abs(value) < 100 else f"{value:,.0f}"


def counted(count: float, one: str, form: Callable[[float], str] = "{:,.0f}".format) -> str:
    """``1 line``, ``2,000 lines``; ``form`` says how the figure is written."""
    said = form(count)
    return f"{said} {one}" if said == "1" else f"{said} {one}s"


def shortened(text: str, most: int) -> str:
    """A text of so many characters at most, which shows whether there was more."""
    return text if len(text) <= most else f"{text[: most - 1]}\N{HORIZONTAL ELLIPSIS}"


def _plain(text: str) -> str:
    """On one line, and nothing that a terminal would obey."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


def _places(columns: Sequence[Column], cells: Sequence[Sequence[str]], room: int | None) -> tuple[list[int], list[int]]:
    """Which columns stand beside each other, and which beneath: as few as possible, the last first."""
    beside = [
        place for place, column in enumerate(columns) if not column.gives_way or any(said[place] for said in cells)
    ]
    beneath: list[int] = []
    for place in reversed(beside):
        if room is None or _total({one: _width(columns, cells, one) for one in beside if one not in beneath}) <= room:
            break
        if columns[place].gives_way:
            beneath.insert(0, place)
    return [place for place in beside if place not in beneath], beneath


def _width(columns: Sequence[Column], cells: Sequence[Sequence[str]], place: int) -> int:
    return max(cell_len(columns[place].heading), *(cell_len(said[place]) for said in cells))


def _total(widths: dict[int, int]) -> int:
    return sum(widths.values()) + len(_GAP) * (len(widths) - 1)


def _line(columns: Sequence[Column], said: Sequence[str], widths: dict[int, int]) -> str:
    parts = []
    for place, width in widths.items():
        blank = " " * (width - cell_len(said[place]))
        parts.append(blank + said[place] if columns[place].right else said[place] + blank)
    return _GAP.join(parts).rstrip()


def _folded(text: str, room: int | None, *, indent: str = "", style: str = "") -> list[Text]:
    """Between words only: a name that is longer than a line is still one that is copied."""
    if room is None:
        return [Text(indent + text, style=style)]
    further = indent + _GAP if indent else ""
    lines = wrap(
        text, room, initial_indent=indent, subsequent_indent=further, break_long_words=False, break_on_hyphens=False
    )
    return [Text(one, style=style) for one in lines]
