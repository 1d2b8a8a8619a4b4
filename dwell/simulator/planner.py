"""The planner: asks the HTTP API how long interactions will take, before they happen."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError

from dwell.client.signed_api import Api, api_for
from feature_schema import Prediction

if TYPE_CHECKING:
    from collections.abc import Callable


class PlannerError(Exception):
    """No prediction can be had. ``reason`` is a short code that can be counted."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class Planner:
    """Asks ``POST /predictions``. Safe to use from several threads.

    After ``error_budget`` failures in a row the planner rests for a second, then two, four and at most eight, and every
    question meanwhile fails with ``resting``: robots do not wait for an API that is down.
    """

    def __init__(self, api: Api, *, error_budget: int = 5, clock: Callable[[], float] = time.monotonic) -> None:
        self.requests = 0
        self.answers: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self._api = api
        self._error_budget = error_budget
        self._clock = clock
        self._lock = threading.Lock()
        self._failed_in_a_row = 0
        self._rests_until = 0.0

    def ask(self, instances: list[dict[str, int]], *, single: bool = False) -> list[dict[str, Any]]:
        """A prediction for each instance, as the API gave it. ``single`` asks for exactly one, without a list around.

        Raises ``PlannerError``, and nothing else, whatever the API does.
        """
        with self._lock:
            if self._clock() < self._rests_until:
                raise PlannerError("resting")
            self.requests += 1
        try:
            body = self._post({"features": instances[0]} if single else {"instances": instances})
            predictions = _predictions(body, 1 if single else len(instances), single=single)
        except PlannerError as error:
            self._failed(error.reason)
            raise
        with self._lock:
            self._failed_in_a_row = 0
            self.answers.update(prediction["source"] for prediction in predictions)
        return predictions

    def _failed(self, reason: str) -> None:
        with self._lock:
            self.failures[reason] += 1
            self._failed_in_a_row += 1
            over = self._failed_in_a_row - self._error_budget
            if over >= 0:
                self._rests_until = self._clock() + min(8, 2**over)

    def _post(self, question: dict[str, Any]) -> bytes:
        try:
            response = self._api.post("/predictions", json.dumps(question, separators=(",", ":")).encode())
        except (BotoCoreError, ClientError) as error:  # no answer, or credentials that cannot be renewed
            raise PlannerError(type(error).__name__, str(error)) from error
        if response.status_code != 200:
            raise PlannerError(f"http_{response.status_code}", response.content[:200].decode(errors="replace"))
        return response.content


def _predictions(body: bytes, count: int, *, single: bool) -> list[dict[str, Any]]:
    try:
        answer = json.loads(body)
        predictions = [answer] if single else answer["predictions"]
        if not isinstance(predictions, list) or len(predictions) != count:
            raise PlannerError("bad_answer", f"{count} predictions were asked for")
        for prediction in predictions:
            Prediction.model_validate(prediction)
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise PlannerError("bad_answer", str(error)) from error
    # `source` has a default in the contract; what is echoed and counted always says it.
    return [{"source": "model", **prediction} for prediction in predictions]


def planner_for(url: str, *, timeout: int = 10) -> Planner:
    """A planner of the API at ``url``; ``timeout`` (s) holds for connecting and for every wait for bytes.

    Raises what ``dwell.client.signed_api.api_for`` raises: ``NotSignableError`` or ``ValueError``.
    """
    return Planner(api_for(url, timeout=timeout))
