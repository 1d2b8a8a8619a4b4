"""The monitor's state: bounded, and stored as one compressed JSON object that only one writer replaces."""

from __future__ import annotations

import gzip

import msgspec
from msgspec import Struct

from monitor.ledger import Ledger, RecentIds
from monitor.segments import Segment
from monitor.senders import Senders
from monitor.windows import Series

FORMAT = 1


class UnknownStateError(RuntimeError):
    """The stored state has another format; ``dwell monitor rebuild`` makes it anew from ``samples/``."""


class State(Struct, frozen=True):
    """Everything that measuring needs to know of the past. Times are seconds since 1970."""

    format: int = FORMAT
    ledger: Ledger = Ledger()
    recent_ids: RecentIds = RecentIds()
    senders: Senders = Senders()
    live: Series | None = None
    trial: Series | None = None
    trial_reference: Series | None = None
    """The live model's error in the units of the trial's promise, in the minutes of the trial."""
    segments: dict[str, Segment] = {}
    """The live model's error by segment."""
    watermark: float = 0.0
    """The newest ``received_at`` measured: windows end there, so that the same objects give the same judgement."""
    is_worse_than_baseline: bool = False
    muted_until: float = 0.0
    """A planned incident: until then nothing is judged, and rows are not summed."""


def encode(state: State) -> bytes:
    """Gzip-compressed JSON; the same state gives the same bytes."""
    return gzip.compress(msgspec.json.encode(state), compresslevel=6, mtime=0)


def decode(content: bytes) -> State:
    """The state in ``content``. Raises ``UnknownStateError`` for bytes that are none."""
    try:
        state = msgspec.json.decode(gzip.decompress(content), type=State)
    except (msgspec.MsgspecError, OSError, EOFError) as error:
        raise UnknownStateError(f"the monitor's state cannot be read: {error}") from error
    if state.format != FORMAT:
        raise UnknownStateError(f"the monitor's state has format {state.format}, this version reads {FORMAT}")
    return state
