"""What the build has worked out, so that a function that starts cold need not work it out again.

The models are pydantic's, and to import pydantic with them takes longer than everything else that the validator does
before its first answer. What is derived from them is plain data; ``python -m feature_schema.built FILE`` writes it
down, and the layer carries the file. Where there is none, as in a checkout, it is derived on import: the same data,
only later.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

FILE = Path(__file__).with_name("built.json")

_parts: dict[str, Any] = json.loads(FILE.read_bytes()) if FILE.exists() else {}


def part(name: str, derive: Callable[[], Any]) -> Any:
    """The part of that name as it was built, or as ``derive`` says now. JSON-ready data."""
    return _parts[name] if name in _parts else derive()


def main(target: Path) -> None:
    """Derive every part from the models, and write them down."""
    from feature_schema import derivation, description  # noqa: PLC0415 (both read parts from here)

    built = {"description": description.declared(), "shapes": derivation.shapes()}
    target.write_text(json.dumps(built, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
