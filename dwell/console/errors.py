"""Base classes of the errors whose message is printed to the person at the command line."""

from __future__ import annotations

from dwell.console.exit_status import FAILED, UNUSABLE


class ReportedError(Exception):
    """An error whose message explains itself: the command prints it without a traceback and ends.

    ``exit_status`` is the command's exit status.
    """

    exit_status = FAILED


class InvalidUsageError(ReportedError):
    """The arguments or the input file are invalid: repeating the command will not help."""

    exit_status = UNUSABLE
