"""Derives from the models what ``prebuilt`` reads: ``python -m feature_schema.build FILE``. Run by ``sam build``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from feature_schema import fields
from feature_schema.fast import shapes


def write_prebuilt(target: Path) -> None:
    """Derive all parts from the models and write them as JSON to ``target``."""
    parts = {"fields": fields.read_declaration(), "shapes": shapes.derive_shapes()}
    target.write_text(json.dumps(parts, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_prebuilt(Path(sys.argv[1]))
