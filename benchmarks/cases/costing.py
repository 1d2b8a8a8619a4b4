"""Dollars for a million samples, from what is counted at the embedded AWS, against the workshop's path."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING

from benchmarks import samples, usage_counter
from benchmarks.measure import row
from benchmarks.prices import dollars_per_million
from dwell.local import deployment
from dwell.local import emulator_process as local

if TYPE_CHECKING:
    from benchmarks.prices import Counted

MESSAGES = 300
"""Of one sample each, for both paths."""
PACKS = 100
"""Messages as full as the robots make them: a handful of transform buffers."""


@functools.cache
def _bills() -> dict[str, dict[str, float]]:
    """What a million samples cost by path and service; also written to ``build/bench/cost.json``."""
    singles = samples.lines(MESSAGES)
    packs = samples.messages(samples.lines(PACKS * samples.PACKED, seed=8), samples.PACKED)
    counted: dict[str, Counted] = {}
    with local.running() as laptop:
        deployment.build()
        buffers = dict.fromkeys(("TransformBufferSeconds", "DeliveryBufferSeconds"), str(usage_counter.BUFFER_SECONDS))
        outputs = deployment.deploy(laptop, parameters={**buffers, "MinimumSamples": "1000000"})
        (stream,) = laptop.client("kinesis").list_streams()["StreamNames"]
        functions = tuple(f"{deployment.STACK}-{name}" for name in ("forwarder", "validator"))
        ours = usage_counter.Route(outputs["SamplesTopicArn"], functions, outputs["DataBucketName"], "samples/", stream)
        theirs = usage_counter.workshop(laptop)
        for path in (ours, theirs):  # what starts cold is not counted
            usage_counter.count(laptop, path, samples.lines(2, seed=9), 2)
        counted["workshop"] = usage_counter.count(laptop, theirs, singles, len(singles))
        counted["single"] = usage_counter.count(laptop, ours, singles, len(singles))
        counted["packed"] = usage_counter.count(laptop, ours, packs, PACKS * samples.PACKED)
    bills = {path: dollars_per_million(one) for path, one in counted.items()}
    folder = local.ROOT / "build" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cost.json").write_text(json.dumps(bills, indent=2) + "\n", encoding="utf-8")
    return bills


def _total(path: str) -> float:
    return sum(_bills()[path].values())


@row("cost_per_million", goal="<= 0.025", unit="x dollars of the workshop's path, packed by the robots")
def packed() -> list[float]:
    """As the robots send them."""
    return [_total("packed") / _total("workshop")]


@row("cost_single", goal="<= 1.05", unit="x dollars of the workshop's path, one sample a message")
def single() -> list[float]:
    """For clients that cannot pack."""
    return [_total("single") / _total("workshop")]
