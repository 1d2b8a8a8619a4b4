"""How many threads work on so many rows."""

from __future__ import annotations

import os

ROWS_PER_THREAD = 50_000


def thread_count(rows: int) -> int:
    """At least 1, at most the processors that this process may use.

    Threads that wait for each other in every round lose far more on a busy machine than they gain on few rows.
    """
    return max(1, min(len(os.sched_getaffinity(0)), rows // ROWS_PER_THREAD))
