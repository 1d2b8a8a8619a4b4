"""Hyperparameters reach a script as the image's toolkit passes them."""

from __future__ import annotations

import pytest

from local_aws.sagemaker import arguments


@pytest.mark.parametrize(
    ("value", "argument"),
    [
        ("true", "True"),
        ("0.30", "0.3"),
        ('[1,"a b"]', "[1, 'a b']"),
        ("null", ""),
        ("plain words", "plain words"),
        ('"quoted"', "quoted"),
        ('{"b": 1, "a": 2}', "a=2,b=1"),
    ],
)
def test_hyperparameter_becomes_str_of_its_decoded_json(value: str, argument: str) -> None:
    assert arguments.command_line(arguments.decode({"name": value})) == ["--name", argument]


def test_arguments_are_sorted_and_without_reserved_names() -> None:
    # given reserved and other hyperparameters
    decoded = arguments.decode({"sagemaker_program": "train.py", "zeta": "1", "k": "5"})
    # then only the others become arguments, sorted by name
    assert arguments.command_line(arguments.for_script(decoded)) == ["-k", "5", "--zeta", "1"]
    assert arguments.for_toolkit(decoded) == {"sagemaker_program": "train.py"}
    assert arguments.for_framework(decoded) == {}


def test_reserved_names_unknown_to_toolkit_go_to_framework() -> None:
    decoded = arguments.decode(
        {"sagemaker_mpi_enabled": "true", "sagemaker_region": "eu-west-1", "_tuning_objective_metric": "rmse", "k": "5"}
    )
    assert arguments.for_framework(decoded) == {"sagemaker_mpi_enabled": True}
    assert arguments.for_script(decoded) == {"k": 5}
