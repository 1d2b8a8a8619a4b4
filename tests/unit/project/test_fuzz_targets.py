"""The assertions of the fuzz targets hold for every seed, for former failures, and for damaged seeds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.seeds import regressions, seeds, words
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("target", TARGETS)
def test_seeds_include_accepted_inputs(target: str) -> None:
    results = {TARGETS[target](seed) for seed in seeds(target)}
    assert True in results


@pytest.mark.parametrize("target", TARGETS)
def test_former_failures_pass(target: str) -> None:
    for data in regressions(target):
        TARGETS[target](data)


@pytest.mark.parametrize("target", TARGETS)
@given(st.data())
def test_damaged_seed_violates_no_assertion(target: str, data: st.DataObject) -> None:
    seed = data.draw(st.sampled_from(seeds(target)))
    start = data.draw(st.integers(0, len(seed)))
    end = data.draw(st.integers(start, len(seed)))
    piece = data.draw(st.binary(max_size=20) | st.sampled_from(words()).map(str.encode))
    TARGETS[target](seed[:start] + piece + seed[end:])


def test_violated_assertion_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.targets.REASONS", set())
    with pytest.raises(AssertionError, match="unknown reason"):
        TARGETS["line"](b"no line")
