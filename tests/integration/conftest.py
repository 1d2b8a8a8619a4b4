"""What integration tests share: one emulator, with nothing deployed on it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from dwell.local import laptop as local

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def laptop(request: pytest.FixtureRequest) -> Iterator[local.Laptop]:
    """A fresh emulator on a free port, for the whole session: name what you create so that tests do not meet.

    Its log stays in ``build/local/`` when a test failed.
    """
    log = local.ROOT / "build" / "local" / f"tests-{os.getpid()}.log"
    with local.running(log=log) as running:
        yield running
    if not request.session.testsfailed:
        log.unlink(missing_ok=True)
