"""One event at a time: SageMaker and the table cannot be changed in one step, so nobody looks in between.

Lambda answers events in as many environments as there are events. Reserved concurrency would do without code, but is
refused where an account has few executions left, and its limit is the account's, not this stack's.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from rounds import Turn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from promotion.context import Surroundings

PATIENCE = timedelta(seconds=12)
"""Others take a second or two; whoever still waits after that is tried again by Lambda.

Three attempts together wait longer than one that died keeps the turn: nobody is given up for the death of another.
"""
_FIRST_LOOK, _LONGEST_PAUSE = 0.25, 2.0
"""Seconds after which it looks again at first, and at most; each pause is twice as long as the one before."""
CLOCKS = timedelta(seconds=5)
"""How far the clocks of two environments may be apart."""


class BusyError(RuntimeError):
    """Another event is being answered. This one is to be tried again."""


@contextmanager
def taken(holder: str, around: Surroundings, *, lease: timedelta) -> Iterator[None]:
    """Answer an event while no other is being answered; it waits for that. Raises ``BusyError``.

    ``holder`` is the request, whose next attempt goes on where one died; ``lease`` is how long this attempt can last.
    Others go on when that is over.
    """
    name = around.settings.endpoint
    end = around.clock() + PATIENCE
    around.store.create(Turn(name=name))
    pause = _FIRST_LOOK
    while around.store.update(Turn, name, lambda one: _take(one, holder, around, lease)) is None:
        if around.clock() >= end:
            raise BusyError(f"another event is being answered for longer than {PATIENCE.total_seconds():.0f} s")
        around.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
    try:
        yield
    except Exception:
        _leave(holder, around)
        raise
    _leave(holder, around)


def _take(one: Turn, holder: str, around: Surroundings, lease: timedelta) -> Turn | None:
    now = around.clock()
    if one.holder not in {None, holder} and one.until is not None and now < one.until + CLOCKS:
        return None
    return one.model_copy(update={"holder": holder, "until": now + lease})


def _leave(holder: str, around: Surroundings) -> None:
    around.store.update(
        Turn,
        around.settings.endpoint,
        lambda one: one.model_copy(update={"holder": None, "until": None}) if one.holder == holder else None,
    )
