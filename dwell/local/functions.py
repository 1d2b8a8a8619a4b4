"""The template's functions by the name of their folder.

``python -m dwell.local.functions`` prints their logical ids as JSON; with a name as argument, the logical id of that
function.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from dwell.template import TEMPLATE_PATH, read_template

if TYPE_CHECKING:
    from pathlib import Path


def logical_ids(template: Path = TEMPLATE_PATH) -> dict[str, str]:
    """Logical ids by the name of the handler's folder."""
    return {
        resource["Properties"]["Handler"].split(".")[0]: name
        for name, resource in read_template(template)["Resources"].items()
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
