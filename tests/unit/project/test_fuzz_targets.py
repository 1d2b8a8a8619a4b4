"""The promises that are fuzzed hold for every seed, for what broke one once, and for damaged seeds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.seeds import found, seeds, words
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("target", TARGETS)
def test_fuzzing_starts_from_inputs_that_are_accepted_and_others(target: str) -> None:
    answers = {TARGETS[target](seed) for seed in seeds(target)}
    assert True in answers


@pytest.mark.parametrize("target", TARGETS)
def test_what_broke_a_promise_once_breaks_none(target: str) -> None:
    for data in found(target):
        TARGETS[target](data)


@pytest.mark.parametrize("target", TARGETS)
@given(st.data())
def test_a_damaged_seed_breaks_no_promise(target: str, data: st.DataObject) -> None:
    seed = data.draw(st.sampled_from(seeds(target)))
    start = data.draw(st.integers(0, len(seed)))
    end = data.draw(st.integers(start, len(seed)))
    piece = data.draw(st.binary(max_size=20) | st.sampled_from(words()).map(str.encode))
    TARGETS[target](seed[:start] + piece + seed[end:])


def test_a_broken_promise_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.targets.REASONS", set())
    with pytest.raises(AssertionError, match="unknown reason"):
        TARGETS["line"](b"no line")
