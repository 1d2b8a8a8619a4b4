"""Planners ask while the endpoint does whatever it likes: every good request is answered, in time, and counted."""

from __future__ import annotations

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3

from dwell.client.signed_api import create_api
from dwell.simulator.robots import Robots
from feature_schema import TARGET
from tests.faults.rules import SERVING

if TYPE_CHECKING:
    from dwell.client.signed_api import SignedApi
    from tests.faults.stage import Stage

ASKERS = 4


@dataclass(slots=True)
class Answers:
    """``seconds``: how long each request took, seen from the planner. ``sources`` counts answers, not requests."""

    requests: int = 0
    sources: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    counted: dict[str, int] = field(default_factory=dict)
    """What the metrics say: ``model`` and ``fallback``."""

    def percentile(self, share: float) -> float:
        """The time within which ``share`` of the requests were answered, in seconds."""
        return sorted(self.seconds)[min(len(self.seconds) - 1, int(share * len(self.seconds)))]


def ask(stage: Stage, requests: int) -> Answers:
    """Ask ``requests`` times, for one, for many, and as the workshop does; the last tenth without an endpoint."""
    api = create_api(stage.stack.api_url, timeout=20)
    answers = Answers()
    before = {"model": stage.metric("Predictions"), "fallback": stage.metric("Fallbacks")}
    instances = Robots(stage.seed + 3).take(requests).instances()
    with stage.beset(SERVING), ThreadPoolExecutor(ASKERS) as pool:
        gone = requests - requests // 10
        for start, stop in ((0, gone), (gone, requests)):
            if start:
                boto3.client("sagemaker").delete_endpoint(EndpointName=stage.stack.endpoint)
            for number, taken, status, sources in pool.map(
                lambda number: _one(api, number, instances), range(start, stop)
            ):
                answers.requests += 1
                answers.seconds.append(taken)
                answers.sources.update(sources)
                if status != 200 or not sources:
                    answers.errors[f"{status} for request {number % 3}"] += 1

    def counted() -> dict[str, int] | None:
        now = {"model": stage.metric("Predictions"), "fallback": stage.metric("Fallbacks")}
        answers.counted = {name: int(now[name] - before[name]) for name in now}
        return answers.counted if sum(answers.counted.values()) >= answers.sources.total() else None

    stage.until(counted, "the metrics count fewer answers than were given", seconds=30)
    return answers


def _one(api: SignedApi, number: int, instances: list[dict[str, int]]) -> tuple[int, float, int, list[str]]:
    features: dict[str, Any] = instances[number]
    many = [instances[(number + step) % len(instances)] for step in range(10)]
    began = time.monotonic()
    match number % 3:
        case 0:
            response = api.post("/predictions", json.dumps({"features": features}).encode())
        case 1:
            response = api.post("/predictions", json.dumps({"instances": many}).encode())
        case _:
            response = api.get(f"/liveinference?features={','.join(map(str, features.values()))}")
    taken = time.monotonic() - began
    return number, taken, response.status_code, _sources(number, response)


def _sources(number: int, response: Any) -> list[str]:
    """Who gave each answer; nothing for a response that is none."""
    if response.status_code != 200:
        return []
    content = json.loads(response.content)
    match number % 3:
        case 0:
            predictions = [content]
        case 1:
            predictions = content["predictions"] if len(content["predictions"]) == 10 else []
        case _:
            # plain text: nobody says who answered
            return ["unsaid"] if TARGET.minimum <= content <= TARGET.maximum else []
    if any(not TARGET.minimum <= prediction[TARGET.name] <= TARGET.maximum for prediction in predictions):
        return []
    return [prediction["source"] for prediction in predictions]
