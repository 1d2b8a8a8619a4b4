"""What a fleet needs and costs, what breaks first, how long recovery takes, and how a day goes."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from dwell.capacity import measurements as measured
from dwell.capacity.costs_and_limits import compute_plan, costs, limits
from dwell.capacity.day import MINUTES, STEP_SECONDS, Outage, Peak, simulate
from dwell.capacity.load import (
    DAY_SECONDS,
    MAX_INTERVAL_SECONDS,
    MAX_ROBOTS,
    MIN_INTERVAL_SECONDS,
    FleetProfile,
    InvalidFleetError,
    compute_load,
)
from dwell.capacity.prices import PRICES, QUOTAS, quota
from dwell.capacity.recovery import UndetectedDriftError, estimate_detections, estimate_recovery, rate_seconds
from dwell.commands import plan as cli
from dwell.commands.app import app
from dwell.messaging.batching import MAX_LINES_PER_MESSAGE
from dwell.template import TemplateError, load_template, read_template

TEMPLATE = load_template()
PROFILES = {name: load_template(name) for name in ("default", "local", "prod")}
LARGE = FleetProfile(200_000, 30)

fleets = st.builds(
    FleetProfile,
    robots=st.integers(1, 2_000_000),
    interval=st.floats(1, 3_600),
    centre=st.integers(1, 5_000),
    hold=st.floats(0, 10),
)
any_fleets = st.builds(
    FleetProfile,
    robots=st.integers(1, MAX_ROBOTS),
    interval=st.floats(MIN_INTERVAL_SECONDS, MAX_INTERVAL_SECONDS),
    centre=st.integers(1, MAX_ROBOTS),
    hold=st.floats(0, DAY_SECONDS),
)
profiles = st.sampled_from(sorted(PROFILES))


@given(fleet=any_fleets, profile=profiles)
def test_nothing_is_negative_or_no_number(fleet: FleetProfile, profile: str) -> None:
    of = compute_load(fleet, PROFILES[profile])
    bill = costs(of, PROFILES[profile])
    assert all(math.isfinite(one.dollars) and one.dollars >= 0 for one in bill)
    assert all(math.isfinite(one.usage) and one.usage > 0 for one in limits(of, PROFILES[profile]))
    assert of.transforms_at_once > 0


@given(fleet=fleets, profile=profiles, times=st.integers(2, 50))
def test_more_robots_cost_more_and_use_more_of_limits(fleet: FleetProfile, profile: str, times: int) -> None:
    # given the same centres, and more of them
    few = replace(fleet, robots=max(1, fleet.robots // fleet.centre) * fleet.centre)
    many = replace(few, robots=few.robots * times)
    selected = PROFILES[profile]
    # when both are planned
    before, after = compute_load(few, selected), compute_load(many, selected)
    # then
    bills = [math.fsum(one.dollars for one in costs(of, selected)) for of in (before, after)]
    assert bills[0] < bills[1]
    used = {one.name: one.usage for one in limits(before, selected)}
    assert all(one.usage >= 0.999 * used[one.name] for one in limits(after, selected))


@given(fleet=fleets)
def test_stream_needs_shards_for_bytes_and_records(fleet: FleetProfile) -> None:
    of = compute_load(fleet, TEMPLATE)
    assert of.bytes_in == pytest.approx(fleet.samples * measured.SAMPLE_BYTES)
    assert of.shards_needed * quota("shard_bytes") >= of.bytes_in
    assert of.shards_needed * quota("shard_records") >= of.messages
    fewer = of.shards_needed - 1
    assert fewer * quota("shard_bytes") < of.bytes_in or fewer * quota("shard_records") < of.messages


def test_packing_is_what_the_fleet_does() -> None:
    assert measured.LINES_PER_MESSAGE == MAX_LINES_PER_MESSAGE
    alone = compute_load(replace(LARGE, hold=0), TEMPLATE)
    assert alone.messages == pytest.approx(LARGE.samples)
    assert compute_load(replace(LARGE, hold=60), TEMPLATE).messages == pytest.approx(
        LARGE.samples / MAX_LINES_PER_MESSAGE
    )


def test_large_fleet_breaks_the_default_stream_first() -> None:
    created = compute_plan(LARGE, TEMPLATE)
    assert created.limits[0].name == "stream"
    assert created.load.shards_needed == 4
    assert created.robots_at_most < LARGE.robots
    moved = compute_plan(LARGE, load_template(overrides={"StreamShards": "4", "EndpointInstanceType": "ml.c6i.large"}))
    assert moved.broken == ()
    assert moved.robots_at_most >= LARGE.robots


@given(robots=st.integers(1, 400_000))
def test_max_robots_is_the_largest_fleet_within_limits(robots: int) -> None:
    at_most = compute_plan(FleetProfile(1, 30), TEMPLATE).robots_at_most
    created = compute_load(FleetProfile(robots, 30), TEMPLATE)
    if robots <= at_most // 1_000 * 1_000:
        assert all(one.usage <= 1 for one in limits(created, TEMPLATE))
    if robots == at_most + 1:
        assert any(one.usage > 1 for one in limits(created, TEMPLATE))


def test_training_takes_no_more_than_what_may_be_used() -> None:
    of = compute_load(LARGE, TEMPLATE)
    assert of.training.samples == TEMPLATE.parameters["MaximumSamples"]
    more = compute_load(LARGE, load_template(overrides={"MaximumSamples": "8000000"}))
    assert more.training.seconds > 2 * of.training.seconds


@given(samples=st.lists(st.integers(1, 10**8), min_size=2, max_size=10))
def test_training_more_takes_longer(samples: list[int]) -> None:
    for few, many in pairwise(sorted(samples)):
        assert measured.estimate_training(few).seconds <= measured.estimate_training(many).seconds
        assert measured.estimate_training(few).memory <= measured.estimate_training(many).memory
        assert measured.estimate_training(few).error >= measured.estimate_training(many).error >= 1


@pytest.mark.parametrize("numbers", [
        (0, 30), (10**400, 30), (1, 0), (1, -1), (1, math.nan), (1, math.inf), (1, 1e308), (1, 1e-320),
        (1, 30, 0), (1, 30, 10**400), (1, 30, 1, -1), (1, 30, 1, math.nan), (1, 30, 1, math.inf),
    ],
)  # fmt: skip
def test_what_is_no_fleet_is_refused(numbers: tuple[float, ...]) -> None:
    with pytest.raises(InvalidFleetError):
        FleetProfile(*numbers)  # type: ignore[arg-type]


def test_an_instance_without_a_price_is_refused_by_name() -> None:
    with pytest.raises(InvalidFleetError, match=r"ml\.x1\.tiny"):
        compute_load(LARGE, load_template(overrides={"EndpointInstanceType": "ml.x1.tiny"}))


def test_every_figure_has_a_source() -> None:
    for one in (*PRICES.values(), *QUOTAS.values()):
        assert one.source.startswith("https://")
        assert one.value > 0


def test_shorter_periods_and_a_faster_endpoint_shorten_recovery() -> None:
    slow = estimate_recovery(LARGE, TEMPLATE)
    fast = estimate_recovery(
        LARGE,
        load_template(overrides={"AlarmPeriodSeconds": "60", "EndpointInstanceType": "ml.c6i.large"}),
    )
    assert fast.seconds < slow.seconds
    assert [step.name for step in fast.steps] == [step.name for step in slow.steps]


def test_small_fleet_waits_for_samples_until_a_recheck() -> None:
    by_name = {step.name: step.seconds for step in estimate_recovery(FleetProfile(100, 30), TEMPLATE).steps}
    look = rate_seconds(TEMPLATE.parameters["AlarmRecheckSchedule"])
    assert by_name["gathering samples"] > 0
    assert by_name["gathering samples"] % look == 0


@pytest.mark.parametrize(("profile", "robots"), [("default", 1_000), ("default", 20_000), ("prod", 200_000)])
def test_round_starts_with_enough_samples_since_the_drift(profile: str, robots: int) -> None:
    selected = PROFILES[profile]
    assert (
        estimate_recovery(FleetProfile(robots, 30), selected).recent_stored
        >= 0.5 * selected.parameters["MinimumSamples"]
    )


def test_production_fleet_recovers_within_16_minutes() -> None:
    assert estimate_recovery(LARGE, PROFILES["prod"]).seconds <= 16 * 60


def test_rate_seconds_of_another_expression_raises() -> None:
    assert rate_seconds("rate(2 hours)") == 7_200
    with pytest.raises(InvalidFleetError, match="cron"):
        rate_seconds("cron(0 12 * * ? *)")


@given(
    fleet=fleets,
    profile=profiles,
    factor=st.floats(0, 5),
    starts=st.floats(0, 86_400),
    seconds=st.floats(0, 86_400),
)
def test_no_sample_of_a_day_is_unaccounted_for(
    fleet: FleetProfile, profile: str, factor: float, starts: float, seconds: float
) -> None:
    day = simulate(fleet, PROFILES[profile], Peak(factor=factor), Outage(at=starts, seconds=seconds))
    sent, delivered = math.fsum(day.sent) * STEP_SECONDS, math.fsum(day.delivered) * STEP_SECONDS
    assert sent == pytest.approx(delivered + day.backlog[-1] + day.in_front[-1] + day.lost, rel=1e-6, abs=1e-3)
    assert len(day.sent) == len(day.backlog) == MINUTES
    assert min(*day.backlog, *day.delivered, *day.wait) >= 0


def test_outage_leaves_a_backlog_that_is_caught_up() -> None:
    enough = load_template(overrides={"StreamShards": "7"})
    day = simulate(LARGE, enough, Peak(), Outage(at=36_000, seconds=3_600))
    before, during = day.backlog[36_000 // STEP_SECONDS - 1], day.backlog[39_600 // STEP_SECONDS - 1]
    assert before == 0
    assert during == pytest.approx(math.fsum(day.sent[600:660]) * STEP_SECONDS)
    assert day.longest_wait == 3_600
    assert day.caught_up_after is not None
    assert 0 < day.caught_up_after < 3_600
    assert (day.lost, day.refused) == (0, 0)


def test_outage_beyond_retention_loses_the_oldest() -> None:
    forgetful = replace(load_template(overrides={"StreamShards": "7"}))
    short = replace(forgetful, parameters={**forgetful.parameters, "StreamRetentionHours": 2})
    day = simulate(LARGE, short, Peak(factor=1), Outage(at=36_000, seconds=4 * 3_600))
    assert day.longest_wait <= 2 * 3_600 + 2 * STEP_SECONDS
    assert day.lost == pytest.approx(math.fsum(day.sent[600:720]) * STEP_SECONDS, rel=0.05)


def test_peak_with_too_few_shards_waits_in_retries() -> None:
    day = simulate(LARGE, load_template(overrides={"StreamShards": "4"}), Peak(factor=2), Outage(seconds=0))
    assert day.refused > 0
    assert (
        simulate(LARGE, load_template(overrides={"StreamShards": "7"}), Peak(factor=2), Outage(seconds=0)).refused == 0
    )


IMPOSSIBLE = [
    ("EndpointInstanceCount", "0"),
    ("ApiRequestsPerSecond", "0"),
    ("TrainingMaxSeconds", "0"),
    ("StreamShards", "nan"),
    ("StreamShards", "0.5"),
    ("StreamShards", "1e308"),
    ("AlarmRecheckSchedule", "rate(0 minutes)"),
]


def told(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["plan", *arguments])
    return result.exit_code, result.output


def test_plan_prints_first_limit_and_exits_with_1() -> None:
    status, text = told("--robots", "200000", "--day")
    assert status == 1
    assert "The first limit to break: stream; changed by: StreamShards" in text
    assert "No sample is lost" in text
    parameters = ("--parameter", "StreamShards=7", "--parameter", "EndpointInstanceType=ml.c6i.large")
    assert told("--robots", "200000", *parameters)[0] == 0


def test_limits_fit_a_terminal_without_broken_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cli, "out", Console(width=80, force_terminal=True, color_system=None, soft_wrap=True))
    _, text = told("--robots", "200000", "--hold", "0")
    table = text.partition("Limits, the tightest first")[2].partition("The first limit to break")[0]
    assert all(len(line) <= 80 for line in table.splitlines())
    assert {"EndpointInstanceCount", "EndpointInstanceType", "ApiRequestsPerSecond"} <= set(
        re.findall(r"[\w-]+", table)
    )
    assert "6,667 messages/s of 0.525 KB" in text


def test_one_is_no_plural() -> None:
    _, text = told("--robots", "30", "--hold", "0")
    assert "30 robots in 1 centre: 1 sample/s in 1 message/s" in text
    assert "1 shard, " in text
    assert re.search(r"^stream .* 1 shard +StreamShards", text, re.MULTILINE)
    assert not re.findall(r"(?<![\d.])1 \w+s\b(?! a second)", text.partition("From a drift")[0])


def test_plan_prints_everything_as_json() -> None:
    status, text = told("--robots", "1000", "--fc", "500", "--json", "--day")
    created = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert status == 0
    assert created["fleet"] == {"robots": 1_000, "interval": 30.0, "centre": 500, "hold": 2.0}
    assert created["dollars_a_month"] == pytest.approx(sum(cost["dollars"] for cost in created["costs"]))
    assert created["recovery"]["seconds"] == pytest.approx(sum(one["seconds"] for one in created["recovery"]["steps"]))
    assert len(created["day"]["sent"]) == MINUTES


@pytest.mark.parametrize(
    "arguments",
    [
        ("--robots", "0"),
        ("--robots", "1" + 400 * "0"),
        ("--robots", "10", "--fc", "1" + 400 * "0"),
        ("--robots", "10", "--hold", "inf"),
        *(("--robots", "10", "--interval", value) for value in ("0", "-1", "nan", "inf", "1e308", "1e-308")),
        *(("--robots", "10", "--parameter", f"{name}={value}") for name, value in IMPOSSIBLE),
        ("--robots", "10", "--parameter", "StreamShards"),
        ("--robots", "10", "--parameter", "Shards=1"),
        ("--robots", "10", "--config-env", "staging"),
    ],
)
def test_plan_with_invalid_arguments_exits_with_2(arguments: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, ["plan", *arguments])
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.strip()


@settings(max_examples=30)  # each reads the template anew
@given(
    values=st.dictionaries(
        st.sampled_from(sorted(read_template()["Parameters"])),
        st.sampled_from(
            ["nan", "-inf", "-1", "0", "0.5", "1", "1.5", "60", "1e9", "1e15", "1e400", "", "rate(0 days)"]
        ),
        min_size=1,
        max_size=2,
    ),
    fleet=any_fleets,
)
def test_plan_of_any_parameters_is_finite_or_refused(values: dict[str, str], fleet: FleetProfile) -> None:
    try:
        selected = load_template(overrides=values)
        created = compute_plan(fleet, selected)
    except (InvalidFleetError, TemplateError):
        return
    assert math.isfinite(created.dollars)
    assert all(math.isfinite(limit.usage) for limit in created.limits)
    try:
        recovered = estimate_recovery(fleet, selected)
    except InvalidFleetError:
        return
    except UndetectedDriftError:
        assert estimate_detections(fleet, selected, [2.1]) == {2.1: None}
        return
    assert math.isfinite(recovered.seconds)
