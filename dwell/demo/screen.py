"""The terminal during a run: the phases with their durations, and the current figures."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType


@dataclass(slots=True)
class Phase:
    """A step of the run; ``seconds`` is set at its end."""

    key: str
    title: str
    started: float
    seconds: float | None = None


@dataclass(slots=True)
class Screen:
    """Shows phases and figures. A terminal is redrawn; other output gets lines for each phase."""

    console: Console = field(default_factory=Console)
    phases: list[Phase] = field(default_factory=list)
    figures: dict[str, str] = field(default_factory=dict)
    _spinner: Spinner = field(default_factory=lambda: Spinner("dots"))

    @contextlib.contextmanager
    def shown(self) -> Iterator[Screen]:
        """Redraw until the block ends."""
        if not self.console.is_terminal:
            yield self
            return
        with Live(get_renderable=self._render, console=self.console, refresh_per_second=4):
            yield self

    @contextlib.contextmanager
    def phase(self, key: str, title: str) -> Iterator[None]:
        """Time a step; ``key`` names it in the report. A failed step is timed, too."""
        phase = Phase(key, title, time.monotonic())
        self.phases.append(phase)
        if not self.console.is_terminal:
            self.console.print(f"... {title}")
        try:
            yield
        finally:
            phase.seconds = round(time.monotonic() - phase.started, 1)
            if not self.console.is_terminal:
                figures = "".join(f"; {name} {value}" for name, value in self.figures.items())
                self.console.print(f"    {phase.seconds:.0f} s{figures}", highlight=False)

    def seconds(self) -> dict[str, float]:
        """Duration of each phase by key; a running phase counts up to now."""
        now = time.monotonic()
        return {
            phase.key: phase.seconds if phase.seconds is not None else round(now - phase.started, 1)
            for phase in self.phases
        }

    def _render(self) -> RenderableType:
        steps = Table.grid(padding=(0, 1))
        for phase in self.phases:
            running = phase.seconds is None
            seconds = phase.seconds if phase.seconds is not None else time.monotonic() - phase.started
            steps.add_row(
                self._spinner if running else Text("done", style="green"),
                Text(phase.title, style="bold" if running else ""),
                Text(f"{seconds:.0f} s", style="dim"),
            )
        figures = Table.grid(padding=(0, 3))
        for name, value in self.figures.items():
            figures.add_row(Text(name, style="dim"), value)
        return Group(steps, Text(), figures)
