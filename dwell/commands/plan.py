"""``dwell plan``: what a fleet needs and costs, and which limit breaks first."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dwell.capacity.costs_and_limits import Plan, compute_plan
from dwell.capacity.day import Outage, Peak, simulate
from dwell.capacity.load import FleetProfile
from dwell.capacity.recovery import UndetectedDriftError, estimate_detections, estimate_recovery
from dwell.commands.error_reporting import report_errors
from dwell.commands.options import AsJson, parse_assignments
from dwell.console.exit_status import FAILED
from dwell.console.numbers import format_count, format_estimate
from dwell.console.tables import Column, Row, show
from dwell.console.terminal import out, print_json
from dwell.template import load_template

if TYPE_CHECKING:
    from dwell.capacity.day import Day
    from dwell.capacity.detection import Window
    from dwell.capacity.recovery import Recovery
    from dwell.template import Template

Robots = Annotated[int, typer.Option(min=1, help="Number of robots.")]
Interval = Annotated[float, typer.Option(help="Seconds between two interactions of a robot.")]
Centre = Annotated[int, typer.Option("--fc", min=1, help="Robots in a fulfilment centre.")]
Hold = Annotated[float, typer.Option(min=0, help="Seconds that a centre holds samples back, to send many at once.")]
Profile = Annotated[str, typer.Option("--config-env", help="Profile of samconfig.toml whose parameters are used.")]
Overrides = Annotated[list[str] | None, typer.Option("--parameter", help="NAME=VALUE; may be given several times.")]
IncludeDay = Annotated[bool, typer.Option("--day", help="Also simulate a day with a peak and an outage.")]


LOSSES = (1.05, 1.1, 1.25, 2.0)
"""Live error over the promise, for which the plan says how soon it is seen."""


def plan(
    *,
    robots: Robots,
    interval: Interval = 30.0,
    fc: Centre = 1_000,
    hold: Hold = 2.0,
    config_env: Profile = "default",
    parameter: Overrides = None,
    day: IncludeDay = False,
    as_json: AsJson = False,
) -> None:
    """Compute what a fleet needs and costs a month from template.yaml, and which limit breaks first.

    Exit status: 0 all limits hold, 1 a limit breaks, 2 the arguments are invalid. No request is made to AWS.
    """
    overrides = parse_assignments(parameter or [], option="--parameter")
    with report_errors():
        template = load_template(config_env, overrides)
        fleet = FleetProfile(robots, interval, centre=fc, hold=hold)
        result = compute_plan(fleet, template)
        minute = float(template.parameters["MonitorMinuteSeconds"])
        detections = estimate_detections(fleet, template, LOSSES)
        recovery = _estimate_recovery(fleet, template)
        simulated_day = simulate(fleet, template, Peak(), Outage()) if day else None
    if as_json:
        print_json(_to_json(result, recovery, detections, simulated_day, minute))
    else:
        _show(result)
        seen = ", ".join(_describe_detection(ratio, window, minute) for ratio, window in detections.items())
        out.print(f"\nA loss is seen after about: {seen}; buffers and the alarm's delay come on top.")
        if recovery is not None:
            steps = ", ".join(f"{step.name} {step.seconds:,.0f} s" for step in recovery.steps)
            out.print(f"From a drift to recovery: {recovery.seconds / 60:,.1f} minutes ({steps}).")
        if simulated_day is not None:
            _show_day(simulated_day)
    if result.broken:
        raise typer.Exit(FAILED)


def _estimate_recovery(fleet: FleetProfile, template: Template) -> Recovery | None:
    with suppress(UndetectedDriftError):  # the losses say "never" then
        return estimate_recovery(fleet, template)
    return None


def _describe_detection(ratio: float, window: Window | None, minute_seconds: float) -> str:
    when = "never" if window is None else format_interval(window.minutes * minute_seconds)
    return f"+{ratio - 1:.0%} {when}"


def format_interval(seconds: float) -> str:
    """Minutes below two hours, hours above."""
    return f"{seconds / 60:,.0f} min" if seconds < 2 * 3_600 else f"{seconds / 3_600:,.1f} h"


def _to_json(
    plan_: Plan, recovery: Recovery | None, detections: dict[float, Window | None], day: Day | None, minute: float
) -> dict[str, Any]:
    values = {
        **asdict(plan_),
        "dollars_a_month": plan_.dollars,
        "dollars_a_million_samples": plan_.dollars_a_million,
        "first_limit": asdict(plan_.limits[0]) | {"usage": plan_.limits[0].usage},
        "detection": {
            f"{ratio - 1:.0%}": None if window is None else window.minutes * minute
            for ratio, window in detections.items()
        },
        "recovery": None
        if recovery is None
        else {"steps": [asdict(step) for step in recovery.steps], "seconds": recovery.seconds},
    }
    return values if day is None else values | {"day": asdict(day)}


_COSTS = (Column("what"), Column("$ a month", right=True), Column("counted", gives_way=True))
_LIMITS = (
    Column("limit"),
    Column("used", right=True),
    Column("needed", right=True),
    Column("available"),
    Column("changed by", gives_way=True),
)


def _show(plan_: Plan) -> None:
    load = plan_.load
    out.print(
        f"{format_count(plan_.fleet.robots, 'robot')} in {format_count(plan_.fleet.centres, 'centre')}: "
        f"{format_count(load.samples, 'sample')}/s in "
        f"{format_count(load.messages, 'message', format_estimate)}/s of "
        f"{format_estimate(load.message_bytes / 1e3)} KB, "
        f"{format_count(load.questions, 'question', format_estimate)}/s of {load.question_rows:,.0f}.\n"
    )
    title = f"${plan_.dollars:,.0f} a month, ${plan_.dollars_a_million:,.4f} a million samples"
    show(out, title, _COSTS, [Row([cost.item, f"{cost.dollars:,.0f}", cost.counted]) for cost in plan_.costs])
    out.print()
    limits = [
        Row(
            [
                limit.name,
                f"{limit.usage:,.0%}",
                format_estimate(limit.needed),
                f"{format_estimate(limit.allowed)} {limit.unit}",
                limit.moved_by,
            ],
            style="red" if limit.usage > 1 else "",
        )
        for limit in plan_.limits
    ]
    show(out, "Limits, the tightest first", _LIMITS, limits)
    tightest = plan_.limits[0]
    out.print(
        f"\nThe first limit to break: {tightest.name}; changed by: {tightest.moved_by}. "
        f"These parameters are enough for {format_count(plan_.robots_at_most, 'such robot')}."
    )


def _show_day(day: Day) -> None:
    caught_up = (
        f"caught up {day.caught_up_after / 60:,.0f} minutes after the outage."
        if day.caught_up_after is not None
        else "not caught up by the end of the day."
    )
    lost = f"{day.lost:,.0f} samples outlive the stream's retention." if day.lost else "No sample is lost."
    refused = (
        f" The stream refuses {day.refused:,.0f}: they wait in Lambda's retries, and then in the failures queue."
        if day.refused
        else ""
    )
    out.print(
        f"\nA day with a peak of {day.peak.factor:g} times the rate and a consumer that stops for "
        f"{day.outage.seconds / 3600:g} h: at most {day.largest_backlog:,.0f} samples wait, the oldest for "
        f"{day.longest_wait / 60:,.0f} minutes; {caught_up} {lost}{refused}"
    )
