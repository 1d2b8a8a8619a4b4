"""Exit statuses of ``dwell``. Commands document their own meaning of each in their ``--help``."""

from __future__ import annotations

FAILED = 1
"""The request was valid, and was not carried out."""

UNUSABLE = 2
"""The arguments or the input file are invalid."""

NOT_RUNNING = 3
"""``dwell local status`` and ``dwell local env``: the local AWS is not running."""

INTERRUPTED = 130
"""Ended by SIGINT (128 + 2), as a shell reports it."""

TERMINATED = 143
"""Ended by SIGTERM (128 + 15), as a shell reports it."""
