"""Models and rounds as ``dwell leaderboard``, ``dwell rounds`` and ``dwell run`` rank them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dwell.console.tables import Column, Row, number, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

_TOLD = {"awaiting_approval", "rejected", "live", "deployed", "rolled_back"}
_COLUMNS = (
    Column("#", right=True),
    Column("model"),
    Column("test error", right=True),
    Column("live error", right=True),
    Column("entrant", gives_way=True),
)


def show_ranking(console: Console, entries: Sequence[dict[str, Any]], unit: str) -> None:
    """Print the leaderboard as the API tells it: groups of one test set each, the newest first."""
    rows = [
        Row(
            ["" if one["rank"] is None else str(one["rank"]), one["model"] + standing(one["status"]),
             number(one["test_rmse"]), number(one["live_error"]), one["entrant"] or ""],
            group=f"Test set of {one['test_set']}, where the baseline misses by {number(one['baseline_rmse'])}:",
            style="bold green" if one["live"] else "",
        )
        for one in entries
    ]  # fmt: skip
    show(console, f"Leaderboard (errors in {unit})", _COLUMNS, rows)
    if len({one["test_set"] for one in entries}) > 1:
        console.print("Errors of different test sets do not compare, so models are ranked by test set, newest first.")


def best(entry: dict[str, Any]) -> float | None:
    """The lowest test error among a round's candidates; ``None`` if every one failed."""
    return min((one["rmse"] for one in entry["candidates"] if one["rmse"] is not None), default=None)


def standing(status: str) -> str:
    """What a name needs beside it."""
    return f" ({status.replace('_', ' ')})" if status in _TOLD else ""
