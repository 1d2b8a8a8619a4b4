"""Downsampling a dataset that has more samples than one machine should train on.

Of at most N samples, the newest N/2 are kept completely, so that the test set and the rows since a drift are complete.
Of the older ones, those whose ids have the lowest hashes are kept. A hash does not depend on the content of a sample,
so the older half stays representative, and it never changes, so the next round keeps the same samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def select_rows(id_hashes: NDArray[np.uint64], maximum: int | None) -> NDArray[np.intp]:
    """The indices, ascending, of at most ``maximum`` samples (None: all).

    ``id_hashes`` (samples,) are the hashes of the samples' ids, oldest sample first.
    """
    samples = len(id_hashes)
    if maximum is None or samples <= maximum:
        return np.arange(samples)
    newest = maximum // 2
    older, older_kept = samples - newest, maximum - newest
    lowest = np.argpartition(id_hashes[:older], older_kept - 1)[:older_kept]
    return np.concatenate([np.sort(lowest), np.arange(older, samples)])
