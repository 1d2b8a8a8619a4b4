"""``python -m benchmarks [ROW ...]``: measure, and write ``build/bench/report.json`` and a page with plots."""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
import time
from typing import Any

from benchmarks import cases
from benchmarks.measure import ROWS, entry, figure, meets
from benchmarks.page import page
from dwell.local.emulator_process import ROOT

FOLDER = ROOT / "build" / "bench"


def main(names: list[str]) -> None:
    """Measure the rows of these names, or all. What was measured before and is not measured now stays in the report."""
    for module in pkgutil.iter_modules(cases.__path__, f"{cases.__name__}."):
        importlib.import_module(module.name)
    unknown = [name for name in names if name not in ROWS]
    if unknown:
        sys.exit(f"there is no row {', '.join(unknown)}; there are {', '.join(ROWS)}")
    file = FOLDER / "report.json"
    report: dict[str, Any] = json.loads(file.read_text()) if names and file.exists() else {}
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in names or ROWS:
        began = time.monotonic()
        measured = entry(ROWS[name], ROWS[name].measure())
        report[name] = measured
        mark = "meets" if meets(measured["ratio"], measured["goal"]) else "misses"
        sys.stdout.write(
            f"{name:28} {figure(measured['ratio']):>8}  ({figure(measured['low'])} to {figure(measured['high'])})  "
            f"{mark} {measured['goal']:8} {measured['unit']}, {time.monotonic() - began:.0f} s\n"
        )
        sys.stdout.flush()
        file.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (FOLDER / "report.html").write_text(page(report), encoding="utf-8")
    sys.stdout.write(f"{FOLDER / 'report.html'}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
