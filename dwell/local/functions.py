"""The template's functions by the names that people use: those of their folders.

``python -m dwell.local.functions`` prints all of them as JSON; with a name behind it, the logical id of that one.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from dwell.template import PATH, content

if TYPE_CHECKING:
    from pathlib import Path


def logical_ids(template: Path = PATH) -> dict[str, str]:
    """Logical ids by the folder that the handler is in."""
    return {
        resource["Properties"]["Handler"].split(".")[0]: name
        for name, resource in content(template)["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }


if __name__ == "__main__":
    ids = logical_ids()
    if len(sys.argv) == 1:
        sys.stdout.write(json.dumps(ids, indent=2) + "\n")
    elif sys.argv[1] in ids:
        sys.stdout.write(ids[sys.argv[1]] + "\n")
    else:
        sys.exit(f"there is no function {sys.argv[1]!r}; there are {', '.join(ids)}")
