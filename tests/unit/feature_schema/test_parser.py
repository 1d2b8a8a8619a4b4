"""Every line and request gives a value within the bounds, or an error with a known reason."""

from __future__ import annotations

import contextlib
import json
import math
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_schema import (
    FEATURES,
    MAX_INSTANCES,
    ROW_COLUMNS,
    TARGET,
    VERSION,
    InvalidInputError,
    Sample,
    derive_csv_sample_id,
    get_actual_value,
    get_predicted_value,
    parse_features,
    parse_line,
    parse_lines,
    parse_request,
    to_feature_row,
    to_row,
)
from feature_schema.limits import MAX_CLOCK_SKEW, MAX_LINE_BYTES, MAX_LINES
from tests.factories.samples import field_value, make_csv_row, make_features, make_sample
from tests.unit.feature_schema.factories import (
    FEATURE_NAMES,
    NOW,
    REASONS,
    assert_within_bounds,
    features,
    get_rejection_reason,
    json_values,
    make_line,
    parse_sample,
    samples,
    values_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from feature_schema.field import Field


@given(samples)
def test_valid_sample_keeps_all_values(sent: dict[str, Any]) -> None:
    sample = parse_sample(sent)

    assert_within_bounds(sample)
    assert {name: getattr(sample.features, name) for name in FEATURE_NAMES} == sent["features"]
    assert get_actual_value(sample) == sent[TARGET.name]
    assert sample.recorded_at == datetime.fromisoformat(sent["recorded_at"])
    prediction = sent.get("prediction")
    assert (sample.prediction is None) == (prediction is None)
    if prediction is not None and sample.prediction is not None:
        assert get_predicted_value(sample.prediction) == prediction[TARGET.name]


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_rejected_with_known_reason(line: bytes) -> None:
    assert get_rejection_reason(line) in REASONS


@given(st.binary(max_size=300), st.text(max_size=20))
def test_arbitrary_message_gives_result_per_line_in_order(data: bytes, message_id: str) -> None:
    results = parse_lines(data, message_id=message_id, received_at=NOW)

    joined = b"\n".join(line for line, _ in results)
    assert data in {joined, joined + b"\n"}
    assert all(isinstance(result, InvalidInputError) and result.reason in REASONS for _, result in results)


@given(samples, st.data())
def test_damaged_sample_is_rejected_or_within_bounds(sent: dict[str, Any], data: st.DataObject) -> None:
    target_object: dict[str, Any] = data.draw(st.sampled_from([sent, sent["features"], sent.get("prediction") or sent]))
    key = data.draw(st.sampled_from(sorted(target_object)) | st.text(max_size=10))
    if data.draw(st.booleans()):
        target_object.pop(key, None)
    else:
        target_object[key] = data.draw(json_values)

    try:
        sample = parse_sample(sent)
    except InvalidInputError as error:
        assert error.reason in REASONS  # noqa: PT017 - both outcomes are valid, with different assertions
    else:
        assert_within_bounds(sample)
        assert len(to_row(sample, received_at=NOW).split(",")) == len(ROW_COLUMNS)


@given(samples, st.integers(0, 2_000), st.binary(min_size=1, max_size=3))
def test_overwritten_bytes_raise_only_invalid_input_error(sent: dict[str, Any], position: int, noise: bytes) -> None:
    text = json.dumps(sent).encode()
    position %= len(text)

    try:
        sample = parse_sample(text[:position] + noise + text[position + len(noise) :])
    except InvalidInputError as error:
        assert error.reason in REASONS  # noqa: PT017 - both outcomes are valid, with different assertions
    else:
        assert_within_bounds(sample)


@pytest.mark.parametrize("field", [TARGET, *FEATURES], ids=lambda field: field.name)
def test_bounds_are_inclusive(field: Field) -> None:
    def with_value(number: float) -> dict[str, Any]:
        if field is TARGET:
            return make_sample(**{field.name: number})
        return make_sample(features=make_features(**{field.name: number}))

    assert parse_sample(with_value(field_value(field, 0)))
    assert parse_sample(with_value(field_value(field, 1)))
    assert parse_sample(with_value(math.ceil(field.minimum))), "an integer is a number"
    assert get_rejection_reason(with_value(_beyond(field_value(field, 0), -1))) == f"out_of_range:{field.name}"
    assert get_rejection_reason(with_value(_beyond(field_value(field, 1), +1))) == f"out_of_range:{field.name}"


def _beyond(bound: float, direction: int) -> float:
    """Return the next number of the same type."""
    return bound + direction if isinstance(bound, int) else math.nextafter(bound, direction * math.inf)


def _replaced(old: str, new: str) -> str:
    text = make_line()
    assert text.count(old) == 1
    return text.replace(old, new)


F0, F1 = FEATURE_NAMES[0], FEATURE_NAMES[1]
ECHO = {TARGET.name: TARGET.minimum + 1, "model": "xgboost-1"}
TARGET_VALUE = f'"{TARGET.name}": {json.dumps(field_value(TARGET))}'
NOT_FINITE = f"{'wrong_type' if TARGET.type == 'integer' else 'out_of_range'}:{TARGET.name}"
TOO_SMALL = TARGET.minimum - 1
PREDICTED = field_value(TARGET)
INTEGER_FEATURES = [field.name for field in FEATURES if field.type == "integer"][:1]


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
        (b"\xef\xbb\xbf" + make_line().encode(), "malformed"),
        (make_line().encode("utf-16"), "malformed"),
        (make_line() + make_line(), "malformed"),
        ("[" * (MAX_LINE_BYTES - 1), "malformed"),
        ('{"features":' * (MAX_LINE_BYTES // 12), "malformed"),
        ("x" * 1_000_000, "too_long"),
        (make_line() + " " * MAX_LINE_BYTES, "too_long"),
        ("{}", f"missing:{TARGET.name}"),
        (make_sample(firmware="7"), "unexpected_field"),
        (make_sample(features=make_features(humidity=1)), "unexpected_field"),
        (make_sample(prediction={TARGET.name: PREDICTED, "secret": 1}), "unexpected_field"),
        (make_sample(schema_version=VERSION + 1), "unknown_schema_version"),
        (make_sample(schema_version=VERSION + 1, features={"other": 1}), "unknown_schema_version"),
        (make_sample(schema_version=VERSION + 1, robot_id=17), "unknown_schema_version"),
        (make_sample(schema_version=None), "unknown_schema_version"),
        (make_sample(schema_version=True), "unknown_schema_version"),
        (make_sample(schema_version=float(VERSION)), "unknown_schema_version"),
        (make_sample(features=dict.fromkeys(FEATURE_NAMES[1:], 1)), f"missing:{F0}"),
        (make_sample(features=[1, 2]), "wrong_type:features"),
        (make_sample(features=make_features(**{F0: {"nested": [1]}})), f"wrong_type:{F0}"),
        (make_sample(features=make_features(**{F0: "1500"})), f"wrong_type:{F0}"),
        *((make_sample(features=make_features(**{name: 1500.5})), f"wrong_type:{name}") for name in INTEGER_FEATURES),
        (make_sample(features=make_features(**{F0: True})), f"wrong_type:{F0}"),
        (make_sample(features=make_features(**{F0: None})), f"wrong_type:{F0}"),
        (_replaced(TARGET_VALUE, f'"{TARGET.name}": NaN'), NOT_FINITE),
        (_replaced(TARGET_VALUE, f'"{TARGET.name}": -Infinity'), NOT_FINITE),
        (_replaced(TARGET_VALUE, f'"{TARGET.name}": 1e400'), NOT_FINITE),
        (_replaced(TARGET_VALUE, f'"{TARGET.name}": {"9" * 4_000}'), f"out_of_range:{TARGET.name}"),
        (_replaced(TARGET_VALUE, f'"{TARGET.name}": {"9" * 4_400}'), "malformed"),
        (make_sample(prediction={TARGET.name: 1e308}), f"out_of_range:prediction.{TARGET.name}"),
        (make_sample(prediction={TARGET.name: TOO_SMALL}), f"out_of_range:prediction.{TARGET.name}"),
        (make_sample(prediction={TARGET.name: math.nan}), f"out_of_range:prediction.{TARGET.name}"),
        (make_sample(prediction={TARGET.name: "5"}), f"wrong_type:prediction.{TARGET.name}"),
        (
            make_sample(prediction={TARGET.name: PREDICTED, "expected_error": 0}),
            "out_of_range:prediction.expected_error",
        ),
        (
            make_sample(prediction={TARGET.name: PREDICTED, "expected_error": 1e308}),
            "out_of_range:prediction.expected_error",
        ),
        (make_sample(prediction={TARGET.name: PREDICTED, "model": "a,b"}), "wrong_type:prediction.model"),
        (make_sample(prediction={TARGET.name: PREDICTED, "source": "guess"}), "wrong_type:prediction.source"),
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
        (make_sample(prediction={**ECHO, "asked_at": "2026-11-23T06:44:01Z"}), "out_of_range:prediction.asked_at"),
        (make_sample(prediction={**ECHO, "asked_at": "1999-12-31T23:59:59Z"}), "out_of_range:prediction.asked_at"),
        (make_sample(prediction={**ECHO, "asked_at": "2026-11-23T06:38:50"}), "wrong_type:prediction.asked_at"),
        (make_sample(prediction={**ECHO, "asked_at": ""}), "wrong_type:prediction.asked_at"),
    ],
)
def test_invalid_line_is_rejected_with_its_reason(line: Any, expected: str) -> None:
    assert expected in REASONS
    assert get_rejection_reason(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        make_line()[:-1] + ', "sample_id": "another"}',
        make_line()[:-1] + f', "{TARGET.name}": {PREDICTED}}}',
        make_line()[:-1] + ', "s\\u0061mple_id": "another"}',
        _replaced(f'"{F1}": ', f'"{F1}": 1, "{F1}": '),
        _replaced(f'"{F1}": ', f'"\\u{ord(F1[0]):04x}{F1[1:]}": 1, "{F1}": '),
        make_line()[:-1] + f', "prediction": {{"{TARGET.name}": {PREDICTED}, "{TARGET.name}": {PREDICTED}}}}}',
        make_line()[:-1] + f', "prediction": null, "prediction": {{"{TARGET.name}": {PREDICTED}}}}}',
        make_line()[:-1] + ', "prediction": null, "prediction": null}',
        '{"features": {}, ' + make_line()[1:],
        '{"recorded_at": 5, ' + make_line()[1:],
        f'{{"{TARGET.name}": {"9" * 4_200}, ' + make_line()[1:],
        f'{{"{TARGET.name}": NaN, ' + make_line()[1:],
        '{"features": ' + "[" * 150 + "]" * 150 + ", " + make_line()[1:],
    ],
)
def test_duplicate_key_is_rejected(line: str) -> None:
    assert get_rejection_reason(line) == "duplicate_key"


def test_escaped_key_is_no_duplicate() -> None:
    assert parse_sample(_replaced('"sample_id"', '"sample\\u005fid"')).sample_id == "sample-1"


def test_small_clock_skew_is_accepted() -> None:
    assert parse_sample(make_sample(recorded_at=(NOW + MAX_CLOCK_SKEW).isoformat()))


def test_error_names_the_field_and_never_the_value() -> None:
    with pytest.raises(InvalidInputError) as raised:
        parse_sample(make_sample(robot_id="not a name: 4711"))

    assert raised.value.field == "robot_id"
    assert "4711" not in str(raised.value)


def test_error_passes_through_a_context_manager() -> None:
    @contextlib.contextmanager
    def anything() -> Iterator[None]:
        yield

    with pytest.raises(InvalidInputError, match="empty"), anything():
        parse_sample("")


def test_message_with_invalid_lines_keeps_valid_ones() -> None:
    message = "\n".join([make_line(), "broken", make_line(sample_id="sample-2"), "", ""]).encode()

    results = [result for _, result in parse_lines(message, message_id="m", received_at=NOW)]

    assert [result.sample_id if isinstance(result, Sample) else result.reason for result in results] == [
        *("sample-1", "malformed", "sample-2", "empty")
    ]


def test_message_with_carriage_returns_is_parsed() -> None:
    results = parse_lines(f"{make_line()}\r\n{make_line()}\r\n".encode(), message_id="m", received_at=NOW)
    assert [type(result) for _, result in results] == [Sample, Sample]


def test_too_many_lines_give_one_error() -> None:
    message = b"\n" * (MAX_LINES + 1)

    ((line, result),) = parse_lines(message, message_id="m", received_at=NOW)

    assert line == message
    assert isinstance(result, InvalidInputError)
    assert result.reason == "too_many_lines"


def test_max_lines_are_parsed() -> None:
    assert len(parse_lines(b"\n" * MAX_LINES, message_id="m", received_at=NOW)) == MAX_LINES


@given(values_of(TARGET), features)
def test_csv_row_becomes_a_sample_received_now(target: float, values: dict[str, int | float]) -> None:
    line = ",".join(str(cell) for cell in (target, *(values[name] for name in FEATURE_NAMES))).encode()

    sample = parse_line(line, message_id="m", position=7, received_at=NOW)

    assert get_actual_value(sample) == target
    assert {name: getattr(sample.features, name) for name in FEATURE_NAMES} == values
    assert sample.recorded_at == NOW
    assert sample.sample_id == derive_csv_sample_id("m", 7)
    assert sample.prediction is None
    assert [float(cell) for cell in to_row(sample, received_at=NOW).split(",")[: len(FEATURE_NAMES) + 1]] == [
        *(target, *(values[name] for name in FEATURE_NAMES))
    ]


def test_csv_sample_id_depends_on_message_and_position() -> None:
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
        *((make_csv_row(**{name: 1500.5}), f"wrong_type:{name}") for name in INTEGER_FEATURES),
        (make_csv_row(**{F0: "true"}), f"wrong_type:{F0}"),
        (make_csv_row(**{F0: '"1500"'}), f"wrong_type:{F0}"),
        (make_csv_row(**{F0: "[1500]"}), f"wrong_type:{F0}"),
        *((make_csv_row(**{name: "9" * 3_000}), f"out_of_range:{name}") for name in INTEGER_FEATURES),
        (make_csv_row(**{TARGET.name: int(TARGET.minimum) - 1}), f"out_of_range:{TARGET.name}"),
    ],
)
def test_invalid_csv_row_is_rejected_with_its_reason(line: str, expected: str) -> None:
    assert get_rejection_reason(line) == expected


@given(features)
def test_json_request_and_query_give_the_same_features(values: dict[str, int | float]) -> None:
    from_json = parse_request(json.dumps({"features": values})).features
    from_query = parse_features(",".join(str(values[name]) for name in FEATURE_NAMES))

    assert from_json == from_query
    assert to_feature_row(from_query) == ",".join(str(values[name]) for name in FEATURE_NAMES)


@given(st.binary(max_size=100) | st.text(max_size=100) | json_values.map(json.dumps))
def test_arbitrary_request_is_rejected_with_known_reason(body: bytes | str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        parse_request(body)
    assert raised.value.reason in REASONS


@given(st.text(max_size=60))
def test_arbitrary_query_is_rejected_with_known_reason(text: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        parse_features(text)
    assert raised.value.reason in REASONS


def test_request_has_at_most_max_instances() -> None:
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
def test_invalid_request_is_rejected_with_its_reason(body: str, expected: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        parse_request(body)
    assert raised.value.reason == expected


@pytest.mark.parametrize("sender", [{}, {"fc_id": "fc-2"}, {"fc_id": "fc-2", "robot_id": "robot-17"}, {"fc_id": None}])
@pytest.mark.parametrize("asked", [{"features": make_features()}, {"instances": [make_features()] * 2}])
def test_request_may_name_its_sender(sender: dict[str, Any], asked: dict[str, Any]) -> None:
    request = parse_request(json.dumps(asked | sender))
    assert (request.fc_id, request.robot_id) == (sender.get("fc_id"), sender.get("robot_id"))


@pytest.mark.parametrize("field", ["fc_id", "robot_id"])
@pytest.mark.parametrize("value", ["", "a b", "-1", 17, "x" * 129])
def test_sender_that_is_no_identifier_is_rejected(field: str, value: Any) -> None:
    with pytest.raises(InvalidInputError, match=f"wrong_type:{field}"):
        parse_request(json.dumps({"features": make_features(), field: value}))


@pytest.mark.parametrize("asked_at", ["2026-11-23T06:38:40.5Z", "2026-11-23T08:38:40.500+02:00"])
def test_asked_at_of_an_echo_is_kept(asked_at: str) -> None:
    sample = parse_sample(make_sample(prediction={**ECHO, "asked_at": asked_at}))
    assert sample.prediction is not None
    assert sample.prediction.asked_at == datetime.fromisoformat("2026-11-23T06:38:40.5Z")


@pytest.mark.parametrize("echo", [{}, {"asked_at": None}])
def test_echo_without_asked_at_is_accepted(echo: dict[str, Any]) -> None:
    sample = parse_sample(make_sample(prediction={**ECHO, **echo}))
    assert sample.prediction is not None
    assert sample.prediction.asked_at is None


def test_asked_at_may_be_as_far_ahead_as_a_clock() -> None:
    assert parse_sample(make_sample(prediction={**ECHO, "asked_at": (NOW + MAX_CLOCK_SKEW).isoformat()}))


VALID = make_features()
TOO_LARGE = max(feature.maximum for feature in FEATURES) + 1


@pytest.mark.parametrize(
    ("instances", "field", "detail"),
    [
        ([{**VALID, F0: TOO_LARGE}], F0, ""),
        ([{**VALID, F0: TOO_LARGE}, {}], F0, ""),
        ([{**VALID, F0: None}], F0, ""),
        ([{}], F0, "required, and not given"),
        ([{**VALID, "more": 1}], "more", "no such field in the contract: 'more'"),
        ([5], "instances", ""),
    ],
)
def test_error_names_instance_and_field(instances: list[Any], field: str, detail: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        parse_request(json.dumps({"instances": [*[VALID] * 317, *instances]}))
    assert (raised.value.instance, raised.value.field) == (317, field)
    assert detail in raised.value.detail


def test_duplicate_key_error_names_key_and_instance() -> None:
    duplicate = json.dumps(VALID).replace(f'"{F1}"', f'"{F1}": 1, "{F1}"')
    valid = json.dumps(VALID)
    for body, key_and_instance in (
        (f'{{"instances": [{valid}, {valid}, {duplicate}, {duplicate}]}}', (F1, 2)),
        (f'{{"features": {duplicate}}}', (F1, None)),
        (f'{{"features": {valid}, "features": {duplicate}}}', ("features", None)),
    ):
        with pytest.raises(InvalidInputError, match="duplicate_key") as raised:
            parse_request(body)
        assert (raised.value.field, raised.value.instance) == key_and_instance


@pytest.mark.parametrize(
    ("count", "detail"), [(0, "0 given, at least 1"), (MAX_INSTANCES + 1, f"{MAX_INSTANCES + 1} given, at most")]
)
def test_wrong_number_of_instances_is_described(count: int, detail: str) -> None:
    with pytest.raises(InvalidInputError, match="out_of_range:instances") as raised:
        parse_request(json.dumps({"instances": [VALID] * count}))
    assert raised.value.detail.startswith(detail)
    assert raised.value.instance is None
