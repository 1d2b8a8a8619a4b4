"""Fuzz the targets one after another, guided by coverage: ``python -m tests.fuzz SECONDS [TARGET ...]``.

The seconds are for all of them together. Prints how many inputs each got, and in how many something was accepted. An
input that breaks a promise is written to ``build/fuzz/``, and the status is 1; moved to ``tests/fuzz/found/TARGET/`` it
becomes a test.
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
    """What became of one target."""

    inputs: int
    accepted: int
    edges: int
    """Of the instrumented Python code; what lies below it (pydantic's core) is not seen."""
    broken: bool
    output: str


def main(arguments: list[str]) -> int:
    """Fuzz; the status for the shell."""
    seconds, names = float(arguments[0]), arguments[1:] or list(TARGETS)
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    outcomes = []
    for name in names:
        started = time.monotonic()
        outcome = fuzz(name, max(1, round(seconds / len(names))))
        outcomes.append(outcome)
        told = f"{name:10} {outcome.inputs:>12,} inputs, {outcome.accepted:>11,} accepted, {outcome.edges:>4} edges"
        sys.stdout.write(f"{told}, {time.monotonic() - started:.0f} s\n{outcome.output if outcome.broken else ''}")
        sys.stdout.flush()
    broken = sum(outcome.broken for outcome in outcomes)
    total = sum(outcome.inputs for outcome in outcomes)
    sys.stdout.write(f"{'in all':10} {total:>12,} inputs; {broken} of {len(names)} targets broke a promise\n")
    return 1 if broken else 0


def fuzz(name: str, seconds: int) -> Outcome:
    """Fuzz one target in a process of its own. One that never accepts anything has not been reached: it is broken."""
    with tempfile.TemporaryDirectory() as folder:
        corpus, dictionary, count = Path(folder, "corpus"), Path(folder, "words"), Path(folder, "count")
        corpus.mkdir()
        for number, seed in enumerate(seeds(name)):
            (corpus / str(number)).write_bytes(seed)
        entries = ("".join(f"\\x{byte:02x}" for byte in word.encode()) for word in words())
        dictionary.write_text("".join(f'"{entry}"\n' for entry in entries))
        count.write_bytes(bytes(8))
        ran = subprocess.run(
            [
                *(sys.executable, "-m", "tests.fuzz.one", name, str(count), str(corpus)),
                *(f"-max_total_time={seconds}", f"-dict={dictionary}", f"-artifact_prefix={ARTIFACTS}/{name}-"),
                *("-max_len=20000", "-timeout=20", "-rss_limit_mb=2048"),
            ],
            cwd=ROOT,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        accepted = int.from_bytes(count.read_bytes(), sys.byteorder)
    output = ran.stdout.decode(errors="replace")
    runs, edges = RUNS.search(output), EDGES.findall(output)
    return Outcome(
        inputs=int(runs[1]) if runs else 0,
        accepted=accepted,
        edges=int(edges[-1]) if edges else 0,
        broken=ran.returncode != 0 or runs is None or accepted == 0,
        output=output[-4_000:],
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
