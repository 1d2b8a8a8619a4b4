"""The inference function against a bare ``invoke_endpoint``, warm, and many rows a request against one."""

from __future__ import annotations

import contextlib
import json
import statistics
from typing import TYPE_CHECKING, Any

import boto3

from benchmarks.lambda_harness import Context, function, quiet, stand_in
from benchmarks.measure import REPEATS, in_turns, over, row, seconds
from dwell.local.emulator_process import ROOT
from feature_schema import FEATURES, parse_request, to_feature_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REQUESTS = 500
INSTANCES = 100


def _request(count: int) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((ROOT / "events/api-predictions-many.json").read_text())
    features = {feature.name: int(feature.minimum) for feature in FEATURES}
    event["body"] = json.dumps({"instances": [features] * count} if count > 1 else {"features": features})
    return event


@contextlib.contextmanager
def _handler() -> Iterator[tuple[Callable[[Any, Any], Any], Callable[[], bytes]]]:
    """Our handler, and a bare call of the same endpoint with one row."""
    with stand_in() as url, quiet():
        ours = function("inference", ENDPOINT_NAME="endpoint", ENDPOINT_TIMEOUT="1", AWS_ENDPOINT_URL=url)
        runtime = boto3.client("sagemaker-runtime", endpoint_url=url)
        line = to_feature_row(parse_request(_request(1)["body"]).features).encode()

        def bare() -> bytes:
            answer = runtime.invoke_endpoint(EndpointName="endpoint", ContentType="text/csv", Body=line)
            return answer["Body"].read()

        yield ours, bare


def _overhead(of: Callable[[list[float]], float]) -> list[float]:
    """Each request of ours follows a bare one, so that whatever else the machine does befalls both."""
    event, context = _request(1), Context()
    ratios = []
    with _handler() as (ours, bare):
        for _ in range(REPEATS + 1):
            pairs = [(seconds(lambda: ours(event, context)), seconds(bare)) for _ in range(REQUESTS)]
            ratios.append(of([pair[0] for pair in pairs]) / of([pair[1] for pair in pairs]))
    return ratios[1:]


@row("inference_overhead_median", goal="<= 1.3", unit="x median time of a bare invoke_endpoint that answers at once")
def overhead_median() -> list[float]:
    """The usual request."""
    return _overhead(statistics.median)


@row("inference_overhead_p99", goal="<= 1.5", unit="x 99th percentile of a bare invoke_endpoint that answers at once")
def overhead_p99() -> list[float]:
    """The slowest of a hundred."""
    return _overhead(lambda times: statistics.quantiles(times, n=100)[98])


@row("inference_batch", goal=">= 30", unit=f"x rows/s of one instance a request, with {INSTANCES} a request")
def batch() -> list[float]:
    """Many rows in a request."""
    one, many, context = _request(1), _request(INSTANCES), Context()
    with _handler() as (ours, _):
        turns = in_turns(
            lambda: seconds(lambda: [ours(one, context) for _ in range(50)]) / 50,
            lambda: seconds(lambda: [ours(many, context) for _ in range(50)]) / 50,
        )
    return [ratio * INSTANCES for ratio in over(turns)]
