"""``make invoke FUNCTION=validator EVENT=firehose-packed``: plain ``sam local invoke``, with what it needs around it.

The function works on the stack of ``dwell local up`` if that is running, else on one that lasts for this one call.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import arrangement
import base_image
import doorway
import engine

from dwell.local import deployment
from dwell.local import emulator_process as local
from dwell.local.functions import logical_ids

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def _stack() -> Iterator[local.Laptop]:
    remembered = local.load_state()
    if remembered is not None and remembered.is_running():
        yield remembered
        return
    with local.running() as laptop:
        deployment.deploy(laptop)
        yield laptop


def main(function: str, event: str) -> int:
    """Invoke; the exit status of sam, or 1 if the function raised."""
    functions, path = logical_ids(), local.ROOT / "events" / f"{event}.json"
    if function not in functions:
        sys.exit(f"there is no function {function!r}; there are {', '.join(functions)}")
    if not path.exists():
        sys.exit(f"there is no event {event!r}; there are {', '.join(sorted(p.stem for p in path.parent.iterdir()))}")
    deployment.build()
    with (
        arrangement.engine_with_image() as address,
        _stack() as laptop,
        tempfile.TemporaryDirectory() as folder,
        doorway.opened(engine.bridge_address(address), laptop.port) as url,
    ):
        base_image.pointed_at(engine.docker(address), {"AWS_ENDPOINT_URL": url})
        given = Path(folder, "variables.json")
        given.write_text(json.dumps(arrangement.variables(laptop)))
        command = [
            str(deployment.SAM / "sam"), "local", "invoke", functions[function], "--event", str(path),
            "--env-vars", str(given), "--skip-pull-image",
            "--parameter-overrides", f"Architecture={base_image.ARCHITECTURE}",
        ]  # fmt: skip
        environment = {**os.environ, **laptop.environment(), "DOCKER_HOST": address}
        ran = subprocess.run(command, cwd=local.ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    sys.stdout.write(ran.stdout)
    # sam exits with 0 although the function raised
    return ran.returncode or int('"errorMessage"' in ran.stdout)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("make invoke FUNCTION=validator EVENT=firehose-packed")
    try:
        sys.exit(main(sys.argv[1], sys.argv[2]))
    except (engine.NoEngineError, local.LaptopError, deployment.DeploymentError) as failure:
        sys.exit(str(failure))
