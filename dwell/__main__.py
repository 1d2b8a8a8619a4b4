"""The command ``dwell``: whatever ends it from outside ends it with a status, and without a traceback."""

from __future__ import annotations

import os
import sys

from dwell.console.output_errors import is_unwritable

FAILED, INTERRUPTED = 1, 130


def main() -> None:
    """The entry point of the command."""
    try:
        try:
            # Here, since it takes a second, in which Ctrl-C is as likely as later.
            from dwell.commands.app import app  # noqa: PLC0415

            app()
        finally:
            if sys.__stdout__ is not None:
                sys.__stdout__.flush()  # here, since nobody could answer what goes wrong when the interpreter does it
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except OSError as error:
        if not is_unwritable(error):
            raise
        _write_no_more()
        # Who reads no more of it, such as `head`, has what it wanted.
        sys.exit(FAILED if isinstance(error, BrokenPipeError) else f"cannot write: {error.strerror}")


def _write_no_more() -> None:
    """What is still buffered would fail again when the interpreter ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.__stdout__.fileno() if sys.__stdout__ is not None else 1)
    os.close(nowhere)


if __name__ == "__main__":
    main()
