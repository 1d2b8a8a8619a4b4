"""The feature schema: every line gets an answer, and what is accepted keeps every promise of the schema."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_schema import (
    BASELINE,
    FEATURES,
    MAX_INSTANCES,
    PROVENANCE_COLUMNS,
    ROW_COLUMNS,
    TARGET,
    VERSION,
    InvalidInputError,
    Sample,
    build_prediction,
    clip_to_bounds,
    derive_csv_sample_id,
    describe,
    fields,
    get_actual_value,
    get_predicted_value,
    get_schema_hash,
    parse_features,
    parse_line,
    parse_lines,
    parse_request,
    predict_baseline,
    to_feature_row,
    to_row,
)
from feature_schema.limits import MAX_CLOCK_SKEW, MAX_LINE_BYTES, MAX_LINES
from tests.factories.samples import EXPECTED_ERROR, field_value, make_csv_row, make_features, make_sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from feature_schema.field import Field

NOW = datetime(2026, 11, 23, 6, 39, 0, 789_000, tzinfo=UTC)
NAMES = [feature.name for feature in FEATURES]

_FIELDS = {
    *NAMES,
    TARGET.name,
    *("sample_id", "robot_id", "fc_id", "recorded_at", "schema_version", "features", "prediction", "instances"),
    *(f"prediction.{name}" for name in (TARGET.name, "expected_error", "model", "source")),
}
REASONS = {
    *("malformed", "empty", "too_long", "too_many_lines", "duplicate_key", "unexpected_field"),
    *("unknown_schema_version", "in_the_future"),
    *(f"{fault}:{field}" for fault in ("missing", "out_of_range", "wrong_type") for field in _FIELDS),
}

# --- samples as robots make them -------------------------------------------------------------------------------


def within(field: Field) -> st.SearchStrategy[int | float]:
    if field.type == "integer":
        return st.integers(math.ceil(field.minimum), math.floor(field.maximum))
    return st.floats(field.minimum, field.maximum)


identifiers = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}", fullmatch=True)
features = st.fixed_dictionaries({feature.name: within(feature) for feature in FEATURES})
predictions = st.fixed_dictionaries(
    {TARGET.name: within(dataclasses.replace(TARGET, type="integer")) | st.floats(TARGET.minimum, TARGET.maximum)},
    optional={
        "expected_error": st.none() | st.floats(EXPECTED_ERROR / 1_000, TARGET.maximum - TARGET.minimum),
        "model": st.none() | identifiers,
        "source": st.sampled_from(["model", "fallback"]),
    },
)
times = st.datetimes(datetime(2000, 1, 2), datetime(2026, 11, 22)).map(  # noqa: DTZ001 - the strategy takes naive bounds
    lambda time: time.replace(tzinfo=UTC).isoformat().replace("+00:00", "Z")
)
samples = st.fixed_dictionaries(
    {
        "sample_id": identifiers,
        "robot_id": identifiers,
        "fc_id": identifiers,
        "recorded_at": times,
        "schema_version": st.just(VERSION),
        TARGET.name: within(TARGET),
        "features": features,
    },
    optional={"prediction": st.none() | predictions},
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def read(line: bytes | str | dict[str, Any]) -> Sample:
    if isinstance(line, dict):
        line = json.dumps(line)
    raw = line if isinstance(line, bytes) else line.encode()
    return parse_line(raw, message_id="message", position=0, received_at=NOW)


def reason(line: bytes | str | dict[str, Any]) -> str:
    with pytest.raises(InvalidInputError) as refused:
        read(line)
    return refused.value.reason


def a_text(**changed: Any) -> str:
    return json.dumps(make_sample(**changed))


def assert_within_bounds(sample: Sample) -> None:
    for feature in FEATURES:
        assert feature.minimum <= getattr(sample.features, feature.name) <= feature.maximum
    assert TARGET.minimum <= get_actual_value(sample) <= TARGET.maximum
    assert sample.recorded_at <= NOW + MAX_CLOCK_SKEW
    if sample.prediction is not None:
        assert TARGET.minimum <= get_predicted_value(sample.prediction) <= TARGET.maximum
        assert math.isfinite((get_predicted_value(sample.prediction) - get_actual_value(sample)) ** 2)
        assert sample.prediction.expected_error is None or math.isfinite(sample.prediction.expected_error**2)


# --- every line gets an answer ---------------------------------------------------------------------------------


@given(samples)
def test_a_sample_comes_back_as_it_was_sent(sent: dict[str, Any]) -> None:
    sample = read(sent)

    assert_within_bounds(sample)
    assert {name: getattr(sample.features, name) for name in NAMES} == sent["features"]
    assert get_actual_value(sample) == sent[TARGET.name]
    assert sample.recorded_at == datetime.fromisoformat(sent["recorded_at"])
    echo = sent.get("prediction")
    assert (sample.prediction is None) == (echo is None)
    if echo is not None and sample.prediction is not None:
        assert get_predicted_value(sample.prediction) == echo[TARGET.name]


@given(samples)
def test_a_row_has_the_columns_of_the_schema_and_the_values_of_the_sample(sent: dict[str, Any]) -> None:
    cells = dict(zip(ROW_COLUMNS, to_row(read(sent)).split(","), strict=True))

    echo = sent.get("prediction") or {}
    assert {name: json.loads(cells[name]) for name in NAMES} == sent["features"]
    assert json.loads(cells[TARGET.name]) == sent[TARGET.name]
    assert cells["schema_version"] == str(VERSION)
    assert [cells[name] for name in PROVENANCE_COLUMNS[:3]] == [sent["sample_id"], sent["robot_id"], sent["fc_id"]]
    milliseconds = timedelta(milliseconds=1)
    assert (
        abs(datetime.fromisoformat(cells["recorded_at"]) - datetime.fromisoformat(sent["recorded_at"])) < milliseconds
    )
    assert [float(cells[name]) if cells[name] else None for name in ("predicted", "expected_error")] == [
        echo.get(TARGET.name),
        echo.get("expected_error"),
    ]
    assert (cells["model"] or None) == echo.get("model")


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_refused_with_a_reason(line: bytes) -> None:
    assert reason(line) in REASONS


@given(st.binary(max_size=300), st.text(max_size=20))
def test_every_line_of_an_arbitrary_message_is_answered_in_order(data: bytes, message_id: str) -> None:
    answers = parse_lines(data, message_id=message_id, received_at=NOW)

    joined = b"\n".join(line for line, _ in answers)
    assert data in {joined, joined + b"\n"}
    assert all(isinstance(answer, InvalidInputError) and answer.reason in REASONS for _, answer in answers)


@given(samples, st.data())
def test_a_damaged_sample_is_refused_for_a_known_reason_or_still_keeps_all_bounds(
    sent: dict[str, Any], data: st.DataObject
) -> None:
    place: dict[str, Any] = data.draw(st.sampled_from([sent, sent["features"], sent.get("prediction") or sent]))
    key = data.draw(st.sampled_from(sorted(place)) | st.text(max_size=10))
    if data.draw(st.booleans()):
        place.pop(key, None)
    else:
        place[key] = data.draw(json_values)

    try:
        sample = read(sent)
    except InvalidInputError as refused:
        assert refused.reason in REASONS  # noqa: PT017 - both outcomes are allowed, each with its own promise
    else:
        assert_within_bounds(sample)
        assert len(to_row(sample).split(",")) == len(ROW_COLUMNS)


@given(samples, st.integers(0, 2_000), st.binary(min_size=1, max_size=3))
def test_a_sample_with_overwritten_bytes_raises_nothing_but_a_refusal(
    sent: dict[str, Any], position: int, noise: bytes
) -> None:
    text = json.dumps(sent).encode()
    position %= len(text)

    try:
        sample = read(text[:position] + noise + text[position + len(noise) :])
    except InvalidInputError as refused:
        assert refused.reason in REASONS  # noqa: PT017 - both outcomes are allowed, each with its own promise
    else:
        assert_within_bounds(sample)


@pytest.mark.parametrize("field", [TARGET, *FEATURES], ids=lambda field: field.name)
def test_bounds_are_inclusive_and_one_beyond_is_out_of_range(field: Field) -> None:
    def with_value(number: float) -> dict[str, Any]:
        if field is TARGET:
            return make_sample(**{field.name: number})
        return make_sample(features=make_features(**{field.name: number}))

    assert read(with_value(field_value(field, 0)))
    assert read(with_value(field_value(field, 1)))
    assert read(with_value(math.ceil(field.minimum))), "a whole number is a number too"
    assert reason(with_value(_beyond(field_value(field, 0), -1))) == f"out_of_range:{field.name}"
    assert reason(with_value(_beyond(field_value(field, 1), +1))) == f"out_of_range:{field.name}"


def _beyond(bound: float, direction: int) -> float:
    """The next number of the same kind."""
    return bound + direction if isinstance(bound, int) else math.nextafter(bound, direction * math.inf)


def _replaced(old: str, new: str) -> str:
    text = a_text()
    assert text.count(old) == 1
    return text.replace(old, new)


F0, F1 = NAMES[0], NAMES[1]
TARGET_VALUE = f'"{TARGET.name}": {json.dumps(field_value(TARGET))}'
NOT_FINITE = f"{'wrong_type' if TARGET.type == 'integer' else 'out_of_range'}:{TARGET.name}"
TOO_LITTLE = TARGET.minimum - 1
ECHO = field_value(TARGET)
WHOLE = [field.name for field in FEATURES if field.type == "integer"][:1]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", "empty"),
        (" \t\r", "empty"),
        ("{", "malformed"),
        ("[]", "malformed"),
        ('"text"', "malformed"),
        ("null", "malformed"),
        ("hello", "malformed"),
        (b"\xff\xfe", "malformed"),
        (b'{"sample_id": "\xff"}', "malformed"),
        ('{"sample_id": "\\ud800"}', "malformed"),
        (b"\xef\xbb\xbf" + a_text().encode(), "malformed"),
        (a_text().encode("utf-16"), "malformed"),
        (a_text() + a_text(), "malformed"),
        ("[" * (MAX_LINE_BYTES - 1), "malformed"),
        ('{"features":' * (MAX_LINE_BYTES // 12), "malformed"),
        ("x" * 1_000_000, "too_long"),
        (a_text() + " " * MAX_LINE_BYTES, "too_long"),
        ("{}", f"missing:{TARGET.name}"),
        (make_sample(firmware="7"), "unexpected_field"),
        (make_sample(features=make_features(humidity=1)), "unexpected_field"),
        (make_sample(prediction={TARGET.name: ECHO, "secret": 1}), "unexpected_field"),
        (make_sample(schema_version=VERSION + 1), "unknown_schema_version"),
        (make_sample(schema_version=VERSION + 1, features={"other": 1}), "unknown_schema_version"),
        (make_sample(schema_version=VERSION + 1, robot_id=17), "unknown_schema_version"),
        (make_sample(schema_version=None), "unknown_schema_version"),
        (make_sample(schema_version=True), "unknown_schema_version"),
        (make_sample(schema_version=float(VERSION)), "unknown_schema_version"),
        (make_sample(features=dict.fromkeys(NAMES[1:], 1)), f"missing:{F0}"),
        (make_sample(features=[1, 2]), "wrong_type:features"),
        (make_sample(features=make_features(**{F0: {"nested": [1]}})), f"wrong_type:{F0}"),
        (make_sample(features=make_features(**{F0: "1500"})), f"wrong_type:{F0}"),
        *((make_sample(features=make_features(**{name: 1500.5})), f"wrong_type:{name}") for name in WHOLE),
        (make_sample(features=make_features(**{F0: True})), f"wrong_type:{F0}"),
        (make_sample(features=make_features(**{F0: None})), f"wrong_type:{F0}"),
        (_replaced(TARGET_VALUE, f'"{TARGET.name}": NaN'), NOT_FINITE),
        (_replaced(TARGET_VALUE, f'"{TARGET.name}": -Infinity'), NOT_FINITE),
        (_replaced(TARGET_VALUE, f'"{TARGET.name}": 1e400'), NOT_FINITE),
        (_replaced(TARGET_VALUE, f'"{TARGET.name}": {"9" * 4_000}'), f"out_of_range:{TARGET.name}"),
        (_replaced(TARGET_VALUE, f'"{TARGET.name}": {"9" * 4_400}'), "malformed"),
        (make_sample(prediction={TARGET.name: 1e308}), f"out_of_range:prediction.{TARGET.name}"),
        (make_sample(prediction={TARGET.name: TOO_LITTLE}), f"out_of_range:prediction.{TARGET.name}"),
        (make_sample(prediction={TARGET.name: math.nan}), f"out_of_range:prediction.{TARGET.name}"),
        (make_sample(prediction={TARGET.name: "5"}), f"wrong_type:prediction.{TARGET.name}"),
        (make_sample(prediction={TARGET.name: ECHO, "expected_error": 0}), "out_of_range:prediction.expected_error"),
        (
            make_sample(prediction={TARGET.name: ECHO, "expected_error": 1e308}),
            "out_of_range:prediction.expected_error",
        ),
        (make_sample(prediction={TARGET.name: ECHO, "model": "a,b"}), "wrong_type:prediction.model"),
        (make_sample(prediction={TARGET.name: ECHO, "source": "guess"}), "wrong_type:prediction.source"),
        (make_sample(prediction={}), f"missing:prediction.{TARGET.name}"),
        (make_sample(prediction=5), "wrong_type:prediction"),
        (make_sample(sample_id="a,b"), "wrong_type:sample_id"),
        (make_sample(sample_id="a\n"), "wrong_type:sample_id"),
        (make_sample(sample_id="x" * 129), "wrong_type:sample_id"),
        (make_sample(robot_id=""), "wrong_type:robot_id"),
        (make_sample(recorded_at="2026-11-23T06:38:50"), "wrong_type:recorded_at"),
        (make_sample(recorded_at="yesterday"), "wrong_type:recorded_at"),
        (make_sample(recorded_at=1_795_415_930), "wrong_type:recorded_at"),
        (make_sample(recorded_at="0001-01-01T00:00:00+23:59"), "out_of_range:recorded_at"),
        (make_sample(recorded_at="9999-12-31T23:59:59-23:59"), "in_the_future"),
        (make_sample(recorded_at="2026-11-23T06:44:01Z"), "in_the_future"),
    ],
)
def test_a_bad_line_is_refused_with_its_reason(line: Any, expected: str) -> None:
    assert expected in REASONS
    assert reason(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        a_text()[:-1] + ', "sample_id": "another"}',
        a_text()[:-1] + f', "{TARGET.name}": {ECHO}}}',
        a_text()[:-1] + ', "s\\u0061mple_id": "another"}',
        _replaced(f'"{F1}": ', f'"{F1}": 1, "{F1}": '),
        _replaced(f'"{F1}": ', f'"\\u{ord(F1[0]):04x}{F1[1:]}": 1, "{F1}": '),
        a_text()[:-1] + f', "prediction": {{"{TARGET.name}": {ECHO}, "{TARGET.name}": {ECHO}}}}}',
        a_text()[:-1] + f', "prediction": null, "prediction": {{"{TARGET.name}": {ECHO}}}}}',
        a_text()[:-1] + ', "prediction": null, "prediction": null}',
        '{"features": {}, ' + a_text()[1:],
        '{"recorded_at": 5, ' + a_text()[1:],
        f'{{"{TARGET.name}": {"9" * 4_200}, ' + a_text()[1:],
        f'{{"{TARGET.name}": NaN, ' + a_text()[1:],
        '{"features": ' + "[" * 150 + "]" * 150 + ", " + a_text()[1:],
    ],
)
def test_a_key_that_stands_twice_is_refused(line: str) -> None:
    assert reason(line) == "duplicate_key"


def test_an_escaped_key_that_stands_once_is_no_duplicate() -> None:
    assert read(_replaced('"sample_id"', '"sample\\u005fid"')).sample_id == "sample-1"


def test_a_clock_may_be_ahead_a_little() -> None:
    assert read(make_sample(recorded_at=(NOW + MAX_CLOCK_SKEW).isoformat()))


def test_a_refusal_names_the_field_and_never_the_value() -> None:
    with pytest.raises(InvalidInputError) as refused:
        read(make_sample(robot_id="not a name: 4711"))

    assert refused.value.field == "robot_id"
    assert "4711" not in str(refused.value)


def test_a_refusal_passes_through_a_context_manager() -> None:
    @contextlib.contextmanager
    def anything() -> Iterator[None]:
        yield

    with pytest.raises(InvalidInputError, match="empty"), anything():
        read("")


# --- messages and workshop rows --------------------------------------------------------------------------------


def test_a_message_of_many_lines_keeps_the_good_ones() -> None:
    message = "\n".join([a_text(), "broken", a_text(sample_id="sample-2"), "", ""]).encode()

    answers = [answer for _, answer in parse_lines(message, message_id="m", received_at=NOW)]

    assert [a.sample_id if isinstance(a, Sample) else a.reason for a in answers] == [
        *("sample-1", "malformed", "sample-2", "empty")
    ]


def test_a_message_with_carriage_returns_is_read() -> None:
    answers = parse_lines(f"{a_text()}\r\n{a_text()}\r\n".encode(), message_id="m", received_at=NOW)
    assert [type(answer) for _, answer in answers] == [Sample, Sample]


def test_a_flood_of_lines_is_one_refusal() -> None:
    flood = b"\n" * (MAX_LINES + 1)

    ((line, answer),) = parse_lines(flood, message_id="m", received_at=NOW)

    assert line == flood
    assert isinstance(answer, InvalidInputError)
    assert answer.reason == "too_many_lines"


def test_as_many_lines_as_fit_into_a_message_are_read() -> None:
    assert len(parse_lines(b"\n" * MAX_LINES, message_id="m", received_at=NOW)) == MAX_LINES


@given(within(TARGET), features)
def test_a_workshop_row_is_a_sample_received_now(target: float, values: dict[str, int | float]) -> None:
    line = ",".join(str(cell) for cell in (target, *(values[name] for name in NAMES))).encode()

    sample = parse_line(line, message_id="m", position=7, received_at=NOW)

    assert get_actual_value(sample) == target
    assert {name: getattr(sample.features, name) for name in NAMES} == values
    assert sample.recorded_at == NOW
    assert sample.sample_id == derive_csv_sample_id("m", 7)
    assert sample.prediction is None
    assert [float(cell) for cell in to_row(sample).split(",")[: len(NAMES) + 1]] == [
        *(target, *(values[name] for name in NAMES))
    ]


def test_the_id_of_a_workshop_row_depends_on_message_and_position_only() -> None:
    ids = {derive_csv_sample_id(message, position) for message in ("a", "b") for position in range(50)}
    assert len(ids) == 100
    assert derive_csv_sample_id("a", 3) in ids


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("1", "malformed"),
        (make_csv_row() + ",1", "malformed"),
        (make_csv_row() + ",", "malformed"),
        (make_csv_row().replace(",", ";"), "malformed"),
        (make_csv_row() + "],[1", "malformed"),
        (make_csv_row(**{F0: "NaN"}), "malformed"),
        (make_csv_row(**{F0: "0x10"}), "malformed"),
        (make_csv_row(**{F0: ""}), "malformed"),
        *((make_csv_row(**{name: 1500.5}), f"wrong_type:{name}") for name in WHOLE),
        (make_csv_row(**{F0: "true"}), f"wrong_type:{F0}"),
        (make_csv_row(**{F0: '"1500"'}), f"wrong_type:{F0}"),
        (make_csv_row(**{F0: "[1500]"}), f"wrong_type:{F0}"),
        *((make_csv_row(**{name: "9" * 3_000}), f"out_of_range:{name}") for name in WHOLE),
        (make_csv_row(**{TARGET.name: int(TARGET.minimum) - 1}), f"out_of_range:{TARGET.name}"),
    ],
)
def test_a_bad_workshop_row_is_refused_with_its_reason(line: str, expected: str) -> None:
    assert reason(line) == expected


# --- requests and answers --------------------------------------------------------------------------------------


@given(features)
def test_a_request_reads_the_same_in_json_and_in_a_query(values: dict[str, int | float]) -> None:
    in_json = parse_request(json.dumps({"features": values})).features
    in_query = parse_features(",".join(str(values[name]) for name in NAMES))

    assert in_json == in_query
    assert to_feature_row(in_query) == ",".join(str(values[name]) for name in NAMES)


@given(st.binary(max_size=100) | st.text(max_size=100) | json_values.map(json.dumps))
def test_an_arbitrary_request_is_refused_for_a_known_reason(body: bytes | str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        parse_request(body)
    assert refused.value.reason in REASONS


@given(st.text(max_size=60))
def test_an_arbitrary_query_is_refused_for_a_known_reason(text: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        parse_features(text)
    assert refused.value.reason in REASONS


def test_a_request_may_ask_for_as_many_as_the_contract_says_and_no_more() -> None:
    request = parse_request(json.dumps({"instances": [make_features()] * MAX_INSTANCES}))
    assert len(request.instances or ()) == MAX_INSTANCES

    with pytest.raises(InvalidInputError, match="out_of_range:instances"):
        parse_request(json.dumps({"instances": [make_features()] * (MAX_INSTANCES + 1)}))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("", "malformed"),
        ("\ud800", "malformed"),
        ("[]", "malformed"),
        ("{}", "missing:features"),
        ('{"features": null}', "missing:features"),
        (json.dumps({"features": make_features(), "instances": [make_features()]}), "unexpected_field"),
        (json.dumps({"features": make_features(), "more": 1}), "unexpected_field"),
        ('{"instances": []}', "out_of_range:instances"),
        ('{"instances": 5}', "wrong_type:instances"),
        (json.dumps({"instances": [make_features(), {}]}), f"missing:{F0}"),
        (json.dumps({"features": make_features()})[:-1] + ', "features": null}', "duplicate_key"),
        ('{"features": null, ' + json.dumps({"features": make_features()})[1:], "duplicate_key"),
        (json.dumps({"instances": [make_features()]}).replace(f'"{F1}"', f'"{F1}": 1, "{F1}"'), "duplicate_key"),
    ],
)
def test_a_bad_request_is_refused_with_its_reason(body: str, expected: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        parse_request(body)
    assert refused.value.reason == expected


GOOD = make_features()
LARGE = max(feature.maximum for feature in FEATURES) + 1


@pytest.mark.parametrize(
    ("instances", "field", "detail"),
    [
        ([{**GOOD, F0: LARGE}], F0, ""),
        ([{**GOOD, F0: LARGE}, {}], F0, ""),
        ([{**GOOD, F0: None}], F0, ""),
        ([{}], F0, "required, and not given"),
        ([{**GOOD, "more": 1}], "more", "no such field in the contract: 'more'"),
        ([5], "instances", ""),
    ],
)
def test_a_refusal_says_which_instance_and_which_field(instances: list[Any], field: str, detail: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        parse_request(json.dumps({"instances": [*[GOOD] * 317, *instances]}))
    assert (refused.value.instance, refused.value.field) == (317, field)
    assert detail in refused.value.detail


def test_a_key_that_stands_twice_is_told_with_its_place() -> None:
    twice = json.dumps(GOOD).replace(f'"{F1}"', f'"{F1}": 1, "{F1}"')
    one = json.dumps(GOOD)
    for body, told in (
        (f'{{"instances": [{one}, {one}, {twice}, {twice}]}}', (F1, 2)),
        (f'{{"features": {twice}}}', (F1, None)),
        (f'{{"features": {one}, "features": {twice}}}', ("features", None)),
    ):
        with pytest.raises(InvalidInputError, match="duplicate_key") as refused:
            parse_request(body)
        assert (refused.value.field, refused.value.instance) == told


@pytest.mark.parametrize(
    ("count", "detail"), [(0, "0 given, at least 1"), (MAX_INSTANCES + 1, f"{MAX_INSTANCES + 1} given, at most")]
)
def test_a_wrong_number_of_instances_is_told_in_words(count: int, detail: str) -> None:
    with pytest.raises(InvalidInputError, match="out_of_range:instances") as refused:
        parse_request(json.dumps({"instances": [GOOD] * count}))
    assert refused.value.detail.startswith(detail)
    assert refused.value.instance is None


@given(st.floats(TARGET.minimum, TARGET.maximum), st.none() | identifiers)
def test_an_answer_can_be_echoed_as_it_is(value: float, model: str | None) -> None:
    answer = build_prediction(value, model=model, expected_error=None if model is None else EXPECTED_ERROR)

    echoed = read(make_sample(prediction=answer)).prediction

    assert echoed is not None
    assert get_predicted_value(echoed) == value
    assert (echoed.model, echoed.source) == (model, "fallback" if model is None else "model")


def test_the_baseline_is_what_the_schema_says() -> None:
    answer = predict_baseline(read(make_sample()).features)
    told = make_features()[BASELINE] if isinstance(BASELINE, str) else BASELINE
    assert answer == clip_to_bounds(told)


# --- the description and its hash ------------------------------------------------------------------------------


def test_the_description_is_plain_data_and_complete() -> None:
    told = json.loads(json.dumps(describe()))

    assert told == describe()
    assert [feature["name"] for feature in told["features"]] == NAMES
    assert told["row"] == [TARGET.name, *NAMES, *PROVENANCE_COLUMNS]
    assert told["hash"] == get_schema_hash()
    for field in (told["target"], *told["features"]):
        assert field["unit"]
        assert field["meaning"]
        assert field["minimum"] < field["maximum"]


@pytest.fixture
def hash_after(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Any, str, Any], str]]:
    """The hash that the schema would have if one name of a module had another value."""

    def change(module: Any, name: str, value: Any) -> str:
        monkeypatch.setattr(module, name, value)
        describe.cache_clear()
        return get_schema_hash()

    yield change
    monkeypatch.undo()
    describe.cache_clear()


def _first(**changed: Any) -> tuple[Field, ...]:
    return (dataclasses.replace(FEATURES[0], **changed), *FEATURES[1:])


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        (fields, "VERSION", VERSION + 1),
        (fields, "BASELINE", field_value(TARGET, 0.123)),
        (fields, "TARGET", dataclasses.replace(TARGET, unit="furlong")),
        (fields, "TARGET", dataclasses.replace(TARGET, maximum=TARGET.maximum + 1)),
        (fields, "FEATURES", _first(name="another")),
        (fields, "FEATURES", _first(type="number" if FEATURES[0].type == "integer" else "integer")),
        (fields, "FEATURES", _first(unit="furlong")),
        (fields, "FEATURES", _first(minimum=FEATURES[0].minimum - 1)),
        (fields, "FEATURES", _first(maximum=FEATURES[0].maximum + 1)),
        (fields, "FEATURES", _first(meaning="another")),
        (fields, "FEATURES", FEATURES[1:]),
        (fields, "FEATURES", (FEATURES[1], FEATURES[0], *FEATURES[2:])),
        (fields, "ROW_COLUMNS", ROW_COLUMNS[:-1]),
    ],
)
def test_the_hash_changes_with_everything_that_gives_a_row_its_meaning(
    hash_after: Callable[[Any, str, Any], str], module: Any, name: str, value: Any
) -> None:
    before = get_schema_hash()
    assert len(before) == 16
    assert hash_after(module, name, value) != before


def test_the_hash_stays_while_nothing_changes(hash_after: Callable[[Any, str, Any], str]) -> None:
    before = get_schema_hash()
    assert hash_after(fields, "VERSION", VERSION) == before
