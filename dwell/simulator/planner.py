"""The planner: requests predictions from the HTTP API before interactions happen."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError

from dwell.client.signed_api import SignedApi, create_api
from feature_schema import Prediction

if TYPE_CHECKING:
    from collections.abc import Callable


class PlannerError(Exception):
    """There is no prediction. ``reason`` is a short code that can be counted."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class Planner:
    """Sends ``POST /predictions``. Thread-safe.

    After ``max_failures`` consecutive failures the planner sends nothing for 1 s, then 2, 4 and at most 8 s; requests
    in that time fail with ``resting``, so that robots do not wait for an API that is down.
    """

    def __init__(self, api: SignedApi, *, max_failures: int = 5, clock: Callable[[], float] = time.monotonic) -> None:
        self.requests = 0
        self.sources: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self._api = api
        self._max_failures = max_failures
        self._clock = clock
        self._lock = threading.Lock()
        self._consecutive_failures = 0
        self._blocked_until = 0.0

    def request_predictions(self, instances: list[dict[str, int]], *, single: bool = False) -> list[dict[str, Any]]:
        """A prediction for each instance, as the API returned it. ``single`` requests one without a list.

        Raises ``PlannerError``, and no other error, whatever the API does.
        """
        with self._lock:
            if self._clock() < self._blocked_until:
                raise PlannerError("resting")
            self.requests += 1
        try:
            body = self._post({"features": instances[0]} if single else {"instances": instances})
            predictions = _parse_predictions(body, 1 if single else len(instances), single=single)
        except PlannerError as error:
            self._record_failure(error.reason)
            raise
        with self._lock:
            self._consecutive_failures = 0
            self.sources.update(prediction["source"] for prediction in predictions)
        return predictions

    def _record_failure(self, reason: str) -> None:
        with self._lock:
            self.failures[reason] += 1
            self._consecutive_failures += 1
            excess = self._consecutive_failures - self._max_failures
            if excess >= 0:
                self._blocked_until = self._clock() + min(8, 2**excess)

    def _post(self, request: dict[str, Any]) -> bytes:
        try:
            response = self._api.post("/predictions", json.dumps(request, separators=(",", ":")).encode())
        except (BotoCoreError, ClientError) as error:  # no response, or credentials that cannot be renewed
            raise PlannerError(type(error).__name__, str(error)) from error
        if response.status_code != 200:
            raise PlannerError(f"http_{response.status_code}", response.content[:200].decode(errors="replace"))
        return response.content


def _parse_predictions(body: bytes, count: int, *, single: bool) -> list[dict[str, Any]]:
    try:
        response = json.loads(body)
        predictions = [response] if single else response["predictions"]
        if not isinstance(predictions, list) or len(predictions) != count:
            raise PlannerError("bad_answer", f"{count} predictions were requested")
        for prediction in predictions:
            Prediction.model_validate_json(json.dumps(prediction))  # strict, so that only JSON may contain a time
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise PlannerError("bad_answer", str(error)) from error
    # The contract has a default for `source`; echoes and counters need it always.
    return [{"source": "model", **prediction} for prediction in predictions]


def create_planner(url: str, *, timeout: int = 10) -> Planner:
    """A planner for the API at ``url``; ``timeout`` (s) holds for connecting and for every wait for bytes.

    Raises what ``dwell.client.signed_api.api_for`` raises: ``NotSignableError`` or ``ValueError``.
    """
    return Planner(create_api(url, timeout=timeout))
