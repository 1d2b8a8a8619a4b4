"""``dwell table``: the stored samples for whoever prefers SQL."""

from __future__ import annotations

from typing import Annotated

import boto3
import typer
from botocore.exceptions import BotoCoreError, ClientError

from dwell.client.stack import StackError, find
from dwell.commands.options import UNUSABLE, end, err
from dwell.operations import athena


def table(
    *,
    stack: Annotated[str, typer.Option(help="Whose samples.")] = "dwell",
    bucket: Annotated[str | None, typer.Option(help="The bucket of the samples, instead of a stack's.")] = None,
    database: Annotated[str, typer.Option(help="Database of the table; it must exist.")] = "default",
    name: Annotated[str, typer.Option(help="Name of the table.")] = "samples",
    create: Annotated[bool, typer.Option("--create", help="Create it through Athena, besides printing it.")] = False,
    workgroup: Annotated[str, typer.Option(help="Athena's workgroup, for --create.")] = "primary",
    results: Annotated[
        str | None, typer.Option(help="S3 URI for Athena's results, if the workgroup has none; for --create.")
    ] = None,
) -> None:
    """Print the statement that makes a table of the stored samples for Athena, or create it."""
    try:
        statement = athena.ddl(bucket or find(stack).bucket, database=database, table=name)
        typer.echo(f"{statement};")
        if create:
            client = boto3.Session().client("athena")
            athena.run(client, statement, database=database, workgroup=workgroup, results=results)
            err.print(f"{database}.{name} is there.")
    except ValueError as error:
        raise end(str(error), UNUSABLE) from error
    except (StackError, athena.AthenaError, BotoCoreError, ClientError) as error:
        raise end(str(error)) from error
