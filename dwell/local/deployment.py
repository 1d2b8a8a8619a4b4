"""Builds template.yaml and deploys it to the local AWS with sam, in the same way as to AWS."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import platform
import tomllib
from typing import TYPE_CHECKING

from dwell.console.errors import ReportedError
from dwell.local import child_process
from dwell.local.emulator_process import ROOT, clean_environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from dwell.local.emulator_process import Laptop

SAM = ROOT / ".venvs" / "sam" / "bin"
LOGS = ROOT / "build" / "local"
CONFIG = "local"
"""The profile of samconfig.toml for the laptop."""
STACK = "dwell"
SOURCES = ("template.yaml", "samconfig.toml", "functions", "layers", "requirements/sam.txt")
"""What the result of ``sam build`` depends on."""
BUILD = ROOT / ".aws-sam" / "build"
_MAX_ERROR_LINES = 25


class DeploymentError(ReportedError):
    """sam failed; the message contains its last lines."""


def build(parameters: Mapping[str, str] | None = None) -> None:
    """``sam build``: functions and layers, for this machine's processor, unless nothing has changed since the last one.

    Processes that build or deploy one checkout at the same time wait for each other. Raises ``DeploymentError``.
    """
    arguments = ("--config-env", CONFIG, "--parameter-overrides", *build_overrides(parameters))
    with _lock(fcntl.LOCK_EX):
        digest, built = source_digest(ROOT, arguments), BUILD / ".sources"
        if built.exists() and built.read_text(encoding="utf-8") == digest:
            return
        built.unlink(missing_ok=True)
        _sam("build", *arguments)
        built.write_text(digest, encoding="utf-8")


def source_digest(root: Path, arguments: Sequence[str] = ()) -> str:
    """A hash of every file in ``root`` that ``sam build`` reads (paths, modes and contents), and of its arguments."""
    digest = hashlib.sha256(repr(tuple(arguments)).encode())
    for source in SOURCES:
        path = root / source
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                content = hashlib.sha256(file.read_bytes()).hexdigest()
                digest.update(f"{file.relative_to(root)} {file.stat().st_mode:o} {content}\n".encode())
    return digest.hexdigest()


@contextlib.contextmanager
def _lock(mode: int) -> Iterator[None]:
    """Hold the checkout's build lock for the time of a block; the system releases it when the process dies."""
    LOGS.mkdir(parents=True, exist_ok=True)
    with (LOGS / "sam.lock").open("a") as file:
        fcntl.flock(file, mode)
        yield


def deploy(laptop: Laptop, *, stack: str = STACK, parameters: Mapping[str, str] | None = None) -> dict[str, str]:
    """``sam deploy`` the last build as ``stack``; returns the stack's outputs.

    ``parameters`` override those of samconfig.toml. Raises ``DeploymentError``.
    """
    arguments = ("--config-env", CONFIG, "--stack-name", stack, "--parameter-overrides", *build_overrides(parameters))
    try:
        with _lock(fcntl.LOCK_SH):  # the build must not change meanwhile
            # sam leaves temporary folders behind; those in the emulator's own folder are removed with it
            _sam("deploy", *arguments, environment=laptop.environment() | {"TMPDIR": laptop.folder})
    except DeploymentError as error:
        reasons = "\n".join(list_failures(laptop, stack))
        raise DeploymentError(f"{error}\n\n{reasons}" if reasons else str(error)) from None
    return get_outputs(laptop, stack)


def list_failures(laptop: Laptop, stack: str = STACK) -> list[str]:
    """The failures in a stack's history, oldest first. sam's last lines describe only the roll-back."""
    cloudformation = laptop.client("cloudformation")
    try:
        pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack)
        events = [event for page in pages for event in page["StackEvents"]]
    except cloudformation.exceptions.ClientError:
        return []  # the deployment failed before the stack existed
    return [
        f"{event['LogicalResourceId']} ({event['ResourceType']}): {event['ResourceStatusReason']}"
        for event in reversed(events)
        if event["ResourceStatus"].endswith("_FAILED") and event.get("ResourceStatusReason")
    ]


def get_outputs(laptop: Laptop, stack: str = STACK) -> dict[str, str]:
    """The outputs of a stack by name. Raises ``DeploymentError`` if the stack does not exist."""
    cloudformation = laptop.client("cloudformation")
    try:
        (description,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    except cloudformation.exceptions.ClientError as error:
        raise DeploymentError(f"there is no stack {stack!r} on {laptop.endpoint_url}: {error}") from error
    return {output["OutputKey"]: output["OutputValue"] for output in description.get("Outputs", [])}


def build_overrides(parameters: Mapping[str, str] | None = None, config: Path = ROOT / "samconfig.toml") -> list[str]:
    """The arguments of ``--parameter-overrides``. The option replaces samconfig.toml's list, so they include it."""
    settings = tomllib.loads(config.read_text(encoding="utf-8"))
    merged = dict(
        entry.split("=", maxsplit=1) for entry in settings[CONFIG]["deploy"]["parameters"]["parameter_overrides"]
    )
    merged["Architecture"] = to_lambda_architecture(platform.machine())
    merged |= {name: f"'{value}'" for name, value in (parameters or {}).items()}
    return [f"{name}={value}" for name, value in merged.items()]


def to_lambda_architecture(machine: str) -> str:
    """Lambda's name of a processor architecture. Raises ``DeploymentError`` if Lambda does not support it."""
    names = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
    if machine.lower() not in names:
        raise DeploymentError(f"Lambda does not support the processor {machine!r}")
    return names[machine.lower()]


def _sam(command: str, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
    if not (SAM / "sam").exists():
        raise DeploymentError("the environment .venvs/sam is missing: run `make setup`")
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"sam-{command}-{os.getpid()}.log"
    variables = clean_environment()
    variables |= {
        "AWS_DEFAULT_REGION": "us-east-1",
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_POLL_DELAY": "0.5",
        # `sam build` needs the runtime's python and pip on the path
        "PATH": f"{SAM}{os.pathsep}{variables.get('PATH', os.defpath)}",
        **(environment or {}),
    }
    status = child_process.run([SAM / "sam", command, *arguments], cwd=ROOT, environment=variables, output=log)
    if status:
        last_lines = log.read_text(encoding="utf-8", errors="replace").rstrip().splitlines()[-_MAX_ERROR_LINES:]
        raise DeploymentError("\n".join([f"`sam {command}` ended with status {status}; {log} ends with", *last_lines]))
    log.unlink()
