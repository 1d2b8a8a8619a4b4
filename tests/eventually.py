"""How tests wait for what takes an unknown time: they poll, and fail with what they saw last."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

POLL_SECONDS = 0.2


def eventually[Result](
    read: Callable[[], Result],
    condition: Callable[[Result], object] = bool,
    *,
    seconds: float = 60,
    failure: str = "the condition does not hold",
) -> Result:
    """Call ``read`` until ``condition`` accepts its result, and return that result.

    Fails the test with ``failure`` and the last result when ``seconds`` are over.
    """
    deadline = time.monotonic() + seconds
    while not condition(result := read()):
        if time.monotonic() > deadline:
            pytest.fail(f"{failure} after {seconds:g} s: {result!r}")
        time.sleep(POLL_SECONDS)
    return result
