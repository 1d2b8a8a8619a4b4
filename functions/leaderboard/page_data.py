"""The data that the page shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from leaderboard.alarm_history import AlarmPeriod, get_alarm_periods
from leaderboard.leaderboard_state import LeaderboardContext, LeaderboardState, load_leaderboard_state
from leaderboard.live_error_metrics import ErrorInterval, get_live_error_series
from leaderboard.rejections import Rejections, count_rejections

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from leaderboard.ranking import RankedModel
    from leaderboard.time_range import TimeRange
    from rounds import Round

MAX_ROWS = 20
"""The most models, rounds and decisions on the page."""


@dataclass(frozen=True, slots=True)
class ServingPeriod:
    """A model served from ``since`` to ``until``; null while it still does."""

    model: str
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class PageData:
    """The state of the leaderboard at ``now``, and what happened in ``time_range``."""

    stack: str
    now: datetime
    time_range: TimeRange
    state: LeaderboardState
    charted_range: TimeRange
    """The part of the time range since the first event, so that the chart of a new stack is not mostly empty."""
    live_error: Sequence[ErrorInterval]
    alarms: Sequence[AlarmPeriod]
    rejections: Rejections

    @property
    def champion(self) -> RankedModel | None:
        """The model that serves now."""
        return next((model for model in self.state.models if model.is_live), None)

    @property
    def serving_periods(self) -> list[ServingPeriod]:
        """Which models served when, according to the rounds; oldest first."""
        live_model = None if self.state.endpoint is None else self.state.endpoint.serving_model
        return compute_serving_periods(self.state.rounds, live_model=live_model)


def load_page_data(context: LeaderboardContext, time_range: TimeRange) -> PageData:
    """Read the data of the page. Errors of AWS pass through as ``ClientError``.

    The number of requests depends on how much is shown, not on how much has happened.
    """
    now = context.clock()
    state = load_leaderboard_state(context, limit=MAX_ROWS)
    alarms = get_alarm_periods(context.cloudwatch, context.alarms, time_range, stack=context.service)
    starts = [round_.started_at for round_ in state.rounds] + [period.since for period in alarms]
    charted_range = time_range.starting_at(min(starts, default=time_range.since))
    return PageData(
        stack=context.service,
        now=now,
        time_range=time_range,
        state=state,
        charted_range=charted_range,
        # without a round there is no model, and so no live error
        live_error=get_live_error_series(context.cloudwatch, charted_range, service=context.service, now=now)
        if state.rounds
        else [],
        alarms=alarms,
        rejections=count_rejections(context.cloudwatch, time_range, service=context.service, now=now),
    )


def compute_serving_periods(rounds: Sequence[Round], *, live_model: str | None) -> list[ServingPeriod]:
    """Return which models served when: each until the deployment of the next, the last one if it is still live."""
    deployments = sorted(
        (round_.deployed_at, round_.submitted)
        for round_ in rounds
        if round_.submitted is not None and round_.deployed_at is not None and round_.deployment == "live"
    )
    ends = [deployed_at for deployed_at, _ in deployments[1:]]
    periods = [
        ServingPeriod(model, deployed_at, end)
        for (deployed_at, model), end in zip(deployments, [*ends, None], strict=False)
    ]
    # When the last model stopped serving is not recorded, so its period is left out once it is not live.
    return [period for period in periods if period.until is not None or period.model == live_model]
