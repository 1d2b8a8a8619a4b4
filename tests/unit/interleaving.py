"""Functions at work at the same time, on one cloud: who makes the next request to AWS is said beforehand."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock, Thread, current_thread
from typing import TYPE_CHECKING, Any, Self

from tests.unit.fake_aws import Steps
from tests.unit.fault_injection import invoke_with_retries

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.fake_aws import Cloud


class _GivenUpError(BaseException):
    """The test is over, and the function is not."""


@dataclass(slots=True)
class Interleaving(Steps):
    """Requests wait for their turn. Use it as a context; only one function runs at any moment."""

    working: dict[str, _Worker] = field(default_factory=dict)

    def take[Answer](self, do: Callable[[], Answer]) -> Answer:
        worker = self.working.get(current_thread().name)
        if worker is None:  # the test itself
            return do()
        worker.wait_for_turn()
        worker.requests += 1
        return do()

    def start(self, name: str, handle: Callable[[], Any]) -> None:
        """Let a function get as far as its first request. Lambda tries it again when it fails."""
        worker = self.working[name] = _Worker(name, handle)
        worker.start()

    def give(self, name: str, requests: int = 1) -> bool:
        """Let a function make ``requests`` requests, or fewer if it ends before. Raises what ended it.

        False, and nothing done, if it had ended already.
        """
        return self.working[name].turn(requests)

    def kill(self, name: str) -> None:
        """Let a function make no request any more, as if its process had died."""
        self.working[name].give_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.working.values():
            worker.give_up()


def _held_lock() -> Lock:
    """A lock that a thread waits for and another one releases: a hand-over that costs less than a semaphore."""
    lock = Lock()
    lock.acquire()
    return lock


@dataclass(slots=True)
class _Worker:
    name: str
    handle: Callable[[], Any]
    mine: Lock = field(default_factory=_held_lock)
    back: Lock = field(default_factory=_held_lock)
    thread: Thread | None = None
    requests: int = 0
    budget: int = 0
    """Requests that it may make before it hands back."""
    ended: bool = False
    given_up: bool = False
    error: BaseException | None = None

    def start(self) -> None:
        self.thread = Thread(target=self._work, name=self.name)
        self.thread.start()
        self.back.acquire()
        if self.error is not None:
            raise self.error

    def _work(self) -> None:
        with suppress(_GivenUpError):
            try:
                invoke_with_retries(self.handle)
            except Exception as error:  # noqa: BLE001 (raised where the test gives turns)
                self.error = error
        self.ended = True
        self.back.release()

    def wait_for_turn(self) -> None:
        if self.budget:
            self.budget -= 1
            return
        self.back.release()
        self.mine.acquire()
        if self.given_up:
            raise _GivenUpError

    def turn(self, requests: int) -> bool:
        if not self.ended and requests:
            self.budget = requests - 1
            self.mine.release()
            self.back.acquire()
            if self.error is not None:
                raise self.error
            return True
        return False

    def give_up(self) -> None:
        if self.given_up:
            return
        self.given_up = True
        self.mine.release()
        if self.thread is not None:
            self.thread.join()


def interleave(cloud: Cloud) -> Interleaving:
    """Let every service of ``cloud`` answer in turns from now on."""
    turns = Interleaving()
    cloud.count_requests_in(turns)
    return turns
