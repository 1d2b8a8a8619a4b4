"""``dwell local``: start, deploy to, inspect and stop AWS on this laptop."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from dwell.commands.error_reporting import report_errors
from dwell.console.exit_status import NOT_RUNNING
from dwell.console.terminal import exit_with, out
from dwell.local import deployment, emulator_process

app = typer.Typer(
    name="local",
    help="AWS on this laptop: an emulator that runs the real template and enforces its permissions.",
    no_args_is_help=True,
    add_completion=False,
)

Port = Annotated[int, typer.Option(min=0, max=65535, help="Port of 127.0.0.1 to listen on; 0 selects any free port.")]
Deploy = Annotated[bool, typer.Option("--deploy/--no-deploy", help="Whether to build and deploy template.yaml on it.")]


@app.command()
def up(port: Port = emulator_process.DEFAULT_PORT, deploy: Deploy = True) -> None:
    """Start AWS on this laptop and deploy the backend. It runs until `dwell local down`.

    If it is running already, the backend is deployed again.
    """
    with report_errors():
        laptop = emulator_process.load_state()
        if laptop is not None and laptop.is_running():
            out.print(f"AWS on this laptop is running at {laptop.endpoint_url}.")
        else:
            laptop = emulator_process.start(port, detached=True)
            emulator_process.save_state(laptop)
            out.print(f"AWS on this laptop runs at {laptop.endpoint_url}; its log is {laptop.log}.")
        if deploy:
            out.print("Building and deploying template.yaml ...")
            deployment.build()
            _show(laptop, deployment.deploy(laptop))
    out.print('To use it in a shell: eval "$(dwell local env)". To stop it: dwell local down')


@app.command()
def down() -> None:
    """Stop AWS on this laptop and delete everything in it. Succeeds if it is not running."""
    with report_errors():
        laptop = emulator_process.load_state()
    if laptop is None or not laptop.is_running():
        out.print("AWS on this laptop is not running.")
    if laptop is not None:
        laptop.stop()  # also removes what a killed emulator left
        emulator_process.clear_state()
        out.print("Stopped.")


@app.command()
def status() -> None:
    """Show where AWS on this laptop listens and what is deployed (exit status 3: it is not running)."""
    laptop = _require_running()
    out.print(f"AWS on this laptop runs at {laptop.endpoint_url} (process {laptop.pid}); its log is {laptop.log}.")
    stacks = laptop.client("cloudformation").describe_stacks()["Stacks"]
    for stack in stacks:
        out.print(f"{stack['StackName']}: {stack['StackStatus']}")
        _show(laptop, {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])})
    if not stacks:
        out.print("Nothing is deployed.")


@app.command()
def env() -> None:
    """Print the environment variables for boto3, the AWS CLI and sam, as shell exports."""
    for name, value in _require_running().environment().items():
        typer.echo(f"export {name}={shlex.quote(value)}")


def _show(laptop: emulator_process.Laptop, outputs: dict[str, str]) -> None:
    if "ApiId" in outputs:  # the template's own URL leads to AWS
        outputs = outputs | {"ApiUrl": laptop.api_url(outputs["ApiId"])}
    width = max(map(len, outputs), default=0)
    for name, value in sorted(outputs.items()):
        out.print(f"  {name:<{width}}  {value}", markup=False)


def _require_running() -> emulator_process.Laptop:
    with report_errors():
        laptop = emulator_process.load_state()
    if laptop is None or not laptop.is_running():
        raise exit_with("AWS on this laptop is not running; start it: dwell local up", NOT_RUNNING)
    return laptop
