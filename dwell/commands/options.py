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

from dwell.client.leaderboard import BoardError
from dwell.client.signed_api import NotSignableError
from dwell.client.stack import StackError
from dwell.console.aws_errors import explain, is_about_an_endpoint
from dwell.console.output_errors import is_unwritable
from dwell.messaging.publisher import NoTopicError, PublishError
from dwell.messaging.samples_file import SamplesFileError
from dwell.operations.endpoint_requests import EndpointError
from dwell.operations.function_response import UnusableRequestError
from dwell.operations.publish_journal import JournalError, JournalPlaceError
from dwell.operations.quarantine_replay import DamagedObjectError
from dwell.operations.retraining_requests import RetrainingError

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
