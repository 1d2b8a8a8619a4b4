"""Records and stores for tests of the rounds layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rounds import Round, Store
from tests.unit.fake_aws import NOW

if TYPE_CHECKING:
    from tests.unit.fake_aws import Cloud


def make_store(cloud: Cloud) -> Store:
    """A store over the fake table."""
    table, *_ = cloud.clients()
    return Store(table)


def make_round(name: str = "20261123T063900Z-model-error", **changes: Any) -> Round:
    """A started round."""
    return Round.model_validate(
        {
            "name": name,
            "cause": "model-error",
            "trigger": "alarm",
            "event": "e",
            "started_at": NOW,
            "job": f"dwell-{name}",
            **changes,
        }
    )
