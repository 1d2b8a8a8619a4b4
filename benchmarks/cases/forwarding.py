"""The forwarder compared with the workshop's, which puts one sample at a time: samples per second and environment.

The forwarder receives an event of 40 packed messages, which it writes with one ``PutRecords``. SNS currently sends one
message per event, with which an environment reaches less: ``forwarder_event_8ms`` measures that, with a message of as
many samples as SNS accepts (256 KB: https://docs.aws.amazon.com/sns/latest/dg/sns-create-topic.html).
"""

from __future__ import annotations

import functools
import importlib
import os

from benchmarks import samples
from benchmarks.lambda_harness import ENVIRONMENT, Context, discard_stdout, load_handler, run_fake_aws
from benchmarks.measure import benchmark_case, compute_ratios, measure_alternately, measure_seconds

MESSAGES = 40
PUTS = 40
"""Samples that the baseline puts in each turn."""


def _measure(milliseconds: float, messages: int, lines_per_message: int = samples.LINES_PER_MESSAGE) -> list[float]:
    lines = samples.build_lines(messages * lines_per_message)
    packed = samples.build_sns_event(samples.pack_messages(lines, lines_per_message))
    single = samples.build_sns_event(lines[:1])
    with run_fake_aws(milliseconds) as url, discard_stdout():
        our_handler = load_handler("forwarder", STREAM_NAME="samples", AWS_ENDPOINT_URL=url)
        os.environ.update(ENVIRONMENT | {"STREAM_NAME": "samples", "AWS_ENDPOINT_URL": url})
        baseline = importlib.reload(importlib.import_module("benchmarks.baselines.forwarder")).handler
        context = Context()
        turns = measure_alternately(
            functools.partial(measure_seconds, lambda: [baseline(single, context) for _ in range(PUTS)]),
            functools.partial(measure_seconds, lambda: our_handler(packed, context)),
        )
    return [ratio * len(lines) / PUTS for ratio in compute_ratios(turns)]


@benchmark_case("forwarder_0ms", goal=">= 200", unit="x samples/s of a put a sample; AWS answers at once")
def forwarder() -> list[float]:
    """Measure our side alone."""
    return _measure(0, MESSAGES)


@benchmark_case("forwarder_8ms", goal=">= 1000", unit="x samples/s of a put a sample; AWS answers after 8 ms")
def forwarder_with_latency() -> list[float]:
    """Measure with the latency of a real stream."""
    return _measure(8, MESSAGES)


@benchmark_case(
    "forwarder_event_8ms", goal=">= 200", unit="x samples/s of a put a sample, one full message an event; 8 ms"
)
def forwarder_of_one_message() -> list[float]:
    """Measure one message per event, as SNS sends them: 500 samples are about 250 KB."""
    return _measure(8, 1, 500)
