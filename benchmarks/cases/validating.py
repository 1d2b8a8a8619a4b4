"""The validator against a transform in the manner of AWS' samples, in samples a second of one core.

The transform takes a sample a record, whatever the robots could pack; packed, the same samples come to the validator in
messages as robots make them. What the runtime adds around a handler, reading the event and writing the answer, is
awslambdaric's own code (simplejson), run from the environment that stands for Lambda's.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from benchmarks import samples
from benchmarks.baselines import transform as baseline
from benchmarks.lambda_harness import function, quiet, runtime_marshaller
from benchmarks.measure import cpu_seconds, in_turns, over, row

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLES = 2_160
"""About as many as a transform's buffer of 1 MB holds."""

UNIT = "x samples/s of a transform as AWS' samples write it"


def _times(packed: int, *, runtime: bool = False) -> list[tuple[float, ...]]:
    of = samples.lines(SAMPLES)
    single, ours = samples.firehose(samples.messages(of, 1)), samples.firehose(samples.messages(of, packed))
    validator = function("validator", BUCKET_NAME="bucket")
    with quiet():
        if runtime:
            return in_turns(_through_runtime(baseline.handler, single), _through_runtime(validator, ours))
        return in_turns(
            functools.partial(cpu_seconds, lambda: baseline.handler(single, None)),
            functools.partial(cpu_seconds, lambda: validator(ours, None)),
        )


def _through_runtime(handler: Callable[[Any, Any], Any], event: dict[str, Any]) -> Callable[[], float]:
    marshaller = runtime_marshaller()
    request = marshaller.marshal_response(event)[0].encode()

    def handle() -> None:
        answer, _ = marshaller.marshal_response(handler(marshaller.unmarshal_request(request), None))
        answer if isinstance(answer, bytes) else answer.encode()

    return functools.partial(cpu_seconds, handle)


@row("validator", goal=">= 9", unit=UNIT)
def validator() -> list[float]:
    """A sample a record, the handler alone."""
    return over(_times(1))


@row("validator_packed", goal=">= 15", unit=UNIT)
def validator_packed() -> list[float]:
    """As many samples a record as robots pack, the handler alone."""
    return over(_times(samples.PACKED))


@row("validator_packed_runtime", goal=">= 9", unit=f"{UNIT}, with the runtime's own JSON")
def validator_packed_runtime() -> list[float]:
    """The same, and what the runtime does around each handler."""
    return over(_times(samples.PACKED, runtime=True))
