"""Whether the endpoint is down on purpose, asked of the table when nothing serves, and remembered for a while.

Only then: a planner whose model answers never waits for the table. And never for long: who does not know takes it for a
fault, which is what an alarm is for.
"""

from __future__ import annotations

import os
import time
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from rounds import Store

TTL_SECONDS = 20.0
TIMEOUT_SECONDS = 0.3


@cache
def get_store() -> Store:
    """The table of rounds, for whom no model answers; the others need none of its packages."""
    import boto3  # noqa: PLC0415 - see above
    from botocore.config import Config  # noqa: PLC0415 - see above

    from rounds import Store  # noqa: PLC0415 - see above

    patience = Config(
        connect_timeout=TIMEOUT_SECONDS,
        read_timeout=TIMEOUT_SECONDS,
        retries={"mode": "standard", "total_max_attempts": 1},
    )
    return Store(boto3.resource("dynamodb", config=patience).Table(os.environ["TABLE_NAME"]))


def is_endpoint_paused(store: Store, endpoint: str) -> bool:
    """Whether an operator took the endpoint down, or it is on its way back. False if the table does not say."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - with the table's other packages

    from rounds import Endpoint  # noqa: PLC0415 - see above

    try:
        seen = store.get(Endpoint, endpoint)
    except (BotoCoreError, ClientError):
        return False
    return seen is not None and seen.pause is not None


class TtlCache:
    """An answer that is asked for again only after ``TTL_SECONDS``."""

    def __init__(self, ask: Callable[[], bool], clock: Callable[[], float] = time.monotonic) -> None:
        self._ask, self._clock = ask, clock
        self._answer, self._until = False, float("-inf")

    def __call__(self) -> bool:
        """The answer."""
        if self._clock() >= self._until:
            self._answer = self._ask()
            self._until = self._clock() + TTL_SECONDS
        return self._answer
