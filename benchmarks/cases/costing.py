"""The cost of a million samples, from usage measured on the local AWS, compared with the workshop's path."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING

from benchmarks import samples, usage_counter
from benchmarks.cost import compute_cost_per_million
from benchmarks.measure import benchmark_case
from dwell.local import deployment
from dwell.local import emulator_process as local
from rounds import s3_prefixes

if TYPE_CHECKING:
    from benchmarks.cost import Usage

SINGLE_MESSAGES = 300
"""Messages of one sample, for both paths."""
PACKED_MESSAGES = 100
"""Messages as the robots batch them; they fill a few transform buffers."""


@functools.cache
def _measure_costs() -> dict[str, dict[str, float]]:
    """Return US dollars per million samples by path and service; also written to ``build/bench/cost.json``."""
    singles = samples.build_lines(SINGLE_MESSAGES)
    packs = samples.pack_messages(
        samples.build_lines(PACKED_MESSAGES * samples.LINES_PER_MESSAGE, seed=8), samples.LINES_PER_MESSAGE
    )
    usage: dict[str, Usage] = {}
    with local.running() as laptop:
        deployment.build()
        buffers = dict.fromkeys(("TransformBufferSeconds", "DeliveryBufferSeconds"), str(usage_counter.BUFFER_SECONDS))
        outputs = deployment.deploy(laptop, parameters={**buffers, "MinimumSamples": "1000000"})
        (stream,) = laptop.client("kinesis").list_streams()["StreamNames"]
        functions = tuple(f"{deployment.STACK}-{name}" for name in ("forwarder", "validator"))
        our_path = usage_counter.DeployedPath(
            outputs["SamplesTopicArn"], functions, outputs["DataBucketName"], s3_prefixes.SAMPLES, stream
        )
        workshop_path = usage_counter.deploy_workshop_path(laptop)
        for path in (our_path, workshop_path):  # cold starts are not counted
            usage_counter.count_usage(laptop, path, samples.build_lines(2, seed=9), 2)
        usage["workshop"] = usage_counter.count_usage(laptop, workshop_path, singles, len(singles))
        usage["single"] = usage_counter.count_usage(laptop, our_path, singles, len(singles))
        usage["packed"] = usage_counter.count_usage(
            laptop, our_path, packs, PACKED_MESSAGES * samples.LINES_PER_MESSAGE
        )
    costs = {path: compute_cost_per_million(path_usage) for path, path_usage in usage.items()}
    folder = local.ROOT / "build" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cost.json").write_text(json.dumps(costs, indent=2) + "\n", encoding="utf-8")
    return costs


def _sum_costs(path: str) -> float:
    return sum(_measure_costs()[path].values())


@benchmark_case("cost_per_million", goal="<= 0.025", unit="x dollars of the workshop's path, packed by the robots")
def packed() -> list[float]:
    """Compare samples as the robots send them."""
    return [_sum_costs("packed") / _sum_costs("workshop")]


@benchmark_case("cost_single", goal="<= 1.05", unit="x dollars of the workshop's path, one sample a message")
def single() -> list[float]:
    """Compare samples of clients that send one per message."""
    return [_sum_costs("single") / _sum_costs("workshop")]
