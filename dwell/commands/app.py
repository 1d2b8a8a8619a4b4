"""The command ``dwell``. Each command's module is imported when the command runs, so that ``--help`` is fast."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    from typer._click.core import Command, Context  # typer's own copy of click


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """Where a command is defined: a function, or a ``typer.Typer`` with commands of its own.

    ``summary`` is the first sentence of its help, repeated here so that ``dwell --help`` imports no command.
    """

    name: str
    module: str
    attribute: str
    summary: str

    def load(self) -> Command:
        """Import the module and build the command."""
        target = getattr(import_module(f"dwell.commands.{self.module}"), self.attribute)
        if not isinstance(target, typer.Typer):
            single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            single.command(self.name)(target)
            target = single
        command = typer.main.get_command(target)
        command.name = self.name
        return command

    def build_stub(self) -> Command:
        """A command that has only a name and a summary, for listings."""
        return TyperCommand(self.name, help=self.summary)


COMMANDS = (
    LazyCommand(
        "run",
        "run",
        "run",
        "Run the whole lifecycle on this machine: robots, alarms, training, promotion, drift, recovery.",
    ),
    LazyCommand("leaderboard", "show", "leaderboard", "Show every model, best first: a lower error is better."),
    LazyCommand(
        "board",
        "board",
        "board",
        "Show the leaderboard's page in a browser until Ctrl-C. Requests are signed with your credentials.",
    ),
    LazyCommand(
        "rounds", "show", "rounds", "Show the retraining rounds, newest first: why each started and how it ended."
    ),
    LazyCommand(
        "decisions",
        "show",
        "decisions",
        "Show the decisions of the retraining function with their reasons, newest first.",
    ),
    LazyCommand(
        "quarantine",
        "replay",
        "quarantine",
        "Show what is in quarantine: the number of lines for each reason, with examples.",
    ),
    LazyCommand(
        "replay",
        "replay",
        "replay",
        "Publish quarantined lines again that the schema of this checkout accepts; the others stay.",
    ),
    LazyCommand(
        "redrive",
        "redrive",
        "redrive",
        "Send failed events back to their functions, and batches that the validator failed on to the topic.",
    ),
    LazyCommand(
        "retrain",
        "retrain",
        "retrain",
        "Request a retraining round now. Cool-down and budget are ignored; only one round runs at a time.",
    ),
    LazyCommand(
        "publish",
        "publish",
        "publish",
        "Publish the samples of a file. Repeat the command after an interruption: it continues.",
    ),
    LazyCommand("promote", "promote", "promote", "Deploy an earlier or a later model."),
    LazyCommand(
        "pause",
        "promote",
        "pause",
        "Delete the endpoint, so that it costs nothing. Planners get the baseline; no alarm starts a round.",
    ),
    LazyCommand(
        "resume",
        "promote",
        "resume",
        "Create the endpoint again after a pause, with the model that it had, or with a better one that won since.",
    ),
    LazyCommand(
        "outcome",
        "promote",
        "outcome",
        "Show the outcome of an earlier promote, pause or resume; outcomes are kept for 30 days.",
    ),
    LazyCommand(
        "table",
        "athena_table",
        "table",
        "Print the statement that creates an Athena table of the stored samples, or create it.",
    ),
    LazyCommand(
        "plan",
        "plan",
        "plan",
        "Compute what a fleet needs and costs a month from template.yaml, and which limit breaks first.",
    ),
    LazyCommand("fleet", "fleet", "app", "Simulated robots that work, publish samples, and ask for predictions."),
    LazyCommand(
        "local",
        "local",
        "app",
        "AWS on this laptop: an emulator that runs the real template and enforces its permissions.",
    ),
)
"""All commands, in the order in which ``dwell --help`` lists them."""

_BY_NAME = {command.name: command for command in COMMANDS}


class LazyGroup(TyperGroup):
    """A group that lists its commands without importing them."""

    def list_commands(self, ctx: Context) -> list[str]:  # noqa: ARG002 (click's signature)
        """The names of all commands."""
        return [command.name for command in COMMANDS]

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:  # noqa: ARG002
        """A stub of the command for listings, or ``None``."""
        command = _BY_NAME.get(cmd_name)
        return None if command is None else command.build_stub()

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        """The command to run or complete, imported now."""
        name, stub, remaining = super().resolve_command(ctx, args)
        return name, stub if name is None else _BY_NAME[name].load(), remaining


app = typer.Typer(
    cls=LazyGroup,
    help="Operate a stack, publish samples, plan capacity, or run the whole lifecycle on this machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(is_requested: bool) -> None:
    if is_requested:
        typer.echo(f"dwell {version('dwell')}")
        raise typer.Exit


@app.callback()
def dwell(
    *,
    _is_requested: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options of the command itself."""
