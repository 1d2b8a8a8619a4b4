"""Rules of injected faults: what fails, for which caller, and how often. The same seed gives the same decisions."""

from __future__ import annotations

import random
import threading
from collections import Counter
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Iterable

type Fault = Literal[
    "throttled",
    "failed",
    "unavailable",
    "denied",
    "model_failed",
    "slow",
    "reset",
    "answer_lost",
    "killed_before",
    "killed_after",
    "partly_refused",
    "nonsense",
    "cut_in_half",
    "twice",
    "late",
]
"""``throttled``, ``failed`` (500), ``unavailable`` (503), ``denied`` (403) and ``model_failed`` (424) are responses in
the format of the service. ``slow`` delays the request. ``reset`` closes the connection before the request takes effect,
``answer_lost`` afterwards; ``killed_before`` and ``killed_after`` also kill the calling function's process.
``partly_refused`` fails some entries of a ``PutRecords``. ``nonsense`` and ``cut_in_half`` corrupt a response.
``twice`` and ``late`` are for the delivery of events to functions."""

FAULTS: frozenset[str] = frozenset(get_args(Fault.__value__))

DELIVER = "deliver"
"""The action of a delivery of an event to a function; the caller is the function's name."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A fault for calls that match: ``caller`` (a role's name) and ``action`` (an IAM action) may contain ``*``.

    ``rate`` is the share of calls that fail, until ``at_most`` calls have failed (None: no limit). ``seconds`` is the
    maximum delay of ``slow`` and ``late``.
    """

    caller: str
    action: str
    fault: str
    rate: float = 1.0
    at_most: int | None = None
    seconds: float = 1.0

    def __post_init__(self) -> None:
        if self.fault not in FAULTS:
            raise ValueError(f"{self.fault!r} is not a fault; faults are {', '.join(sorted(FAULTS))}")
        if not 0 <= self.rate <= 1:
            raise ValueError(f"rate must be between 0 and 1, not {self.rate}")


@dataclass(slots=True)
class Rules:
    """The active rules. The seed alone decides about a rule's n-th call; the first rule that decides to fail wins."""

    rules: tuple[Rule, ...] = ()
    seed: int = 0
    injected: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Injected faults by the rule's caller, the action and the fault."""
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Calls by the rule's caller and the action, with or without a fault."""
    _draws: dict[int, random.Random] = field(default_factory=dict)
    _hits: Counter[int] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def choose(self, caller: str, action: str) -> Rule | None:
        """The rule that makes this call fail, or None."""
        with self._lock:
            is_counted = False
            for number, rule in enumerate(self.rules):
                if not (fnmatchcase(caller, rule.caller) and fnmatchcase(action, rule.action)):
                    continue
                if not is_counted:
                    is_counted = True
                    self.calls[rule.caller, action] += 1
                if rule.at_most is not None and self._hits[number] >= rule.at_most:
                    continue
                if self._draw(number).random() < rule.rate:
                    self._hits[number] += 1
                    self.injected[rule.caller, action, rule.fault] += 1
                    return rule
        return None

    def draw_share(self) -> float:
        """A random number from 0 to 1, for details of a fault."""
        with self._lock:
            return self._draw(-1).random()

    def _draw(self, number: int) -> random.Random:
        if number not in self._draws:
            self._draws[number] = random.Random(f"{self.seed}/{number}")  # noqa: S311 (faults, not secrets)
        return self._draws[number]

    def report(self) -> dict[str, list[dict[str, Any]]]:
        """The counted calls and faults, ready for JSON."""
        with self._lock:
            return {
                "calls": [
                    {"caller": caller, "action": action, "count": count}
                    for (caller, action), count in sorted(self.calls.items())
                ],
                "injected": [
                    {"caller": caller, "action": action, "fault": fault, "count": count}
                    for (caller, action, fault), count in sorted(self.injected.items())
                ],
            }


def parse_rules(document: dict[str, Any]) -> Rules:
    """Parse ``{"seed": 1, "rules": [{"caller", "action", "fault", ...}]}``. Raises ``ValueError``."""
    entries: Iterable[dict[str, Any]] = document.get("rules", [])
    try:
        return Rules(tuple(Rule(**entry) for entry in entries), int(document.get("seed", 0)))
    except TypeError as error:
        raise ValueError(f"invalid rule: {error}") from error
