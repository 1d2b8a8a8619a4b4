"""SIGINT and SIGTERM as a request to stop: the command finishes what is under way instead of dying in the middle."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from threading import Event


@contextmanager
def stop_on_signal(stop: Event) -> Iterator[None]:
    """Set ``stop`` on SIGINT and SIGTERM while the block runs; the previous handlers are restored after it."""
    previous = {
        number: signal.signal(number, lambda _number, _frame: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
