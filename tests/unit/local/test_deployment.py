"""Parameters of a local deployment: the file's, this machine's processor, and the caller's, in this order."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import pytest

from dwell.local import deployment

if TYPE_CHECKING:
    from pathlib import Path


def test_later_parameters_win(tmp_path: Path) -> None:
    config = tmp_path / "samconfig.toml"
    config.write_text(
        "[local.deploy.parameters]\n"
        "parameter_overrides = [\"LookAgain='rate(1 minute)'\", 'MinimumSamples=5000', 'CooldownSeconds=10']\n"
    )
    processor = deployment.architecture(platform.machine())
    assert deployment.overrides({"MinimumSamples": "100", "OperationsEmail": ""}, config) == [
        "LookAgain='rate(1 minute)'",
        "MinimumSamples='100'",
        "CooldownSeconds=10",
        f"Architecture={processor}",
        "OperationsEmail=''",
    ]


@pytest.mark.parametrize(("machine", "expected"), [("x86_64", "x86_64"), ("AMD64", "x86_64"), ("aarch64", "arm64")])
def test_processors_have_lambdas_names(machine: str, expected: str) -> None:
    assert deployment.architecture(machine) == expected


def test_another_processor_is_refused() -> None:
    with pytest.raises(deployment.DeploymentError, match="'riscv64'"):
        deployment.architecture("riscv64")
