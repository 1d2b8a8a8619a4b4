"""Releasing the lock that admits one round at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rounds.records import RoundLock

if TYPE_CHECKING:
    from rounds.store import Store


def release_round_lock(store: Store, round_name: str, *, event: str | None = None) -> None:
    """Free the lock if this round holds it, else change nothing; with ``event``, only if that event acquired it.

    Raises ``ContentionError`` if other writers kept changing the lock.
    """

    def release(lock: RoundLock) -> RoundLock | None:
        holder = lock.holder
        is_held = holder is not None and holder.round == round_name and event in {None, holder.event}
        return lock.model_copy(update={"holder": None}) if is_held else None

    store.update(RoundLock, RoundLock.ONLY_NAME, release)
