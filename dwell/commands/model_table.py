"""The table of ranked models, as ``dwell leaderboard`` and ``dwell run`` print it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dwell.console.numbers import format_number
from dwell.console.tables import Column, Row, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from dwell.client.leaderboard import RankedModel

_SHOWN_STATUSES = {"awaiting_approval", "rejected", "live", "deployed", "rolled_back"}
_COLUMNS = (
    Column("#", right=True),
    Column("model"),
    Column("test error", right=True),
    Column("live error", right=True),
    Column("entrant", gives_way=True),
)


def show_models(console: Console, models: Sequence[RankedModel], unit: str) -> None:
    """Print the models in groups of one test set each, the newest test set first. Errors are in ``unit``."""
    rows = [
        Row(
            ["" if model["rank"] is None else str(model["rank"]), model["model"] + format_model_status(model["status"]),
             format_number(model["test_rmse"]), format_number(model["live_error"]), model["entrant"] or ""],
            group=f"Test set of {model['test_set']}, baseline error {format_number(model['baseline_rmse'])}:",
            style="bold green" if model["live"] else "",
        )
        for model in models
    ]  # fmt: skip
    show(console, f"Leaderboard (errors in {unit})", _COLUMNS, rows)
    if len({model["test_set"] for model in models}) > 1:
        console.print("Errors on different test sets are not comparable; models are ranked by test set, newest first.")


def format_model_status(status: str) -> str:
    """The status to print after a model's name, with a leading space; empty for statuses that are not shown."""
    return f" ({status.replace('_', ' ')})" if status in _SHOWN_STATUSES else ""
