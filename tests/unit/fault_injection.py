"""Trouble between a function and AWS: at chosen requests of a whole story, one of five kinds, and Lambda's retries."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError

from tests.unit.fake_aws import ProcessDied, Steps

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.fake_aws import Cloud

type FaultKind = Literal["dies_before", "dies_after", "refused", "answer_lost", "asked_again"]
"""The process dies before or after the request took effect; the request is refused even after botocore's retries; it
took effect, and its answer is lost for good; or its answer is lost, and botocore asks once more."""

FAULT_KINDS: tuple[FaultKind, ...] = get_args(FaultKind.__value__)

ATTEMPTS = 3
"""Lambda's own, for one asynchronous event."""


class RetriesExhaustedError(RuntimeError):
    """The event failed in every attempt: on AWS it lies in the failures queue now."""


@dataclass(slots=True)
class FaultInjector(Steps):
    """``Steps`` that run into trouble at the requests in ``troubles``, counted from 1 over the whole story."""

    troubles: dict[int, FaultKind] = field(default_factory=dict)
    met: list[int] = field(default_factory=list)

    def take[Answer](self, do: Callable[[], Answer]) -> Answer:
        self.count += 1
        kind = self.troubles.get(self.count)
        if kind is None:
            return do()
        self.met.append(self.count)
        if kind == "dies_before":
            raise ProcessDied
        if kind == "refused":
            raise ClientError({"Error": {"Code": "InternalFailure", "Message": "try again"}}, "Any")
        lost: Any = ConnectionClosedError(endpoint_url="https://aws")
        try:
            do()
        except ClientError:
            # A refusal is an answer like any other, and gets lost like any other.
            if kind == "asked_again":
                raise
            raise (ProcessDied() if kind == "dies_after" else lost) from None
        if kind == "dies_after":
            raise ProcessDied
        if kind == "answer_lost":
            raise lost
        return do()


def inject_faults(cloud: Cloud, troubles: dict[int, FaultKind]) -> FaultInjector:
    """Let every service of ``cloud`` run into the same troubles from now on."""
    steps = FaultInjector(troubles=troubles)
    cloud.count_requests_in(steps)
    return steps


def invoke_with_retries(handle: Callable[[], Any]) -> int:
    """Invoke a function as Lambda does with an asynchronous event; how many attempts it took.

    Raises ``RetriesExhaustedError``.
    """
    for attempt in range(1, ATTEMPTS + 1):
        # What a function may raise: errors of AWS, and its own that ask for another attempt.
        with suppress(ProcessDied, ClientError, BotoCoreError, RuntimeError):
            handle()
            return attempt
    raise RetriesExhaustedError
