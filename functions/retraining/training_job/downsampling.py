"""Which samples are used when there are more than one machine should learn from.

The rule: of at most N samples, the newest N/2 are used whole, so that the test set and what came since a drift are
complete; of all older ones those stay whose id has the lowest hash. A hash has nothing to do with what a sample says,
so the older half stays a fair picture of its time; and it never changes, so the same sample stays in the next round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def select_rows(identity: NDArray[np.uint64], maximum: int | None) -> NDArray[np.intp]:
    """The positions, ascending, of the samples that are used: at most ``maximum`` (None: all).

    ``identity`` (samples,) has the samples' hashes, oldest sample first.
    """
    samples = len(identity)
    if maximum is None or samples <= maximum:
        return np.arange(samples)
    whole = maximum // 2
    older, wanted = samples - whole, maximum - whole
    lowest = np.argpartition(identity[:older], wanted - 1)[:wanted]
    return np.concatenate([np.sort(lowest), np.arange(older, samples)])
