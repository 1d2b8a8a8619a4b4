"""The template with its parameters in place: what sam would deploy, as far as a plan has to know."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dwell.local.functions import logical_ids
from dwell.template import TemplateError, load_template, read_template

if TYPE_CHECKING:
    from pathlib import Path


def test_overrides_take_precedence_over_profiles() -> None:
    default, prod = load_template(), load_template("prod")
    assert default.properties("SamplesStream")["ShardCount"] == 1
    assert "ShardCount" not in prod.properties("SamplesStream")
    assert prod.properties("SamplesStream")["StreamModeDetails"] == {"StreamMode": "ON_DEMAND"}
    assert load_template("prod", {"StreamShards": "7"}).properties("SamplesStream")["ShardCount"] == 7
    assert load_template("local").parameters["AlarmRecheckSchedule"] == "rate(1 minute)"
    assert [one.parameters["AWS::StackName"] for one in (default, prod)] == ["dwell", "dwell-prod"]


def test_function_properties_override_globals() -> None:
    assert load_template().properties("ForwarderFunction")["MemorySize"] == 512
    assert load_template().properties("ValidatorFunction")["MemorySize"] == 1024


def test_resources_with_a_false_condition_are_left_out() -> None:
    assert load_template().resources("AWS::KMS::Key") == ["EncryptionKey"]
    assert (
        load_template(overrides={"EncryptionKeyArn": "arn:aws:kms:us-east-1:1:key/1"}).resources("AWS::KMS::Key") == []
    )


def test_text_is_put_together_from_parameters() -> None:
    alarm = load_template(overrides={"MinimumPredictions": "77"}).properties("NewModelErrorAlarm")
    assert "predicted >= 77," in alarm["Metrics"][0]["Expression"]


@pytest.mark.parametrize(
    ("profile", "overrides", "message"),
    [
        ("staging", {}, "no profile 'staging'; there are default, local, prod"),
        ("default", {"Shards": "3"}, "no parameter 'Shards'"),
        ("default", {"StreamShards": "many"}, "StreamShards must be a number of at least 0, not 'many'"),
        ("default", {"StreamShards": "nan"}, "StreamShards must be a number of at least 0, not 'nan'"),
        ("default", {"StreamShards": "inf"}, "StreamShards must be a number of at least 0, not 'inf'"),
        ("default", {"StreamShards": "1e308"}, "StreamShards must be a number of at least 0, not '1e308'"),
        ("default", {"EndpointInstanceCount": "0"}, "EndpointInstanceCount must be a number of at least 1, not '0'"),
        ("default", {"TrainingMaxSeconds": "59"}, "TrainingMaxSeconds must be a number from 60 to 432,000, not '59'"),
        ("default", {"AlarmPeriodSeconds": "45"}, "AlarmPeriodSeconds must be one of 10, 30, 60, 300, 900, not '45'"),
        ("default", {"Architecture": "riscv"}, "Architecture must be one of arm64, x86_64, not 'riscv'"),
    ],
)
def test_invalid_profile_or_parameter_raises_with_valid_ones(
    profile: str, overrides: dict[str, str], message: str
) -> None:
    with pytest.raises(TemplateError, match=message):
        load_template(profile, overrides)


def test_accepted_values_of_a_parameter_are_accepted() -> None:
    for name, one in read_template()["Parameters"].items():
        for value in [one["Default"], *one.get("AllowedValues", []), one.get("MinValue"), one.get("MaxValue")]:
            if value is not None:
                assert load_template(overrides={name: str(value)}).parameters[name] == value


def test_unsupported_condition_raises(tmp_path: Path) -> None:
    (tmp_path / "samconfig.toml").write_text("[default]\n")
    path = tmp_path / "template.yaml"
    path.write_text(
        "Parameters: {}\nConditions: {Odd: !Or [!Equals [1, 1], !Equals [1, 2]]}\n"
        "Resources: {Thing: {Type: A, Properties: {Size: !If [Odd, 1, 2]}}}\n"
    )
    with pytest.raises(TemplateError, match="Odd"):
        load_template(path=path).properties("Thing")


def test_functions_are_known_by_their_folders() -> None:
    assert logical_ids()["validator"] == "ValidatorFunction"
    assert set(logical_ids().values()) == set(load_template().resources("AWS::Serverless::Function"))
    assert read_template()["Parameters"]["StreamShards"]["Default"] == 1
