"""Executing a notebook in a kernel of its own, and keeping what came of it."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
KEPT = ROOT / "build" / "notebooks"
CELL_SECONDS = 180

PNG, SVG = "image/png", "image/svg+xml"

PROFILE = """
c.InlineBackend.figure_formats = {"png", "svg"}
c.InlineBackend.rc = {"svg.fonttype": "none"}
"""
"""Of IPython: each picture twice, as one to look at, and as one whose words can be read."""


@dataclass(frozen=True, slots=True)
class Execution:
    """Kernels that keep their files in ``own``, with the AWS environment of this process but ``credentials``."""

    own: Path
    credentials: dict[str, str]

    def execute(self, name: str) -> NotebookNode:
        """Execute ``notebooks/<name>.ipynb``; the executed copy is kept, also if a cell raises."""
        notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
        client = NotebookClient(
            notebook,
            timeout=CELL_SECONDS,
            kernel_name="python3",
            resources={"metadata": {"path": str(NOTEBOOKS)}},
            config=Config(KernelManager={"transport": "ipc", "connection_file": str(self.own / f"{name[0]}.json")}),
        )
        try:
            client.execute(env=self._environment())
        finally:
            _keep(name, notebook)
        return notebook

    def _environment(self) -> dict[str, str]:
        profile = self.own / "ipython" / "profile_default"
        profile.mkdir(parents=True, exist_ok=True)
        (profile / "ipython_kernel_config.py").write_text(PROFILE, encoding="utf-8")
        return {
            **os.environ,
            **self.credentials,
            "HOME": str(self.own),
            "IPYTHONDIR": str(profile.parent),
            "PYTHONPATH": os.pathsep.join(
                str(ROOT / folder) for folder in (".", "layers/feature_schema/python", "layers/rounds/python")
            ),
        }


def _keep(name: str, notebook: NotebookNode) -> None:
    """The executed copy, and each picture under the name of its cell."""
    KEPT.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, KEPT / f"{name}.ipynb")
    for cell in notebook.cells:
        for picture in shown(notebook, cell.id, PNG):
            (KEPT / f"{cell.id}.png").write_bytes(base64.b64decode(picture))


def shown(notebook: NotebookNode, cell_id: str, media_type: str) -> list[str]:
    """What a cell has shown, of one media type; ``text/plain`` has what it printed, too."""
    (cell,) = [cell for cell in notebook.cells if cell.id == cell_id]
    return [text for kind, text in _texts(cell) if kind == media_type]


def _texts(cell: NotebookNode) -> Iterator[tuple[str, str]]:
    for output in cell.get("outputs", []):
        if output.output_type == "stream":
            yield "text/plain", output.text
        for kind, text in output.get("data", {}).items():
            yield kind, str(text)


def complaints(notebook: NotebookNode) -> list[str]:
    """What was written to standard error: warnings."""
    return [
        output.text
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream" and output.name == "stderr"
    ]
