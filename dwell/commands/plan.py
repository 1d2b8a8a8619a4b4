"""``dwell plan``: what a fleet needs and costs, and what breaks first."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dwell.capacity.costs_and_limits import Plan, figure, plan
from dwell.capacity.day import Outage, Peak, simulate
from dwell.capacity.load import Fleet, FleetError
from dwell.capacity.recovery import recovery
from dwell.commands.options import FAILED, UNUSABLE, AsJson, end, out, say_json
from dwell.console.tables import Column, Row, counted, show
from dwell.template import TemplateError, template

if TYPE_CHECKING:
    from dwell.capacity.day import Day

Robots = Annotated[int, typer.Option(min=1, help="How many robots.")]
Interval = Annotated[float, typer.Option(help="Seconds between two interactions of a robot.")]
Centre = Annotated[int, typer.Option("--fc", min=1, help="Robots in a fulfilment centre.")]
Hold = Annotated[float, typer.Option(min=0, help="Seconds that a centre holds samples back, to send many at once.")]
Profile = Annotated[str, typer.Option("--config-env", help="Whose parameters: a profile of samconfig.toml.")]
Overrides = Annotated[list[str] | None, typer.Option("--parameter", help="NAME=VALUE; may be given several times.")]
AsDay = Annotated[bool, typer.Option("--day", help="Simulate a day with a peak and an outage too.")]


def plan_command(
    *,
    robots: Robots,
    interval: Interval = 30.0,
    fc: Centre = 1_000,
    hold: Hold = 2.0,
    config_env: Profile = "default",
    parameter: Overrides = None,
    day: AsDay = False,
    as_json: AsJson = False,
) -> None:
    """What a fleet needs and costs a month, computed from template.yaml, and which limit breaks first.

    Exit status: 0 the parameters hold, 1 a limit breaks, 2 the call makes no sense. Nothing is asked of AWS.
    """
    try:
        overrides = _overrides(parameter or [])
        chosen = template(config_env, overrides)
        fleet = Fleet(robots, interval, centre=fc, hold=hold)
        made = plan(fleet, chosen)
        recovered = recovery(fleet, chosen)
        simulated = simulate(fleet, chosen, Peak(), Outage()) if day else None
    except (FleetError, TemplateError) as error:
        raise end(str(error), UNUSABLE) from error
    if as_json:
        told: dict[str, Any] = {
            **asdict(made),
            "dollars_a_month": made.dollars,
            "dollars_a_million_samples": made.dollars_a_million,
            "first_limit": asdict(made.limits[0]) | {"usage": made.limits[0].usage},
            "recovery": {"steps": [asdict(step) for step in recovered.steps], "seconds": recovered.seconds},
        }
        if simulated is not None:
            told["day"] = asdict(simulated)
        say_json(told)
    else:
        _show(made)
        steps = ", ".join(f"{step.name} {step.seconds:,.0f} s" for step in recovered.steps)
        out.print(f"\nFrom a drift to recovery: {recovered.seconds / 60:,.1f} minutes ({steps}).")
        if simulated is not None:
            _show_day(simulated)
    if made.broken:
        raise typer.Exit(FAILED)


def _overrides(given: list[str]) -> dict[str, str]:
    pairs = {}
    for one in given:
        name, separator, value = one.partition("=")
        if not separator:
            raise typer.BadParameter(f"{one!r} is not NAME=VALUE", param_hint="--parameter")
        pairs[name] = value
    return pairs


_BILL = (Column("what"), Column("$ a month", right=True), Column("counted", gives_way=True))
_LIMITS = (
    Column("limit"),
    Column("used", right=True),
    Column("needed", right=True),
    Column("there is"),
    Column("moved by", gives_way=True),
)


def _show(made: Plan) -> None:
    of = made.load
    out.print(
        f"{counted(made.fleet.robots, 'robot')} in {counted(made.fleet.centres, 'centre')}: "
        f"{counted(of.samples, 'sample')}/s in "
        f"{counted(of.messages, 'message', figure)}/s of {figure(of.message_bytes / 1e3)} KB, "
        f"{counted(of.questions, 'question', figure)}/s of {of.question_rows:,.0f}.\n"
    )
    title = f"${made.dollars:,.0f} a month, ${made.dollars_a_million:,.4f} a million samples"
    show(out, title, _BILL, [Row([cost.item, f"{cost.dollars:,.0f}", cost.counted]) for cost in made.costs])
    out.print()
    limits = [
        Row(
            [one.name, f"{one.usage:,.0%}", figure(one.needed), f"{figure(one.allowed)} {one.unit}", one.moved_by],
            style="red" if one.usage > 1 else "",
        )
        for one in made.limits
    ]
    show(out, "Limits, the tightest first", _LIMITS, limits)
    first = made.limits[0]
    out.print(
        f"\nThe first to break is the {first.name}; what moves it: {first.moved_by}. "
        f"These parameters hold for {counted(made.robots_at_most, 'such robot')}."
    )


def _show_day(day: Day) -> None:
    out.print(
        f"\nA day with a peak of {day.peak.factor:g} times the rate and a consumer that stands still for "
        f"{day.outage.seconds / 3600:g} h: at most {day.largest_backlog:,.0f} samples wait, the oldest for "
        f"{day.longest_wait / 60:,.0f} minutes; "
        + (
            f"caught up {day.caught_up_after / 60:,.0f} minutes after the outage."
            if day.caught_up_after is not None
            else "not caught up by the end of the day."
        )
        + (f" {day.lost:,.0f} samples outlive the stream's retention." if day.lost else " No sample is lost.")
        + (
            f" {day.refused:,.0f} are refused at the stream: they wait in Lambda's retries, and in the failures queue "
            "after them."
            if day.refused
            else ""
        )
    )
