"""Whether an operator paused the endpoint. Read from the table only if no model is deployed, and cached for some time.

A request with a working model never waits for the table. If the table cannot be read, the missing model counts as a
fault, which an alarm reports.
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
"""Of connecting to and of reading from the table."""


@cache
def get_store() -> Store:
    """Return the table's store. Its packages are imported here, since other requests do not need them."""
    import boto3  # noqa: PLC0415 - see above
    from botocore.config import Config  # noqa: PLC0415 - see above

    from rounds import Store  # noqa: PLC0415 - see above

    config = Config(
        connect_timeout=TIMEOUT_SECONDS,
        read_timeout=TIMEOUT_SECONDS,
        retries={"mode": "standard", "total_max_attempts": 1},
    )
    return Store(boto3.resource("dynamodb", config=config).Table(os.environ["TABLE_NAME"]))


def is_endpoint_paused(store: Store, endpoint_name: str) -> bool:
    """Return whether an operator paused the endpoint or it is resuming. False if the table cannot be read."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - imported with the table's packages

    from rounds import Endpoint  # noqa: PLC0415 - imported with the table's packages

    try:
        endpoint = store.get(Endpoint, endpoint_name)
    except (BotoCoreError, ClientError):
        return False
    return endpoint is not None and endpoint.pause is not None


class TtlCache:
    """Caches the result of a function for ``TTL_SECONDS``."""

    def __init__(self, load: Callable[[], bool], clock: Callable[[], float] = time.monotonic) -> None:
        self._load, self._clock = load, clock
        self._value, self._expires_at = False, float("-inf")

    def __call__(self) -> bool:
        """Return the cached value, loaded again if it has expired."""
        if self._clock() >= self._expires_at:
            self._value = self._load()
            self._expires_at = self._clock() + TTL_SECONDS
        return self._value
