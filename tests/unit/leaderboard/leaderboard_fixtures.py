"""The scene of a working day, put into fakes, and what somebody sees who looks at it."""

from __future__ import annotations

from datetime import timedelta

from leaderboard.leaderboard_state import Surroundings
from leaderboard.page_data import Look, look
from leaderboard.time_range import Window
from rounds import Store
from tests.sample_history import SampleHistory
from tests.unit.fake_aws import ENDPOINT, NOW, STACK, Cloud

SCENE = SampleHistory(NOW, entrant="night-shift", endpoint=ENDPOINT)
ALARMS = [f"{STACK}-ModelError", f"{STACK}-NoModel"]


def filled(scene: SampleHistory = SCENE) -> Cloud:
    cloud = Cloud()
    store = Store(cloud.clients()[0])
    for record in scene.records():
        store.create(record)
    for change in scene.changes():
        cloud.cloudwatch.changes.append((f"{STACK}-{change.alarm}", change.at, change.before, change.after))
    for count in scene.counts():
        cloud.cloudwatch.count(count.metric, count.at, count.value, service=STACK, **count.dimensions)
    return cloud


def around(cloud: Cloud) -> Surroundings:
    table, _, _, cloudwatch = cloud.clients()
    return Surroundings(Store(table), cloudwatch, STACK, ENDPOINT, ALARMS, cloud.clock)


def seen(cloud: Cloud, hours: float = 6) -> Look:
    return look(around(cloud), Window(NOW - timedelta(hours=hours), NOW))


LOOK = seen(filled())
