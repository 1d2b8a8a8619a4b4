"""Data that the build derived from the models, so that a cold start does not import pydantic.

Importing pydantic and the models takes longer than everything else that the validator does before its first result.
``python -m feature_schema.build FILE`` writes the derived data to the layer. Without that file, as in a checkout, the
same data is derived at import.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

FILE = Path(__file__).with_name("prebuilt.json")

_parts: dict[str, Any] = json.loads(FILE.read_bytes()) if FILE.exists() else {}


def load_or_derive(name: str, derive: Callable[[], Any]) -> Any:
    """Return the JSON-ready part ``name`` from the file of the build, or else the result of ``derive``."""
    return _parts[name] if name in _parts else derive()
