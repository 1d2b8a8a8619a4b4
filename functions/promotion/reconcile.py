"""One event: observe, decide, apply."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promotion.apply import ConflictError, apply
from promotion.decide import decide
from promotion.observe import observe

if TYPE_CHECKING:
    from promotion.context import Context
    from promotion.events import Event
    from promotion.outcomes import Result

MAX_ATTEMPTS = 3
"""A record has two or three writers; losing to them this often in a row means that something else is wrong."""


def reconcile(event: Event, context: Context) -> Result:
    """Bring SageMaker and the table to where ``event`` wants them; repeating it does no harm.

    Raises ``ConflictError`` if records keep changing meanwhile. Errors of AWS pass through: the event is tried again.
    """
    for attempt in range(1, MAX_ATTEMPTS + 1):
        observation = observe(event, context)
        decision = decide(observation, event, context.settings)
        try:
            apply(decision.actions, observation, context)
        except ConflictError:
            if attempt == MAX_ATTEMPTS:
                raise
            continue
        return decision.result
    raise AssertionError("unreachable")
