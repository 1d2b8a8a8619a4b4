"""``python -m benchmarks [CASE ...]``: measure, and write ``build/bench/report.json`` and a page with plots."""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
import time
from typing import Any

from benchmarks import cases
from benchmarks.measure import CASES, build_entry, format_figure, meets_goal
from benchmarks.page import render_page
from dwell.local.emulator_process import ROOT

FOLDER = ROOT / "build" / "bench"


def main(names: list[str]) -> None:
    """Measure the named cases, or all. With names, the report keeps the earlier results of the other cases."""
    for module in pkgutil.iter_modules(cases.__path__, f"{cases.__name__}."):
        importlib.import_module(module.name)
    unknown = [name for name in names if name not in CASES]
    if unknown:
        sys.exit(f"there is no benchmark case {', '.join(unknown)}; there are {', '.join(CASES)}")
    file = FOLDER / "report.json"
    report: dict[str, Any] = json.loads(file.read_text()) if names and file.exists() else {}
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in names or CASES:
        started_at = time.monotonic()
        entry = build_entry(CASES[name], CASES[name].measure())
        report[name] = entry
        ratio, low, high = (format_figure(entry[key]) for key in ("ratio", "low", "high"))
        verdict = "meets" if meets_goal(entry["ratio"], entry["goal"]) else "misses"
        sys.stdout.write(
            f"{name:28} {ratio:>8}  ({low} to {high})  "
            f"{verdict} {entry['goal']:8} {entry['unit']}, {time.monotonic() - started_at:.0f} s\n"
        )
        sys.stdout.flush()
        file.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (FOLDER / "report.html").write_text(render_page(report), encoding="utf-8")
    sys.stdout.write(f"{FOLDER / 'report.html'}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
