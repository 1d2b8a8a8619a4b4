"""Parameters of a local deployment: the file's, this machine's processor, and the caller's, in this order."""

from __future__ import annotations

import fcntl
import platform
import shutil
import threading
from typing import TYPE_CHECKING

import pytest

from dwell.local import deployment

if TYPE_CHECKING:
    from pathlib import Path


def test_later_parameters_win(tmp_path: Path) -> None:
    config = tmp_path / "samconfig.toml"
    config.write_text(
        "[local.deploy.parameters]\n"
        "parameter_overrides = "
        "[\"AlarmRecheckSchedule='rate(1 minute)'\", 'MinimumSamples=5000', 'CooldownSeconds=10']\n"
    )
    processor = deployment.to_lambda_architecture(platform.machine())
    assert deployment.build_overrides({"MinimumSamples": "100", "OperationsEmail": ""}, config) == [
        "AlarmRecheckSchedule='rate(1 minute)'",
        "MinimumSamples='100'",
        "CooldownSeconds=10",
        f"Architecture={processor}",
        "OperationsEmail=''",
    ]


@pytest.mark.parametrize(("machine", "expected"), [("x86_64", "x86_64"), ("AMD64", "x86_64"), ("aarch64", "arm64")])
def test_processors_have_lambdas_names(machine: str, expected: str) -> None:
    assert deployment.to_lambda_architecture(machine) == expected


def test_another_processor_is_refused() -> None:
    with pytest.raises(deployment.DeploymentError, match="'riscv64'"):
        deployment.to_lambda_architecture("riscv64")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one function, whose ``sam build`` writes nothing but a template."""
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "handler.py").write_text("pass\n")
    (tmp_path / "template.yaml").write_text("Resources: {}\n")
    monkeypatch.setattr(deployment, "ROOT", tmp_path)
    monkeypatch.setattr(deployment, "LOGS", tmp_path / "build")
    monkeypatch.setattr(deployment, "BUILD", tmp_path / ".aws-sam")
    monkeypatch.setattr(deployment, "build_overrides", lambda parameters: [f"{parameters}"])
    return tmp_path


@pytest.fixture
def builds(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ``sam`` commands that were run."""
    commands: list[str] = []

    def sam(command: str, *_: str) -> None:
        commands.append(command)
        deployment.BUILD.mkdir(exist_ok=True)

    monkeypatch.setattr(deployment, "_sam", sam)
    return commands


def test_build_without_changes_is_skipped(builds: list[str], checkout: Path) -> None:
    deployment.build()
    (checkout / "functions" / "__pycache__").mkdir()
    (checkout / "functions" / "__pycache__" / "handler.pyc").write_bytes(b"compiled")
    deployment.build()
    assert builds == ["build"]


@pytest.mark.parametrize("change", ["content", "mode", "name", "template", "parameters", "output"])
def test_build_after_a_change_runs_again(builds: list[str], checkout: Path, change: str) -> None:
    deployment.build()
    handler = checkout / "functions" / "handler.py"
    match change:
        case "content":
            handler.write_text("pass  # changed\n")
        case "mode":
            handler.chmod(0o755)
        case "name":
            handler.rename(handler.with_name("other.py"))
        case "template":
            (checkout / "template.yaml").write_text("Resources: {Topic: {}}\n")
        case "output":
            shutil.rmtree(deployment.BUILD)
    deployment.build({"Architecture": "arm64"} if change == "parameters" else None)
    assert builds == ["build", "build"]


def test_build_that_failed_runs_again(builds: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: str) -> None:
        raise deployment.DeploymentError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(deployment, "_sam", fail)
        with pytest.raises(deployment.DeploymentError):
            deployment.build()
    deployment.build()
    assert builds == ["build"]


def test_build_waits_for_a_deployment_of_the_same_checkout(builds: list[str], checkout: Path) -> None:
    deploying, build = deployment._lock(fcntl.LOCK_SH), threading.Thread(target=deployment.build)
    with deploying:
        build.start()
        build.join(0.2)
        assert builds == []
    build.join(10)
    assert builds == ["build"]
