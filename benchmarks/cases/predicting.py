"""The warm inference function compared with a bare ``invoke_endpoint``, and many rows per request compared with one."""

from __future__ import annotations

import contextlib
import json
import statistics
from typing import TYPE_CHECKING, Any

import boto3

from benchmarks.lambda_harness import Context, discard_stdout, load_handler, run_fake_aws
from benchmarks.measure import REPEATS, benchmark_case, compute_ratios, measure_alternately, measure_seconds
from dwell.local.emulator_process import ROOT
from feature_schema import FEATURES, parse_request, to_feature_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REQUESTS = 500
INSTANCES = 100


def _build_request(count: int) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((ROOT / "events/api-predictions-many.json").read_text())
    features = {feature.name: int(feature.minimum) for feature in FEATURES}
    event["body"] = json.dumps({"instances": [features] * count} if count > 1 else {"features": features})
    return event


@contextlib.contextmanager
def _run_handlers() -> Iterator[tuple[Callable[[Any, Any], Any], Callable[[], bytes]]]:
    """Yield our handler, and a bare call of the same endpoint with one row."""
    with run_fake_aws() as url, discard_stdout():
        our_handler = load_handler("inference", ENDPOINT_NAME="endpoint", ENDPOINT_TIMEOUT="1", AWS_ENDPOINT_URL=url)
        runtime = boto3.client("sagemaker-runtime", endpoint_url=url)
        line = to_feature_row(parse_request(_build_request(1)["body"]).features).encode()

        def invoke_bare() -> bytes:
            response = runtime.invoke_endpoint(EndpointName="endpoint", ContentType="text/csv", Body=line)
            return response["Body"].read()

        yield our_handler, invoke_bare


def _measure_overhead(summarize: Callable[[list[float]], float]) -> list[float]:
    """Alternate between requests of ours and bare ones, so that other load of the machine affects both."""
    event, context = _build_request(1), Context()
    ratios = []
    with _run_handlers() as (our_handler, invoke_bare):
        for _ in range(REPEATS + 1):
            pairs = [
                (measure_seconds(lambda: our_handler(event, context)), measure_seconds(invoke_bare))
                for _ in range(REQUESTS)
            ]
            ours, bare = zip(*pairs, strict=True)
            ratios.append(summarize(list(ours)) / summarize(list(bare)))
    return ratios[1:]


@benchmark_case(
    "inference_overhead_median", goal="<= 1.3", unit="x median time of a bare invoke_endpoint that answers at once"
)
def overhead_median() -> list[float]:
    """Compare the median times."""
    return _measure_overhead(statistics.median)


@benchmark_case(
    "inference_overhead_p99", goal="<= 1.5", unit="x 99th percentile of a bare invoke_endpoint that answers at once"
)
def overhead_p99() -> list[float]:
    """Compare the 99th percentiles."""
    return _measure_overhead(lambda times: statistics.quantiles(times, n=100)[98])


@benchmark_case("inference_batch", goal=">= 30", unit=f"x rows/s of one instance a request, with {INSTANCES} a request")
def batch() -> list[float]:
    """Compare rows per second."""
    single, batch_request, context = _build_request(1), _build_request(INSTANCES), Context()
    with _run_handlers() as (our_handler, _):
        turns = measure_alternately(
            lambda: measure_seconds(lambda: [our_handler(single, context) for _ in range(50)]) / 50,
            lambda: measure_seconds(lambda: [our_handler(batch_request, context) for _ in range(50)]) / 50,
        )
    return [ratio * INSTANCES for ratio in compute_ratios(turns)]
