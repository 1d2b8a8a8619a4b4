"""``dwell local``: AWS on this laptop, started, deployed to, looked at and stopped."""

from __future__ import annotations

import shlex
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from dwell.local import deployment
from dwell.local import emulator_process as local

app = typer.Typer(
    name="local",
    help="AWS on this laptop: an emulator that runs the real template, with its permissions in force.",
    no_args_is_help=True,
    add_completion=False,
)
out = Console(soft_wrap=True, highlight=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)

NOT_RUNNING = 3
"""Exit status of ``status`` and ``env`` when there is no emulator (1 is a failure, 2 a wrong call)."""

Port = Annotated[int, typer.Option(min=0, max=65535, help="Port of 127.0.0.1 to listen on; 0 takes any free one.")]
Deploy = Annotated[bool, typer.Option("--deploy/--no-deploy", help="Whether to build and deploy template.yaml on it.")]


@app.command()
def up(port: Port = local.DEFAULT_PORT, deploy: Deploy = True) -> None:
    """Start AWS on this laptop and deploy the backend; it goes on until `dwell local down`.

    If it is running already, the backend is deployed again.
    """
    try:
        laptop = local.remembered()
        if laptop is not None and laptop.is_running():
            out.print(f"AWS on this laptop is running at {laptop.endpoint_url}.")
        else:
            laptop = local.start(port, detached=True)
            local.remember(laptop)
            out.print(f"AWS on this laptop runs at {laptop.endpoint_url}; its log is {laptop.log}.")
        if deploy:
            out.print("Building and deploying template.yaml ...")
            deployment.build()
            _show(laptop, deployment.deploy(laptop))
    except (local.LaptopError, deployment.DeploymentError) as error:
        _fail(str(error))
    out.print('Point other tools at it: eval "$(dwell local env)". Stop it: dwell local down')


@app.command()
def down() -> None:
    """Stop AWS on this laptop, with everything in it. Nothing to stop is fine."""
    laptop = _remembered()
    if laptop is None or not laptop.is_running():
        out.print("AWS on this laptop is not running.")
    if laptop is not None:
        laptop.stop()  # also what a killed emulator may have left
        local.forget()
        out.print("Stopped.")


@app.command()
def status() -> None:
    """Tell where AWS on this laptop listens and what is deployed (exit status 3: it is not running)."""
    laptop = _running()
    out.print(f"AWS on this laptop runs at {laptop.endpoint_url} (process {laptop.pid}); its log is {laptop.log}.")
    stacks = laptop.client("cloudformation").describe_stacks()["Stacks"]
    for stack in stacks:
        out.print(f"{stack['StackName']}: {stack['StackStatus']}")
        _show(laptop, {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])})
    if not stacks:
        out.print("Nothing is deployed.")


@app.command()
def env() -> None:
    """Print the variables that point boto3, the AWS command line and sam at it, as shell exports."""
    for name, value in _running().environment().items():
        typer.echo(f"export {name}={shlex.quote(value)}")


def _show(laptop: local.Laptop, outputs: dict[str, str]) -> None:
    if "ApiId" in outputs:  # the template's own URL leads to AWS
        outputs = outputs | {"ApiUrl": laptop.api_url(outputs["ApiId"])}
    width = max(map(len, outputs), default=0)
    for name, value in sorted(outputs.items()):
        out.print(f"  {name:<{width}}  {value}", markup=False)


def _running() -> local.Laptop:
    laptop = _remembered()
    if laptop is None or not laptop.is_running():
        _fail("AWS on this laptop is not running; start it: dwell local up", NOT_RUNNING)
    return laptop


def _remembered() -> local.Laptop | None:
    try:
        return local.remembered()
    except local.LaptopError as error:
        _fail(str(error))


def _fail(message: str, status: int = 1) -> NoReturn:
    err.print(message, style="red", markup=False)
    raise typer.Exit(status)
