"""How an extension takes hold of the emulator: by name, checked when it starts.

The names belong to ministack's inside and may change with any release. So the version is pinned, and a name that is
gone or takes other arguments stops the start with a sentence that says which extension needs which name.
"""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class HookMissingError(RuntimeError):
    """A name inside the emulator that an extension needs is gone or has changed its shape."""


def find(module: str, name: str, *, arguments: tuple[str, ...] | None = None) -> Any:
    """The object called ``name`` (dots allowed) in ``module``; ``arguments`` are the parameter names it must have."""
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise HookMissingError(
            f"the emulator has no {module}.{name} any more; pin the ministack version of requirements/emulator.in"
        ) from error
    if arguments is not None:
        actual = tuple(inspect.signature(found).parameters)
        if actual != arguments:
            raise HookMissingError(f"{module}.{name} takes {actual} now, and {arguments} was expected")
    return found


def replace(
    module: str, name: str, replacement: Callable[..., Any], *, arguments: tuple[str, ...] | None = None
) -> Any:
    """Put ``replacement`` where ``module.name`` is, and return what stood there. Raises ``HookMissingError``."""
    original = find(module, name, arguments=arguments)
    setattr(importlib.import_module(module), name, replacement)
    return original
