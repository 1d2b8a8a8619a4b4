"""What the operators' commands have in common: their options, how they end, and how they print."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from rich.console import Console

from dwell.api import NotSignableError
from dwell.aws_errors import explain, is_about_an_endpoint
from dwell.board import BoardError
from dwell.fleet.publisher import NoTopicError, PublishError
from dwell.operations.endpoint import EndpointError
from dwell.operations.function_answer import UnusableRequestError
from dwell.operations.journal import JournalError, JournalPlaceError
from dwell.operations.quarantine import DamagedObjectError
from dwell.operations.retraining import RetrainingError
from dwell.operations.samples_file import SamplesFileError
from dwell.stack import StackError
from dwell.unwritable import is_unwritable

if TYPE_CHECKING:
    from collections.abc import Iterator

FAILED, UNUSABLE, INTERRUPTED = 1, 2, 130
"""Exit statuses: what was asked for did not happen; the call or its file makes no sense; a signal ended it."""

StackName = Annotated[str, typer.Option("--stack", help="Which stack; AWS or a laptop is the environment's choice.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

out = Console(soft_wrap=True, highlight=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)


def end(message: str, status: int = FAILED) -> typer.Exit:
    """Say why, and answer the exception that ends the command."""
    err.print(message, style="red", markup=False)
    return typer.Exit(status)


@contextmanager
def explained() -> Iterator[None]:
    """Turn what can go wrong between here and a stack into a sentence and an exit status."""
    try:
        yield
    except (BotoCoreError, ClientError, ResponseParserError) as error:
        raise end(explain(error)) from error
    except (JournalPlaceError, NoTopicError, SamplesFileError, UnusableRequestError) as error:
        raise end(str(error), UNUSABLE) from error
    except ValueError as error:
        if not is_about_an_endpoint(error):
            raise
        raise end(f"{error}: is AWS_ENDPOINT_URL the URL of an AWS?", UNUSABLE) from error
    except OSError as error:
        if is_unwritable(error):
            raise
        raise end(str(error)) from error
    except (
        BoardError,
        DamagedObjectError,
        EndpointError,
        JournalError,
        NotSignableError,
        PublishError,
        RetrainingError,
        StackError,
    ) as error:
        raise end(str(error)) from error


def say_json(value: object) -> None:
    """To standard output, which then has nothing else. Raises ``ValueError`` for what JSON has no number for."""
    sys.stdout.write(json.dumps(value, indent=2, allow_nan=False) + "\n")
