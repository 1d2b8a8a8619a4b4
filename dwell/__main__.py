"""The entry point of the command ``dwell``: handles signals and unwritable output without a traceback."""

from __future__ import annotations

import os
import sys

from dwell.console.exit_status import FAILED, INTERRUPTED
from dwell.console.output_errors import is_unwritable


def main() -> None:
    """Run the command."""
    try:
        try:
            # Imported here, so that Ctrl-C during the import is handled too.
            from dwell.commands.app import app  # noqa: PLC0415

            app()
        finally:
            if sys.__stdout__ is not None:
                sys.__stdout__.flush()  # an error in the interpreter's own flush could not be handled
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except OSError as error:
        if not is_unwritable(error):
            raise
        _discard_output()
        # A reader that closes the pipe, such as `head`, needs no message.
        sys.exit(FAILED if isinstance(error, BrokenPipeError) else f"cannot write: {error.strerror}")


def _discard_output() -> None:
    """Redirect standard output to the null device: flushing the buffer at exit would fail again."""
    null_device = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null_device, sys.__stdout__.fileno() if sys.__stdout__ is not None else 1)
    os.close(null_device)


if __name__ == "__main__":
    main()
