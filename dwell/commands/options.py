"""Options that several commands share, and the parser of ``NAME=VALUE`` arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable

StackName = Annotated[
    str, typer.Option("--stack", help="Name of the stack; the AWS environment variables select AWS or the laptop.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def parse_assignments(texts: Iterable[str], *, option: str) -> dict[str, str]:
    """``["a=1", "b=2"]`` as a dictionary. ``option`` is named in the error message.

    Raises ``typer.BadParameter`` for a text without a name or without ``=``.
    """
    values = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint=option)
        values[name] = value
    return values
