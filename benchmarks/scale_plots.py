"""Draws the plots of docs/scale.md from the capacity plan and from measured figures.

``.venvs/sdk/bin/python -m benchmarks.scale_plots`` (the notebooks' environment has matplotlib).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import matplotlib.pyplot as plt

from dwell.capacity import measurements as measured
from dwell.capacity.costs_and_limits import costs, max_robots
from dwell.capacity.day import STEP_SECONDS, Outage, Peak, simulate
from dwell.capacity.load import FleetProfile, compute_load
from dwell.template import ROOT, load_template

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

FOLDER = ROOT / "docs" / "scale"
FLEET = FleetProfile(200_000, 30)
LARGE = {"StreamShards": "7", "EndpointInstanceType": "ml.c6i.large", "EndpointInstanceCount": "2"}
BLUE, RED, GREY, GREEN = "#1f5fa8", "#c23b22", "#8a8f98", "#3b8b4e"


def draw_figure(name: str, draw: Callable[[list[Axes]], None], *, parts: int = 1, height: float = 3.4) -> None:
    """Draw a figure with ``parts`` plots below each other and write it as PNG; ``height`` is in inches."""
    mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
                         "grid.alpha": 0.25, "axes.titlesize": 10, "axes.titlelocation": "left"})  # fmt: skip
    plot, axes = plt.subplots(parts, 1, figsize=(8, height), sharex=True, squeeze=False, layout="constrained")
    draw([axis[0] for axis in axes])
    FOLDER.mkdir(exist_ok=True)
    plot.savefig(FOLDER / f"{name}.png", dpi=110, metadata={"Software": None})
    plt.close(plot)


def draw_training(axes: list[Axes]) -> None:
    """Draw error and time by the number of samples."""
    samples = [training.samples for training in measured.TRAININGS]
    error, time = axes
    error.plot(samples, [100 * (training.error - 1) for training in measured.TRAININGS], "o-", color=BLUE)
    error.set(title="The winner's test error above the noise floor (%)", xscale="log", ylim=(0, None))
    error.axvline(load_template().parameters["MaximumSamples"], color=GREY, linestyle=":")
    error.text(
        load_template().parameters["MaximumSamples"] * 0.95, error.get_ylim()[1] * 0.9, "MaximumSamples", ha="right"
    )
    time.plot(
        samples, [training.seconds for training in measured.TRAININGS], "o-", color=BLUE, label="seconds, two cores"
    )
    time.plot(
        samples,
        [10 * training.memory for training in measured.TRAININGS],
        "s--",
        color=RED,
        label="peak memory, 0.1 GB",
    )
    time.set(title="The whole tournament", xlabel="samples, a quarter of them to test on", ylim=(0, None))
    time.legend(frameon=False)


def draw_costs(axes: list[Axes]) -> None:
    """Draw US dollars a month by the size of the fleet."""
    robots = [round(1_000 * 1.25**power) // 1_000 * 1_000 for power in range(29)]
    profiles: tuple[tuple[str, dict[str, str], str], ...] = (
        ("default", {}, GREY),
        ("default, 7 shards, 2 x c6i.large", LARGE, BLUE),
        ("prod (on demand)", {}, RED),
    )
    for label, overrides, colour in profiles:
        selected = load_template("prod" if label.startswith("prod") else "default", overrides)
        limit = max_robots(FLEET, selected)
        monthly_costs = [
            sum(cost.dollars for cost in costs(compute_load(FleetProfile(count, 30), selected), selected))
            for count in robots
        ]
        within_limits = [
            dollars if count <= limit else float("nan") for count, dollars in zip(robots, monthly_costs, strict=True)
        ]
        axes[0].plot(robots, within_limits, color=colour, label=f"{label}: up to {limit:,} robots", linewidth=2)
        axes[0].plot(robots, monthly_costs, color=colour, linewidth=0.8, linestyle=":")
    axes[0].axvline(FLEET.robots, color=GREY, linewidth=0.8)
    axes[0].set(title="Dollars a month; dotted where a limit breaks", xscale="log", yscale="log",
                xlabel="robots, one interaction every 30 s, centres of 1,000")  # fmt: skip
    axes[0].legend(frameon=False)


def draw_day(axes: list[Axes]) -> None:
    """Draw a day with a peak and an outage, with too few shards and with enough."""
    rates, backlog, in_front = axes
    for shards, colour in ((4, RED), (7, BLUE)):
        simulated = simulate(FLEET, load_template(overrides=LARGE | {"StreamShards": str(shards)}), Peak(), Outage())
        hours = [minute * STEP_SECONDS / 3_600 for minute in range(len(simulated.sent))]
        rates.plot(
            hours, [rate / 1e3 for rate in simulated.delivered], color=colour, label=f"delivered, {shards} shards"
        )
        backlog.plot(hours, [waiting / 1e6 for waiting in simulated.backlog], color=colour)
        in_front.plot(hours, [waiting / 1e6 for waiting in simulated.in_front], color=colour)
    rates.plot(hours, [rate / 1e3 for rate in simulated.sent], color="black", linewidth=0.8, label="sent")
    rates.set(title="Thousand samples a second: a peak at 14 h, an outage of the consumer at 10 h")
    rates.legend(frameon=False, loc="upper left")
    backlog.set(title="Million samples that wait in the stream")
    in_front.set(
        title="Million samples that it refused and that wait in retries",
        xlabel="hour of the day",
        xticks=range(0, 25, 2),
    )


def main() -> None:
    """Draw all plots."""
    draw_figure("training", draw_training, parts=2, height=4.6)
    draw_figure("cost", draw_costs)
    draw_figure("day", draw_day, parts=3, height=5.4)


if __name__ == "__main__":
    main()
