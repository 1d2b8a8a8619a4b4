"""Fuzzes the targets one after another, guided by coverage: ``python -m tests.fuzz SECONDS [TARGET ...]``.

``SECONDS`` is the total for all targets. Prints the number of inputs and of accepted inputs of each target. An input
that violates an assertion is written to ``build/fuzz/``, and the exit status is 1. Moved to
``tests/fuzz/regressions/TARGET/``, it becomes a test.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.seeds import ROOT, seeds, words
from tests.fuzz.targets import TARGETS

RUNS = re.compile(r"Done (\d+) runs")
EDGES = re.compile(r"cov: (\d+)")
ARTIFACTS = ROOT / "build" / "fuzz"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one target."""

    inputs: int
    accepted: int
    edges: int
    """Covered edges of the instrumented Python code, without native code such as pydantic's core."""
    has_failed: bool
    output: str


def main(arguments: list[str]) -> int:
    """Fuzz the targets; return the exit status."""
    seconds, names = float(arguments[0]), arguments[1:] or list(TARGETS)
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    outcomes = []
    for name in names:
        started = time.monotonic()
        outcome = fuzz(name, max(1, round(seconds / len(names))))
        outcomes.append(outcome)
        summary = f"{name:10} {outcome.inputs:>12,} inputs, {outcome.accepted:>11,} accepted, {outcome.edges:>4} edges"
        sys.stdout.write(
            f"{summary}, {time.monotonic() - started:.0f} s\n{outcome.output if outcome.has_failed else ''}"
        )
        sys.stdout.flush()
    failed = sum(outcome.has_failed for outcome in outcomes)
    total = sum(outcome.inputs for outcome in outcomes)
    sys.stdout.write(f"{'in all':10} {total:>12,} inputs; {failed} of {len(names)} targets failed\n")
    return 1 if failed else 0


def fuzz(name: str, seconds: int) -> Outcome:
    """Fuzz one target in its own process. A target that accepts no input at all counts as failed."""
    with tempfile.TemporaryDirectory() as folder:
        corpus, dictionary, count = Path(folder, "corpus"), Path(folder, "words"), Path(folder, "count")
        corpus.mkdir()
        for number, seed in enumerate(seeds(name)):
            (corpus / str(number)).write_bytes(seed)
        entries = ("".join(f"\\x{byte:02x}" for byte in word.encode()) for word in words())
        dictionary.write_text("".join(f'"{entry}"\n' for entry in entries))
        count.write_bytes(bytes(8))
        process = subprocess.run(
            [
                *(sys.executable, "-m", "tests.fuzz.run_target", name, str(count), str(corpus)),
                *(f"-max_total_time={seconds}", f"-dict={dictionary}", f"-artifact_prefix={ARTIFACTS}/{name}-"),
                *("-max_len=20000", "-timeout=20", "-rss_limit_mb=2048"),
            ],
            cwd=ROOT,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        accepted = int.from_bytes(count.read_bytes(), sys.byteorder)
    output = process.stdout.decode(errors="replace")
    runs, edges = RUNS.search(output), EDGES.findall(output)
    return Outcome(
        inputs=int(runs[1]) if runs else 0,
        accepted=accepted,
        edges=int(edges[-1]) if edges else 0,
        has_failed=process.returncode != 0 or runs is None or accepted == 0,
        output=output[-4_000:],
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
