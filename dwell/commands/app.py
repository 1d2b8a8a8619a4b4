"""All commands of ``dwell``."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from dwell.commands import operate as operations
from dwell.commands.athena_table import table
from dwell.commands.fleet import app as fleet
from dwell.commands.local import app as local
from dwell.commands.plan import plan_command
from dwell.commands.run import run
from feature_schema import TARGET

app = typer.Typer(
    help=f"Predicts {TARGET.name} ({TARGET.meaning}), and keeps that prediction right by itself.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dwell {version('dwell')}")
        raise typer.Exit


@app.callback()
def dwell(
    *,
    _wanted: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version, and end.")
    ] = False,
) -> None:
    """Options of the command itself."""


app.command("run")(run)
operations.add_to(app)
app.command("table")(table)
app.command("plan")(plan_command)
app.add_typer(fleet, name="fleet")
app.add_typer(local, name="local")
