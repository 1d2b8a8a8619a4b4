"""The forwarder against the workshop's, which puts a sample at a time, in samples a second through one environment.

The forwarder gets 40 packed messages in an event, which is one ``PutRecords``. SNS hands over one message an
event today, so that a single environment reaches less: ``forwarder_event_8ms`` measures that, with a message of as many
samples as SNS takes.
"""

from __future__ import annotations

import functools
import importlib
import os

from benchmarks import samples
from benchmarks.lambda_harness import VARIABLES, Context, function, quiet, stand_in
from benchmarks.measure import in_turns, over, row, seconds

MESSAGES = 40
PUTS = 40
"""Samples that the baseline puts in a turn."""


def _ratios(milliseconds: float, messages: int, packed_in: int = samples.PACKED) -> list[float]:
    of = samples.lines(messages * packed_in)
    packed, single = samples.sns(samples.messages(of, packed_in)), samples.sns(of[:1])
    with stand_in(milliseconds) as url, quiet():
        ours = function("forwarder", STREAM_NAME="samples", AWS_ENDPOINT_URL=url)
        os.environ.update(VARIABLES | {"STREAM_NAME": "samples", "AWS_ENDPOINT_URL": url})
        theirs = importlib.reload(importlib.import_module("benchmarks.baselines.forwarder")).handler
        context = Context()
        turns = in_turns(
            functools.partial(seconds, lambda: [theirs(single, context) for _ in range(PUTS)]),
            functools.partial(seconds, lambda: ours(packed, context)),
        )
    return [ratio * len(of) / PUTS for ratio in over(turns)]


@row("forwarder_0ms", goal=">= 200", unit="x samples/s of a put a sample; AWS answers at once")
def forwarder() -> list[float]:
    """Nothing but our side."""
    return _ratios(0, MESSAGES)


@row("forwarder_8ms", goal=">= 1000", unit="x samples/s of a put a sample; AWS answers after 8 ms")
def forwarder_with_latency() -> list[float]:
    """With the time that a real stream takes."""
    return _ratios(8, MESSAGES)


@row("forwarder_event_8ms", goal=">= 200", unit="x samples/s of a put a sample, one full message an event; 8 ms")
def forwarder_of_one_message() -> list[float]:
    """As SNS calls it today: 500 samples are about 250 KB, and SNS takes 256."""
    return _ratios(8, 1, 500)
