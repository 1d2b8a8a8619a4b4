"""Everything that the page shows, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from leaderboard.alarm_history import AlarmOn, alarms_on
from leaderboard.leaderboard_state import Standing, Surroundings, standing
from leaderboard.live_error import Interval, live_error_over_time
from leaderboard.rejections import Refusals, refusals

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from leaderboard.ranking import Entry
    from leaderboard.time_range import Window
    from rounds import Round

SHOWN = 20
"""Models, rounds and decisions on the page."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A model answered from ``since`` to ``until``; null while it still does."""

    model: str
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Look:
    """What somebody sees who looks at ``now``, with what happened in ``window``."""

    stack: str
    now: datetime
    window: Window
    standing: Standing
    course: Window
    """The part of the window in which anything happened: an hour-old stack is not drawn on a day's paper."""
    live_error: Sequence[Interval]
    alarms: Sequence[AlarmOn]
    refusals: Refusals

    @property
    def champion(self) -> Entry | None:
        """The model that answers now."""
        return next((one for one in self.standing.models if one.live), None)

    @property
    def serving(self) -> list[Serving]:
        """Which models answered when, as the rounds tell it; oldest first."""
        live = None if self.standing.endpoint is None else self.standing.endpoint.serving_model
        return serving(self.standing.rounds, live=live)


def look(around: Surroundings, window: Window) -> Look:
    """Read what there is. The cost depends on how much is shown, not on how much has happened."""
    now = around.clock()
    stands = standing(around, limit=SHOWN)
    alarms = alarms_on(around.cloudwatch, around.alarms, window, stack=around.service)
    happened = [one.started_at for one in stands.rounds] + [one.since for one in alarms]
    course = window.beginning(min(happened, default=window.since))
    return Look(
        stack=around.service,
        now=now,
        window=window,
        standing=stands,
        course=course,
        # without a round there is no model, and nothing to err
        live_error=live_error_over_time(around.cloudwatch, course, service=around.service, now=now)
        if stands.rounds
        else [],
        alarms=alarms,
        refusals=refusals(around.cloudwatch, window, service=around.service, now=now),
    )


def serving(rounds: Sequence[Round], *, live: str | None) -> list[Serving]:
    """Which models answered when: each from its deployment to the next one's, the last one as long as it is live."""
    deployed = sorted(
        (one.deployed_at, one.submitted)
        for one in rounds
        if one.submitted is not None and one.deployed_at is not None and one.deployment == "live"
    )
    ends = [at for at, _ in deployed[1:]]
    found = [Serving(model, at, end) for (at, model), end in zip(deployed, [*ends, None], strict=False)]
    # what answered last and answers no more: nobody wrote down since when
    return [one for one in found if one.until is not None or one.model == live]
