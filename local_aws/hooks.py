"""Looks up and replaces names of ministack, checked at the start.

The names are private to ministack and may change with any release. So its version is pinned, and a name that is missing
or has other parameters stops the start with a message that names it.
"""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class HookMissingError(RuntimeError):
    """A name of ministack is missing or has other parameters than expected."""


def find(module: str, name: str, *, arguments: tuple[str, ...] | None = None) -> Any:
    """The object ``name`` (dots allowed) of ``module``; ``arguments`` are the expected names of its parameters.

    Raises ``HookMissingError``.
    """
    try:
        target: Any = importlib.import_module(module)
        for part in name.split("."):
            target = getattr(target, part)
    except (ImportError, AttributeError) as error:
        raise HookMissingError(
            f"ministack has no {module}.{name}; install the version in local_aws/requirements.in"
        ) from error
    if arguments is not None:
        actual = tuple(inspect.signature(target).parameters)
        if actual != arguments:
            raise HookMissingError(f"{module}.{name} has the parameters {actual}, expected {arguments}")
    return target


def replace(
    module: str, name: str, replacement: Callable[..., Any], *, arguments: tuple[str, ...] | None = None
) -> Any:
    """Set ``module.name`` to ``replacement``; returns the original. Raises ``HookMissingError``."""
    original = find(module, name, arguments=arguments)
    setattr(importlib.import_module(module), name, replacement)
    return original
