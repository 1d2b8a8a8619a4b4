"""``dwell table``: the stored samples as an Athena table."""

from __future__ import annotations

from typing import Annotated

import boto3
import typer

from dwell.client.stack import find
from dwell.commands.error_reporting import report_errors
from dwell.console.terminal import err
from dwell.operations import athena


def table(
    *,
    stack: Annotated[str, typer.Option(help="Name of the stack.")] = "dwell",
    bucket: Annotated[str | None, typer.Option(help="The bucket of the samples, instead of a stack's.")] = None,
    database: Annotated[str, typer.Option(help="Database of the table; it must exist.")] = "default",
    name: Annotated[str, typer.Option(help="Name of the table.")] = "samples",
    create: Annotated[bool, typer.Option("--create", help="Also create it through Athena.")] = False,
    workgroup: Annotated[str, typer.Option(help="Athena's workgroup, for --create.")] = "primary",
    results: Annotated[
        str | None, typer.Option(help="S3 URI for Athena's results, if the workgroup has none; for --create.")
    ] = None,
) -> None:
    """Print the statement that creates an Athena table of the stored samples, or create it."""
    with report_errors():
        statement = athena.build_ddl(bucket or find(stack).bucket, database=database, table=name)
        typer.echo(f"{statement};")
        if create:
            client = boto3.Session().client("athena")
            athena.run(client, statement, database=database, workgroup=workgroup, results=results)
            err.print(f"The table {database}.{name} is created.")
