"""The validator compared with a transform written like AWS' samples: samples per second on one core.

The transform takes one sample per record. In the packed cases the validator receives the same samples in messages as
robots batch them. The runtime case includes what Lambda's runtime does around a handler, decoding the event and
encoding the response, with awslambdaric's own code (simplejson).
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from benchmarks import samples
from benchmarks.baselines import transform as baseline
from benchmarks.lambda_harness import discard_stdout, load_handler, load_runtime_marshaller
from benchmarks.measure import benchmark_case, compute_ratios, measure_alternately, measure_cpu_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLES = 2_160
"""About as many as a transform buffer of 1 MB holds."""

UNIT = "x samples/s of a transform as AWS' samples write it"


def _measure(lines_per_message: int, *, with_runtime: bool = False) -> list[tuple[float, ...]]:
    lines = samples.build_lines(SAMPLES)
    single = samples.build_firehose_event(samples.pack_messages(lines, 1))
    packed = samples.build_firehose_event(samples.pack_messages(lines, lines_per_message))
    validator = load_handler("validator", BUCKET_NAME="bucket")
    with discard_stdout():
        if with_runtime:
            return measure_alternately(
                _build_runtime_call(baseline.handler, single), _build_runtime_call(validator, packed)
            )
        return measure_alternately(
            functools.partial(measure_cpu_seconds, lambda: baseline.handler(single, None)),
            functools.partial(measure_cpu_seconds, lambda: validator(packed, None)),
        )


def _build_runtime_call(handler: Callable[[Any, Any], Any], event: dict[str, Any]) -> Callable[[], float]:
    marshaller = load_runtime_marshaller()
    request = marshaller.marshal_response(event)[0].encode()

    def handle() -> None:
        response, _ = marshaller.marshal_response(handler(marshaller.unmarshal_request(request), None))
        response if isinstance(response, bytes) else response.encode()

    return functools.partial(measure_cpu_seconds, handle)


@benchmark_case("validator", goal=">= 9", unit=UNIT)
def validator() -> list[float]:
    """One sample per record, the handler alone."""
    return compute_ratios(_measure(1))


@benchmark_case("validator_packed", goal=">= 15", unit=UNIT)
def validator_packed() -> list[float]:
    """As many samples per record as robots batch, the handler alone."""
    return compute_ratios(_measure(samples.LINES_PER_MESSAGE))


@benchmark_case("validator_packed_runtime", goal=">= 9", unit=f"{UNIT}, with the runtime's own JSON")
def validator_packed_runtime() -> list[float]:
    """The same, with what the runtime does around each handler."""
    return compute_ratios(_measure(samples.LINES_PER_MESSAGE, with_runtime=True))
