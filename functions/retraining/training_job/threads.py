"""How many threads to use for a number of rows."""

from __future__ import annotations

import os

ROWS_PER_THREAD = 50_000


def count_threads(rows: int) -> int:
    """At least 1, at most the number of processors that this process may use.

    Threads synchronise in every iteration. On a busy machine that costs far more than they gain on few rows.
    """
    return max(1, min(len(os.sched_getaffinity(0)), rows // ROWS_PER_THREAD))
