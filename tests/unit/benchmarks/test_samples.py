"""The benchmarks' samples are valid and packed as requested."""

from __future__ import annotations

import json

from benchmarks import samples
from feature_schema import FEATURES, TARGET
from validator.transform import transform


def test_samples_are_valid_and_packed_as_requested() -> None:
    messages = samples.pack_messages(samples.build_lines(200), 80)
    batch = transform(samples.build_firehose_event(messages))
    assert (len(batch.accepted), batch.rejected) == (200, [])
    assert [message.count(b"\n") + 1 for message in messages] == [80, 80, 40]


def test_samples_stay_within_the_schema() -> None:
    for line in samples.build_lines(50):
        sample = json.loads(line)
        assert all(feature.minimum <= sample["features"][feature.name] <= feature.maximum for feature in FEATURES)
        assert TARGET.minimum <= sample["prediction"][TARGET.name] <= TARGET.maximum
