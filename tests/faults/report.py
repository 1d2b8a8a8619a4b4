"""What the campaign found: promises and whether they held, the faults that they held against, and the figures."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from dwell.demo.report import SampleCounts
    from tests.faults.ingest import Metrics
    from tests.faults.planners import Answers


@dataclass(frozen=True, slots=True)
class Promise:
    """One thing that the system promises, with what was seen."""

    what: str
    held: bool
    seen: str


@dataclass(slots=True)
class Report:
    """One campaign."""

    seed: int
    promises: list[Promise] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    rounds: list[dict[str, Any]] = field(default_factory=list)
    injected: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def held(self) -> bool:
        """Whether every promise held."""
        return all(promise.held for promise in self.promises)

    def promise(self, what: str, *, held: bool, seen: str) -> None:
        """Note a promise."""
        self.promises.append(Promise(what, held, seen))

    def write(self, path: Path) -> None:
        """Write ``report.json``."""
        content = {
            "held": self.held,
            "seed": self.seed,
            "promises": [asdict(promise) for promise in self.promises],
            "figures": self.figures,
            "rounds": self.rounds,
            "injected": [
                {"caller": caller, "action": action, "fault": fault, "count": count}
                for (caller, action, fault), count in sorted(self.injected.items())
            ],
            "calls": [
                {"caller": caller, "action": action, "count": count}
                for (caller, action), count in sorted(self.calls.items())
            ],
            "seconds": self.seconds,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2, default=str) + "\n", encoding="utf-8")

    def show(self, console: Console) -> None:
        """Print what happened, and what held."""
        faults = Table(title="Faults injected", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        faults.add_column("who called", no_wrap=True)
        faults.add_column("what", overflow="fold")
        faults.add_column("calls", justify="right")
        faults.add_column("hit by", overflow="fold")
        for (caller, action), count in sorted(self.calls.items()):
            hits = {fault: hit for (who, what, fault), hit in self.injected.items() if (who, what) == (caller, action)}
            if hits:
                said = ", ".join(f"{fault} {hit:,}" for fault, hit in sorted(hits.items(), key=lambda item: -item[1]))
                faults.add_row(caller.strip("*-"), action, f"{count:,}", said)
        console.print(faults)
        if self.rounds:
            rounds = Table(title="Rounds", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
            for heading in ("trouble", "round", "ended", "deployment", "reason"):
                rounds.add_column(heading, overflow="fold")
            for round_ in self.rounds:
                reason = str(round_["reason"] or "")
                rounds.add_row(
                    round_["trouble"], round_["name"], round_["status"], round_["deployment"] or "-", reason[:80]
                )
            console.print(rounds)
        promises = Table(title="Promises", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        promises.add_column("")
        promises.add_column("promise", overflow="fold")
        promises.add_column("seen", overflow="fold")
        for promise in self.promises:
            mark = "[green]held[/green]" if promise.held else "[red]BROKEN[/red]"
            promises.add_row(mark, promise.what, promise.seen)
        console.print(promises)
        total = self.injected.total()
        console.print(f"{total:,} faults in {self.calls.total():,} calls and deliveries; seed {self.seed}.")


def of_samples(report: Report, samples: SampleCounts, *, both: int, metrics: Metrics) -> None:
    """The reconciliation."""
    report.promise(
        "published = stored + quarantined, and none lost",
        held=samples.lost == 0 and samples.published == samples.stored + samples.quarantined,
        seen=f"{samples.published:,} = {samples.stored:,} + {samples.quarantined:,}; lost {samples.lost:,}",
    )
    report.promise(
        "no sample came out of nowhere", held=samples.unexpected == 0, seen=f"{samples.unexpected:,} unexpected"
    )
    report.promise("no sample is a row and in quarantine", held=both == 0, seen=f"{both:,} are both")
    report.promise(
        "nothing is left under failed/",
        held=samples.failed == 0,
        seen=f"{samples.failed:,} objects",
    )
    report.figures["samples"] = asdict(samples)
    report.figures["metrics"] = asdict(metrics) | {
        "counted_too_often": round(metrics.accepted / metrics.distinct - 1, 4) if metrics.distinct else None
    }


def of_datasets(report: Report, datasets: list[tuple[int, int]], metrics: Metrics) -> None:
    """What the training jobs made of repeated rows."""
    expected = (metrics.distinct, metrics.rows - metrics.distinct)
    report.promise(
        "a dataset takes each sample once",
        held=bool(datasets) and all(dataset == expected for dataset in datasets),
        seen=f"{expected[0]:,} samples, {expected[1]:,} repeated rows dropped, in each of {len(datasets)} datasets"
        if datasets
        else "no job read a dataset",
    )


def of_answers(report: Report, answers: Answers, *, time_limit: float, bound: float) -> None:
    """What planners got."""
    report.promise(
        "a good request never gets an error",
        held=not answers.errors,
        seen=f"{answers.requests:,} requests, {answers.sources.total():,} answers, errors {dict(answers.errors)}",
    )
    report.promise(
        f"99 of 100 wait no longer than the limit ({time_limit:.0f} s) and an overhead (here: {bound:.1f} s in all)",
        held=answers.percentile(0.99) <= bound,
        seen=f"median {answers.percentile(0.5) * 1000:.0f} ms, 99th percentile {answers.percentile(0.99):.2f} s, "
        f"longest {max(answers.seconds):.2f} s",
    )
    report.promise(
        "every answer is counted, as a model's or as a fallback",
        held=sum(answers.counted.values()) == answers.sources.total(),
        seen=f"{answers.counted['model']:,} + {answers.counted['fallback']:,} = {answers.sources.total():,}",
    )
    report.figures["answers"] = {
        "requests": answers.requests,
        "sources": dict(answers.sources),
        "counted": answers.counted,
        "errors": dict(answers.errors),
        "seconds": {str(share): round(answers.percentile(share), 3) for share in (0.5, 0.9, 0.99, 1.0)},
    }
