"""One event is answered at a time; who waits, for how long, and who goes on when an attempt dies."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools import Logger

from promotion import handler, turn
from rounds import Turn
from tests.template import resources
from tests.unit.fake_aws import ENDPOINT, Cloud, ProcessDied
from tests.unit.promotion.test_job_end import a_cloud, around

if TYPE_CHECKING:
    from collections.abc import Callable

    from promotion.context import Surroundings
    from tests.unit.conftest import Context

LEASE = timedelta(minutes=2)


def world(cloud: Cloud) -> Surroundings:
    """Who waits makes the time go by."""
    return replace(around(cloud), sleep=lambda seconds: cloud.move(timedelta(seconds=seconds)))


def held(cloud: Cloud) -> str | None:
    found = around(cloud).store.get(Turn, ENDPOINT)
    assert found is not None
    return found.holder


def die(cloud: Cloud, holder: str) -> None:
    with pytest.raises(ProcessDied), turn.taken(holder, world(cloud), lease=LEASE):
        raise ProcessDied


def test_it_is_taken_and_given_back_also_after_an_error() -> None:
    cloud = Cloud()
    with turn.taken("a", world(cloud), lease=LEASE):
        assert held(cloud) == "a"
    assert held(cloud) is None
    with pytest.raises(ValueError, match="wrong"), turn.taken("a", world(cloud), lease=LEASE):
        raise ValueError("wrong")
    assert held(cloud) is None


def test_another_waits_and_then_is_told_to_come_again() -> None:
    cloud = Cloud()
    with turn.taken("a", world(cloud), lease=LEASE):
        began = cloud.time
        with pytest.raises(turn.BusyError, match="12 s"), turn.taken("b", world(cloud), lease=LEASE):
            pass
        assert turn.PATIENCE <= cloud.time - began < turn.PATIENCE + timedelta(seconds=2)
        assert held(cloud) == "a"
    with turn.taken("b", world(cloud), lease=LEASE):
        assert held(cloud) == "b"


def test_nobody_is_given_up_for_the_death_of_another() -> None:
    lease = resources("AWS::Serverless::Function")["PromotionFunction"]["Timeout"]
    assert 3 * turn.PATIENCE.total_seconds() > lease + turn.CLOCKS.total_seconds()


def test_it_goes_on_as_soon_as_the_other_has_ended() -> None:
    cloud = Cloud()
    other = turn.taken("a", world(cloud), lease=LEASE)
    other.__enter__()
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            other.__exit__(None, None, None)

    with turn.taken("b", replace(world(cloud), sleep=sleep), lease=LEASE):
        assert (held(cloud), len(waited)) == ("b", 3)


def test_the_next_attempt_of_who_died_goes_on_at_once() -> None:
    cloud = Cloud()
    die(cloud, "a")
    assert held(cloud) == "a"
    before = cloud.time
    with turn.taken("a", world(cloud), lease=LEASE):
        assert cloud.time == before
    assert held(cloud) is None


def test_others_go_on_when_the_attempt_that_died_cannot_be_alive() -> None:
    cloud = Cloud()
    die(cloud, "a")
    cloud.move(LEASE)
    with turn.taken("b", world(cloud), lease=LEASE):
        assert held(cloud) == "b"
    # and who comes back after that gives back nothing that is not its own
    other = turn.taken("a", world(cloud), lease=timedelta(0))
    other.__enter__()
    cloud.move(timedelta(seconds=6))
    with turn.taken("b", world(cloud), lease=LEASE):
        other.__exit__(None, None, None)
        assert held(cloud) == "b"


@pytest.mark.usefixtures("lambda_environment")
def test_an_operator_is_told_to_ask_again_and_an_event_is_tried_again(
    event: Callable[[str], dict[str, Any]], context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = a_cloud()
    monkeypatch.setattr(handler, "surroundings", lambda: world(cloud))
    monkeypatch.setattr(handler, "logger", Logger(service="dwell", stream=io.StringIO()))
    with turn.taken("another", world(cloud), lease=LEASE):
        answer = handler.handler(event("pause-manual"), context)  # type: ignore[arg-type]  # as far as it is used
        assert (answer["outcome"], answer["reason"]) == ("refused", "busy")
        with pytest.raises(turn.BusyError):
            handler.handler(event("endpoint-in-service"), context)  # type: ignore[arg-type]
    assert handler.handler(event("pause-manual"), context)["reason"] == "paused"  # type: ignore[arg-type]
    assert held(cloud) is None
