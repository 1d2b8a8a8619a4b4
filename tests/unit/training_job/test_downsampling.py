"""Which samples stay when there are more than a job may use."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from retraining.training_job.downsampling import select_rows


def hashes(samples: int, seed: int = 1) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.random.default_rng(seed).integers(0, 2**64, size=samples, dtype=np.uint64)


@given(samples=st.integers(0, 300), maximum=st.none() | st.integers(2, 300))
def test_selection_is_ordered_with_complete_newest_half(samples: int, maximum: int | None) -> None:
    positions = select_rows(hashes(samples), maximum)
    assert len(positions) == min(samples, samples if maximum is None else maximum)
    assert (np.diff(positions) > 0).all()
    newest = len(positions) // 2 if maximum is not None else 0
    assert positions[len(positions) - newest :].tolist() == list(range(samples - newest, samples))


def test_excluded_older_sample_stays_excluded_later() -> None:
    identity = hashes(10_000)
    before, after = set(select_rows(identity[:9_000], 1_000)), set(select_rows(identity, 1_000))
    older = {position for position in after if position < 8_500}
    assert older <= before


def test_selected_older_samples_are_spread_over_time() -> None:
    positions = select_rows(hashes(100_000), 20_000)
    counts, _ = np.histogram(positions[:10_000], bins=10, range=(0, 90_000))
    assert ((counts > 900) & (counts < 1_100)).all()
