"""What goes wrong, for whom, and how often: rules that decide by themselves, the same way for the same seed."""

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
"""``throttled``, ``failed`` (500), ``unavailable`` (503), ``denied`` (403) and ``model_failed`` (424) are answers in
the format of the service. ``slow`` waits before the request takes effect. ``reset`` drops the connection before that,
``answer_lost`` after it; ``killed_before`` and ``killed_after`` end the calling function's process there.
``partly_refused`` refuses some entries of a ``PutRecords``. ``nonsense`` and ``cut_in_half`` spoil an answer. ``twice``
and ``late`` are for events on their way to functions."""

FAULTS: frozenset[str] = frozenset(get_args(Fault.__value__))

DELIVER = "deliver"
"""The action of an event that goes to a function; its caller is the function's name."""


@dataclass(frozen=True, slots=True)
class Rule:
    """``caller`` and ``action`` are patterns (``*``): a role's name, and an IAM action such as ``s3:PutObject``.

    ``rate`` is the share of calls that are hit, of the first ``at_most`` hits (none: all); ``seconds`` how long a slow
    answer or a late delivery takes at most.
    """

    caller: str
    action: str
    fault: str
    rate: float = 1.0
    at_most: int | None = None
    seconds: float = 1.0

    def __post_init__(self) -> None:
        if self.fault not in FAULTS:
            raise ValueError(f"no fault is called {self.fault!r}; there are {', '.join(sorted(FAULTS))}")
        if not 0 <= self.rate <= 1:
            raise ValueError(f"{self.rate} is no share of calls")


@dataclass(slots=True)
class Rules:
    """Rules at work. The n-th call that a rule looks at is hit or not by the seed alone; the first rule to hit wins."""

    rules: tuple[Rule, ...] = ()
    seed: int = 0
    injected: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Hits by the rule's caller, the action and the fault."""
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Calls by rule's caller and action, whether hit or not."""
    _draws: dict[int, random.Random] = field(default_factory=dict)
    _hits: Counter[int] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def choose(self, caller: str, action: str) -> Rule | None:
        """The rule that hits this call, if one does."""
        with self._lock:
            seen = False
            for number, rule in enumerate(self.rules):
                if not (fnmatchcase(caller, rule.caller) and fnmatchcase(action, rule.action)):
                    continue
                if not seen:
                    seen = True
                    self.calls[rule.caller, action] += 1
                if rule.at_most is not None and self._hits[number] >= rule.at_most:
                    continue
                if self._draw(number).random() < rule.rate:
                    self._hits[number] += 1
                    self.injected[rule.caller, action, rule.fault] += 1
                    return rule
        return None

    def share(self) -> float:
        """Any number from 0 to 1, for what a hit leaves open."""
        with self._lock:
            return self._draw(-1).random()

    def _draw(self, number: int) -> random.Random:
        if number not in self._draws:
            self._draws[number] = random.Random(f"{self.seed}/{number}")  # noqa: S311 (faults, not secrets)
        return self._draws[number]

    def report(self) -> dict[str, list[dict[str, Any]]]:
        """What was called and what was hit, JSON-ready."""
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


def read(document: dict[str, Any]) -> Rules:
    """Rules from ``{"seed": 1, "rules": [{"caller", "action", "fault", ...}]}``. Raises ``ValueError``."""
    entries: Iterable[dict[str, Any]] = document.get("rules", [])
    try:
        return Rules(tuple(Rule(**entry) for entry in entries), int(document.get("seed", 0)))
    except TypeError as error:
        raise ValueError(f"not a rule: {error}") from error
