"""The cached state of a pause."""

from __future__ import annotations

import pytest
from botocore.exceptions import ReadTimeoutError

from inference.pause_state import TtlCache, is_endpoint_paused
from tests.unit.inference.factories import ENDPOINT, make_client_error


@pytest.mark.parametrize(
    "error",
    [make_client_error("ProvisionedThroughputExceededException"), ReadTimeoutError(endpoint_url="https://table")],
)
def test_failing_table_counts_as_not_paused(error: Exception) -> None:
    class FailingStore:
        def get(self, *_: object) -> None:
            raise error

    assert is_endpoint_paused(FailingStore(), ENDPOINT) is False  # type: ignore[arg-type]  # has all that the function uses


def test_cache_loads_again_after_ttl() -> None:
    now, state = [0.0], [False]
    cache = TtlCache(lambda: state[0], lambda: now[0])
    assert not cache()
    state[0] = True
    assert not cache()
    now[0] = 20.0
    assert cache()
