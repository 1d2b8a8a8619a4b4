"""The records and metrics of a working day in fakes, and the page that shows them."""

from __future__ import annotations

from datetime import timedelta

from leaderboard.leaderboard_state import LeaderboardContext
from leaderboard.page_data import PageData, load_page_data
from leaderboard.time_range import TimeRange
from rounds import Store
from tests.sample_history import SampleHistory
from tests.unit.fake_aws import ENDPOINT, NOW, STACK, Cloud

HISTORY = SampleHistory(NOW, entrant="night-shift", endpoint=ENDPOINT)
ALARMS = [f"{STACK}-ModelError", f"{STACK}-NoModel"]


def make_filled_cloud(history: SampleHistory = HISTORY) -> Cloud:
    """Fakes with the records, alarm changes and metrics of the history."""
    cloud = Cloud()
    store = Store(cloud.clients()[0])
    for record in history.records():
        store.create(record)
    for change in history.changes():
        cloud.cloudwatch.changes.append((f"{STACK}-{change.alarm}", change.at, change.before, change.after))
    for count in history.counts():
        cloud.cloudwatch.count(count.metric, count.at, count.value, service=STACK, **count.dimensions)
    return cloud


def make_context(cloud: Cloud) -> LeaderboardContext:
    """The function's context over the fakes."""
    table, _, _, cloudwatch = cloud.clients()
    return LeaderboardContext(Store(table), cloudwatch, STACK, ENDPOINT, ALARMS, cloud.clock)


def load_page(cloud: Cloud, hours: float = 6) -> PageData:
    """The page's data for the last hours."""
    return load_page_data(make_context(cloud), TimeRange(NOW - timedelta(hours=hours), NOW))


PAGE = load_page(make_filled_cloud())
