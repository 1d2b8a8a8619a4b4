"""Broken samples: each way in which a robot's report can be damaged, with the reason it has to be refused for.

The text of every broken line still has the sample's id in it, so that it can be found again in the quarantine.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from dwell.messaging.line import Kind, Line
from feature_schema import FEATURES, TARGET, VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator

type _Broken = tuple[str, str]
"""A text, and the reason it is refused for."""


@dataclass(frozen=True, slots=True)
class Damage:
    """A way to break a sample."""

    name: str
    apply: Callable[[dict[str, Any], Generator], _Broken]


def _json(sample: dict[str, Any]) -> str:
    return json.dumps(sample, separators=(",", ":"))


def _with_features(sample: dict[str, Any], changes: dict[str, Any]) -> str:
    return _json({**sample, "features": {**sample["features"], **changes}})


def _any_feature(rng: Generator) -> int:
    return int(rng.integers(len(FEATURES)))


def _missing_feature(sample: dict[str, Any], rng: Generator) -> _Broken:
    gone = FEATURES[_any_feature(rng)].name
    features = {name: value for name, value in sample["features"].items() if name != gone}
    return _json({**sample, "features": features}), f"missing:{gone}"


def _missing_target(sample: dict[str, Any], _: Generator) -> _Broken:
    return _json({name: value for name, value in sample.items() if name != TARGET.name}), f"missing:{TARGET.name}"


def _out_of_range(sample: dict[str, Any], rng: Generator) -> _Broken:
    feature = FEATURES[_any_feature(rng)]
    beyond = int(rng.choice([feature.maximum + 1, feature.minimum - 1]))
    return _with_features(sample, {feature.name: beyond}), f"out_of_range:{feature.name}"


def _wrong_type(sample: dict[str, Any], rng: Generator) -> _Broken:
    feature = FEATURES[_any_feature(rng)].name
    wrong = [str(sample["features"][feature]), None, True, [1], {"value": 1}][rng.integers(5)]
    return _with_features(sample, {feature: wrong}), f"wrong_type:{feature}"


def _cut_off(sample: dict[str, Any], rng: Generator) -> _Broken:
    text = _json(sample)
    return text[: int(rng.integers(len(text) // 2, len(text) - 1))], "malformed"


def _not_json(sample: dict[str, Any], _: Generator) -> _Broken:
    return f"{sample['robot_id']}: could not report {sample['sample_id']}", "malformed"


def _unknown_schema_version(sample: dict[str, Any], _: Generator) -> _Broken:
    return _json({**sample, "schema_version": VERSION + 1}), "unknown_schema_version"


def _duplicate_key(sample: dict[str, Any], _: Generator) -> _Broken:
    return f'{{"sample_id":{_json(sample["sample_id"])},{_json(sample)[1:]}', "duplicate_key"


def _unexpected_field(sample: dict[str, Any], _: Generator) -> _Broken:
    return _json({**sample, "battery": 87}), "unexpected_field"


def _from_the_future(sample: dict[str, Any], _: Generator) -> _Broken:
    later = datetime.fromisoformat(sample["recorded_at"]) + timedelta(days=1)
    return _json({**sample, "recorded_at": later.isoformat()}), "in_the_future"


def _too_long(sample: dict[str, Any], _: Generator) -> _Broken:
    return _json({**sample, "trace": "." * 20_000}), "too_long"


KINDS: tuple[Damage, ...] = (
    Damage("missing-feature", _missing_feature),
    Damage("missing-target", _missing_target),
    Damage("out-of-range", _out_of_range),
    Damage("wrong-type", _wrong_type),
    Damage("cut-off", _cut_off),
    Damage("not-json", _not_json),
    Damage("unknown-schema-version", _unknown_schema_version),
    Damage("duplicate-key", _duplicate_key),
    Damage("unexpected-field", _unexpected_field),
    Damage("from-the-future", _from_the_future),
    Damage("too-long", _too_long),
)
"""Every kind of damage."""


def broken_line(sample: dict[str, Any], rng: Generator, damage: Damage | None = None) -> Line:
    """``sample`` (JSON-ready) as a line that must be refused; the damage is drawn from ``KINDS`` unless given."""
    chosen = damage or KINDS[rng.integers(len(KINDS))]
    text, reason = chosen.apply(sample, rng)
    return Line(text, Kind.BROKEN, sample["sample_id"], reason)
