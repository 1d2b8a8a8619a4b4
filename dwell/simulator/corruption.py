"""Corrupted samples: each kind of corruption with the reason that the validator must refuse it for.

The text of every corrupted line contains the sample's id, so that it can be found in quarantine.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from dwell.messaging.line import Line, LineKind
from feature_schema import FEATURES, TARGET, VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator

type _Corrupted = tuple[str, str]
"""The corrupted text, and the expected reason."""


@dataclass(frozen=True, slots=True)
class Corruption:
    """A kind of corruption."""

    name: str
    apply: Callable[[dict[str, Any], Generator], _Corrupted]


def _json(sample: dict[str, Any]) -> str:
    return json.dumps(sample, separators=(",", ":"))


def _with_features(sample: dict[str, Any], changes: dict[str, Any]) -> str:
    return _json({**sample, "features": {**sample["features"], **changes}})


def _choose_index(rng: Generator) -> int:
    return int(rng.integers(len(FEATURES)))


def _missing_feature(sample: dict[str, Any], rng: Generator) -> _Corrupted:
    removed = FEATURES[_choose_index(rng)].name
    features = {name: value for name, value in sample["features"].items() if name != removed}
    return _json({**sample, "features": features}), f"missing:{removed}"


def _missing_target(sample: dict[str, Any], _: Generator) -> _Corrupted:
    return _json({name: value for name, value in sample.items() if name != TARGET.name}), f"missing:{TARGET.name}"


def _out_of_range(sample: dict[str, Any], rng: Generator) -> _Corrupted:
    feature = FEATURES[_choose_index(rng)]
    value = int(rng.choice([feature.maximum + 1, feature.minimum - 1]))
    return _with_features(sample, {feature.name: value}), f"out_of_range:{feature.name}"


def _wrong_type(sample: dict[str, Any], rng: Generator) -> _Corrupted:
    feature = FEATURES[_choose_index(rng)].name
    value = [str(sample["features"][feature]), None, True, [1], {"value": 1}][rng.integers(5)]
    return _with_features(sample, {feature: value}), f"wrong_type:{feature}"


def _cut_off(sample: dict[str, Any], rng: Generator) -> _Corrupted:
    text = _json(sample)
    return text[: int(rng.integers(len(text) // 2, len(text) - 1))], "malformed"


def _not_json(sample: dict[str, Any], _: Generator) -> _Corrupted:
    return f"{sample['robot_id']}: could not report {sample['sample_id']}", "malformed"


def _unknown_schema_version(sample: dict[str, Any], _: Generator) -> _Corrupted:
    return _json({**sample, "schema_version": VERSION + 1}), "unknown_schema_version"


def _duplicate_key(sample: dict[str, Any], _: Generator) -> _Corrupted:
    return f'{{"sample_id":{_json(sample["sample_id"])},{_json(sample)[1:]}', "duplicate_key"


def _unexpected_field(sample: dict[str, Any], _: Generator) -> _Corrupted:
    return _json({**sample, "battery": 87}), "unexpected_field"


def _from_the_future(sample: dict[str, Any], _: Generator) -> _Corrupted:
    later = datetime.fromisoformat(sample["recorded_at"]) + timedelta(days=1)
    return _json({**sample, "recorded_at": later.isoformat()}), "in_the_future"


def _too_long(sample: dict[str, Any], _: Generator) -> _Corrupted:
    return _json({**sample, "trace": "." * 20_000}), "too_long"


CORRUPTIONS: tuple[Corruption, ...] = (
    Corruption("missing-feature", _missing_feature),
    Corruption("missing-target", _missing_target),
    Corruption("out-of-range", _out_of_range),
    Corruption("wrong-type", _wrong_type),
    Corruption("cut-off", _cut_off),
    Corruption("not-json", _not_json),
    Corruption("unknown-schema-version", _unknown_schema_version),
    Corruption("duplicate-key", _duplicate_key),
    Corruption("unexpected-field", _unexpected_field),
    Corruption("from-the-future", _from_the_future),
    Corruption("too-long", _too_long),
)
"""All kinds of corruption."""


def corrupt_line(sample: dict[str, Any], rng: Generator, corruption: Corruption | None = None) -> Line:
    """``sample`` as a line that the validator must refuse. The default ``corruption`` is drawn from ``CORRUPTIONS``."""
    selected = corruption or CORRUPTIONS[rng.integers(len(CORRUPTIONS))]
    text, reason = selected.apply(sample, rng)
    return Line(text, LineKind.BROKEN, sample["sample_id"], reason)
