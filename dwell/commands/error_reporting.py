"""Turns the errors of a command into a message on standard error and an exit status."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from dwell.console.aws_errors import explain, is_invalid_endpoint
from dwell.console.errors import ReportedError
from dwell.console.exit_status import UNUSABLE
from dwell.console.output_errors import is_unwritable
from dwell.console.terminal import exit_with

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def report_errors() -> Iterator[None]:
    """Report what can go wrong between the command line and a stack. Programming errors keep their traceback."""
    try:
        yield
    except ReportedError as error:
        raise exit_with(str(error), error.exit_status) from error
    except (BotoCoreError, ClientError, ResponseParserError) as error:
        raise exit_with(explain(error)) from error
    except ValueError as error:
        if not is_invalid_endpoint(error):
            raise
        raise exit_with(f"{error}: is AWS_ENDPOINT_URL the URL of an AWS?", UNUSABLE) from error
    except OSError as error:
        if is_unwritable(error):
            raise
        raise exit_with(str(error)) from error
