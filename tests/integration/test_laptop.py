"""The emulator starts with a clear answer, and nothing of it stays behind, however it ends."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dwell.local import child_process as tether
from dwell.local import deployment
from dwell.local import emulator_process as local
from local_aws import guardian
from tests.eventually import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BUSY_FUNCTION = """
import subprocess, time
def handler(event, context):
    subprocess.Popen(["sleep", "300"])
    time.sleep(300)
"""

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)

STARTER = """
import sys, time
from pathlib import Path
from dwell.local import emulator_process as laptop
from tests.eventually import eventually
with laptop.running(log=Path(sys.argv[1])) as running:
    print(running.port, running.pid, running.folder, flush=True)
    time.sleep(300)
"""


@pytest.fixture
def starter(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], local.Laptop]]:
    """Another process that runs an emulator, as `dwell run` does."""
    log = tmp_path / "emulator.log"
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, log], cwd=local.ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        port, pid, folder = process.stdout.readline().split()
        yield process, local.Laptop(int(port), int(pid), folder, str(log))
        process.kill()


@pytest.mark.parametrize("victim", ["starter", "emulator"])
def test_killed_process_leaves_nothing_behind(starter: tuple[subprocess.Popen[str], local.Laptop], victim: str) -> None:
    # given a running emulator with a function in the middle of its work
    process, laptop = starter
    role = laptop.client("iam").create_role(RoleName="busy", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("index.py", BUSY_FUNCTION)
    laptop.client("lambda").create_function(
        FunctionName="busy",
        Runtime="python3.12",
        Handler="index.handler",
        Role=role,
        Timeout=300,
        Code={"ZipFile": code.getvalue()},
    )
    laptop.client("lambda").get_waiter("function_active_v2").wait(FunctionName="busy")
    laptop.client("lambda").invoke(FunctionName="busy", InvocationType="Event", Payload="{}")
    eventually(lambda: len(guardian.processes_of(laptop.pid)) >= 3)  # itself, the function, its sleep
    # when one of the processes is killed without a chance to tidy up
    os.kill(process.pid if victim == "starter" else laptop.pid, signal.SIGKILL)
    # then no process, port or folder of it is left
    eventually(lambda: not Path(laptop.folder).exists())
    assert guardian.processes_of(laptop.pid) == []
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", laptop.port)) != 0


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Runs `dwell local ...` as a process of its own, with a state file of its own."""
    program = (
        "import sys; from pathlib import Path; from dwell.commands import local as cli;"
        " from dwell.local import emulator_process as laptop; laptop.STATE = Path(sys.argv.pop(1)); cli.app()"
    )

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", program, tmp_path / "state" / "emulator.json", *arguments],
            cwd=local.ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    yield run
    run("down")


def test_emulator_started_by_up_runs_until_down(command: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    # given nothing
    assert command("status").returncode == 3
    assert command("env").returncode == 3
    # when it is started (and the command has ended)
    started = command("up", "--port", "0", "--no-deploy")
    assert started.returncode == 0, started.stderr
    # then it is there, for others too
    status = command("status")
    assert status.returncode == 0
    assert "Nothing is deployed." in status.stdout
    exports = dict(line.removeprefix("export ").split("=", 1) for line in command("env").stdout.splitlines())
    assert exports["AWS_ENDPOINT_URL"] in status.stdout
    assert (exports["AWS_ACCESS_KEY_ID"], exports["AWS_EC2_METADATA_DISABLED"]) == ("test", "true")
    assert "is running" in command("up", "--no-deploy").stdout
    # until it is stopped
    assert command("down").returncode == 0
    assert command("status").returncode == 3
    assert command("down").returncode == 0


def test_port_in_use_is_named(command: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        failed = command("up", "--port", str(port), "--no-deploy")
    assert failed.returncode == 1
    assert f"port {port} of 127.0.0.1 is not free" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_missing_environment_names_the_command_to_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(local, "ROOT", tmp_path)
    with pytest.raises(local.LaptopError, match="run `make setup`"):
        local.start()


def test_emulator_that_cannot_start_shows_its_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # given an environment without ministack
    for name in ("local_aws", "image"):
        (tmp_path / ".venvs" / name / "bin").mkdir(parents=True)
        (tmp_path / ".venvs" / name / "bin" / "python").symlink_to("/bin/false")
    monkeypatch.setattr(local, "ROOT", tmp_path)
    before = set(Path(tempfile.gettempdir()).glob("dwell-*"))
    # when it is started, then the error says how it ended, and its folder is gone
    with pytest.raises(local.LaptopError, match="the emulator ended with status 1"):
        local.start()
    assert set(Path(tempfile.gettempdir()).glob("dwell-*")) <= before


def test_emulator_listens_on_loopback_only(laptop: local.Laptop) -> None:
    sockets = [
        line
        for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
        if table.exists()
        for line in table.read_text(encoding="ascii").splitlines()[1:]
    ]
    opened = [
        str(descriptor.readlink())
        for pid in guardian.processes_of(laptop.pid)
        for descriptor in Path(f"/proc/{pid}/fd").iterdir()
    ]
    inodes = {name.removeprefix("socket:[").rstrip("]") for name in opened if name.startswith("socket:[")}
    listening = [fields[1] for fields in map(str.split, sockets) if fields[3] == "0A" and fields[9] in inodes]
    assert f"0100007F:{laptop.port:04X}" in listening
    assert all(address.startswith("0100007F:") for address in listening)  # endpoints of other tests too


def test_child_process_ends_with_its_parent(tmp_path: Path) -> None:
    # given a process that runs a command which started another
    program = (
        "import os, sys; from pathlib import Path; from dwell.local import child_process as tether;"
        " tether.run(['sh', '-c', 'echo $$; sleep 300 & sleep 300'], cwd=Path(), environment=dict(os.environ),"
        " output=Path(sys.argv[1]))"
    )
    output = tmp_path / "output"
    with subprocess.Popen([sys.executable, "-c", program, output], cwd=local.ROOT) as process:
        eventually(lambda: output.exists() and output.read_text().endswith("\n"))
        group = int(output.read_text())
        eventually(lambda: len(guardian.processes_of(group)) == 3)
        # when it is killed
        process.kill()
    # then both are gone
    eventually(lambda: guardian.processes_of(group) == [])


def test_child_process_returns_its_status_and_output(tmp_path: Path) -> None:
    status = tether.run(
        ["sh", "-c", "echo out; echo err >&2; exit 7"],
        cwd=tmp_path,
        environment={"PATH": os.environ["PATH"]},
        output=tmp_path / "output",
    )
    assert (status, (tmp_path / "output").read_text()) == (7, "out\nerr\n")


def test_failed_deployment_names_the_resource(laptop: local.Laptop) -> None:
    # given a stack that failed: a route of its API leads nowhere
    document = {"openapi": "3.0.1", "paths": {"/predictions": {"get": {}}}}
    resources = {
        "Topic": {"Type": "AWS::SNS::Topic"},
        "Api": {"Type": "AWS::ApiGatewayV2::Api", "DependsOn": "Topic", "Properties": {"Body": document}},
    }
    cloudformation = laptop.client("cloudformation")
    cloudformation.create_stack(StackName="broken", TemplateBody=json.dumps({"Resources": resources}))

    def rolled_back() -> bool:
        (stack,) = cloudformation.describe_stacks(StackName="broken")["Stacks"]
        return bool(stack["StackStatus"] == "ROLLBACK_COMPLETE")

    eventually(rolled_back)
    # when one asks why, then the resource is named, with the reason
    assert deployment.list_failures(laptop, "broken") == [
        "Api (AWS::ApiGatewayV2::Api): GET /predictions has no x-amazon-apigateway-integration"
    ]
    with pytest.raises(deployment.DeploymentError, match="no stack 'absent'"):
        deployment.get_outputs(laptop, "absent")
