"""A whole round, from the alarm to the model that serves, with trouble at every single request to AWS.

Each story is played through the functions' handlers with the events that AWS sends, Lambda's retries included, and has
to end as the undisturbed one did: same records, same job, same dataset, same deployment.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from contextlib import redirect_stdout
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools import Logger
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_schema import get_schema_hash
from promotion import handler as promotion
from retraining import handler as retraining
from retraining import source_archive
from rounds import Endpoint, Round
from rounds.metric_counter import count_metric
from tests.unit.conftest import EVENTS, Context
from tests.unit.fake_aws import ENDPOINT, NOW, STACK
from tests.unit.fault_injection import FAULT_KINDS, FaultInjector, inject_faults, invoke_with_retries
from tests.unit.promotion import factories as promotion_factories
from tests.unit.promotion.factories import CHAMPION, JOB, WINNER, make_archive, make_comparison, make_tournament
from tests.unit.retraining.factories import add_champion, cloud_with_samples, make_context

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.unit.fake_aws import Cloud
    from tests.unit.fault_injection import FaultKind

ALARM, JOB_ENDED, ENDPOINT_CHANGED = "alarm-model-error", "training-job-completed", "endpoint-in-service"
TRAINED, DEPLOYED = timedelta(seconds=126), timedelta(minutes=8)

type Ending = str
"""How the story ends: the winner is ``promoted``, and perhaps ``taken_back``, or the champion ``kept``; the job
``failed``, or left a ``broken`` archive."""

METRICS: dict[Ending, tuple[str, ...]] = {
    "promoted": ("Promotions",),
    "taken_back": ("Promotions", "Rollbacks"),
    "kept": ("RoundsKept",),
    "failed": ("RoundsFailed",),
    "broken": ("RoundsFailed",),
}
ENDINGS = tuple(METRICS)


@cache
def results(ending: Ending, *, champion: bool) -> bytes:
    """What the job leaves behind. Packed once: an archive holds the second in which it was made."""
    against = make_comparison(significant=ending != "kept")
    changes: dict[str, Any] = {}
    if not champion:
        against |= {"against": "baseline", "model": None}
        changes = {"champion": None}
    outcome = make_tournament(schema_hash=get_schema_hash(), comparison=against, **changes)
    archive = make_archive(("tournament.json", outcome.model_dump_json().encode()))
    return archive[: len(archive) // 2] if ending == "broken" else archive


class Story:
    """One round on a cloud of its own. ``troubles``: at which requests, counted over the whole story."""

    def __init__(self, ending: Ending, *, champion: bool = True, troubles: dict[int, FaultKind] | None = None) -> None:
        self.cloud: Cloud = cloud_with_samples()
        self.cloud.cloudwatch.alarms += promotion_factories.make_rollback_alarms()
        self.ending = ending
        self.champion = champion
        self.attempts = 0
        self.requests = 0
        self.log = io.StringIO()
        if champion:
            self._serve_a_champion()
        self.steps: FaultInjector = inject_faults(self.cloud, troubles or {})

    def _serve_a_champion(self) -> None:
        add_champion(self.cloud)
        self.cloud.sagemaker.endpoint = {
            "EndpointName": ENDPOINT,
            "EndpointConfigName": promotion_factories.OLD,
            "EndpointStatus": "InService",
            "LastModifiedTime": NOW - timedelta(hours=1),
        }

    def play(self, again: Sequence[str] = ()) -> Story:
        """The events in their order; each of ``again`` comes once more after every one of them."""
        self._deliver(ALARM, *again)
        self._train()
        self._deliver(JOB_ENDED, *again)
        if self.cloud.sagemaker.deployments:
            fail = "an alarm went off" if self.ending == "taken_back" else None
            self.cloud.sagemaker.settle(self.cloud.time + DEPLOYED, fail=fail)
        self._deliver(ENDPOINT_CHANGED, *again)
        self.requests = self.steps.count
        return self

    def _deliver(self, *events: str) -> None:
        for event in events:
            self.attempts += invoke_with_retries(lambda event=event: self.handle(event))  # type: ignore[misc]

    def handle(self, name: str) -> Any:
        event = json.loads((EVENTS / f"{name}.json").read_text())
        with pytest.MonkeyPatch.context() as patch:
            function: Any = retraining if name == ALARM else promotion
            patch.setattr(function, "create_context", lambda: self._around(name))
            patch.setattr(function, "logger", Logger(service=STACK, stream=io.StringIO()))
            with redirect_stdout(self.log):
                return function.handler(event, Context())

    def _around(self, name: str) -> Any:
        if name == ALARM:
            return make_context(self.cloud)
        return promotion_factories.make_context(self.cloud, count=count_metric)

    def _train(self) -> None:
        cloud = self.cloud
        cloud.move(TRAINED)
        failed = self.ending == "failed"
        cloud.sagemaker.end_job(JOB, "Failed" if failed else "Completed", cloud.time, reason="the disk is full")
        key = f"training/{JOB}/output/output.tar.gz"
        cloud.s3.store(key, results(self.ending, champion=self.champion), cloud.time)

    def counted(self) -> Counter[str]:
        """What the functions published, by metric."""
        counts: Counter[str] = Counter()
        for entry in map(json.loads, self.log.getvalue().splitlines()):
            for directive in entry.get("_aws", {}).get("CloudWatchMetrics", []):
                counts.update({metric["Name"]: int(sum(entry[metric["Name"]])) for metric in directive["Metrics"]})
        return counts

    def outcome(self) -> dict[str, Any]:
        """Everything that lasts, without how often a record was written."""
        cloud = self.cloud
        return {
            "table": {key: {**item, "revision": 0} for key, item in cloud.table.items.items()},
            "objects": {version.key: version.content for version in cloud.s3.versions if version.latest},
            "jobs": cloud.sagemaker.jobs,
            "models": cloud.sagemaker.models,
            "configurations": cloud.sagemaker.configurations,
            "endpoint": cloud.sagemaker.endpoint,
            "deployments": cloud.sagemaker.deployments,
        }


@pytest.fixture(autouse=True, scope="module")
def prepared() -> Iterator[None]:
    """The functions' variables; and the job's source archive, which is the same in every story, packed once."""
    archive = source_archive.build_source_archive()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POWERTOOLS_SERVICE_NAME", STACK)
        patch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Dwell")
        patch.setattr(source_archive, "build_source_archive", lambda: archive)
        yield


@cache
def undisturbed(ending: Ending, *, champion: bool = True) -> Story:
    return Story(ending, champion=champion).play()


def test_the_stories_end_as_their_names_say() -> None:
    for ending in ENDINGS:
        assert undisturbed(ending).attempts == 3
        assert undisturbed(ending).counted() == {"RoundsStarted": 1, **dict.fromkeys(METRICS[ending], 1)}

    def end(story: Story) -> tuple[str, str | None, str | None]:
        store = promotion_factories.make_context(story.cloud).store
        round_, endpoint = store.get(Round, promotion_factories.ROUND), store.get(Endpoint, ENDPOINT)
        assert round_ is not None
        assert endpoint is not None
        return round_.status, round_.deployment, endpoint.serving_model

    assert end(undisturbed("promoted")) == ("promoted", "live", WINNER)
    assert end(undisturbed("promoted", champion=False)) == ("promoted", "live", WINNER)
    assert end(undisturbed("taken_back")) == ("promoted", "rolled_back", CHAMPION)
    assert end(undisturbed("kept")) == ("kept", None, CHAMPION)
    assert end(undisturbed("failed")) == ("failed", None, CHAMPION)
    assert end(undisturbed("broken")) == ("failed", None, CHAMPION)


@pytest.mark.parametrize("kind", FAULT_KINDS)
@pytest.mark.parametrize(("ending", "champion"), [*((ending, True) for ending in ENDINGS), ("promoted", False)])
def test_trouble_at_any_request_ends_the_same(ending: Ending, champion: bool, kind: FaultKind) -> None:
    straight = undisturbed(ending, champion=champion)
    assert straight.requests > 25
    for step in range(1, straight.requests + 1):
        story = Story(ending, champion=champion, troubles={step: kind}).play()
        assert story.steps.met == [step]
        assert story.outcome() == straight.outcome(), f"{kind} at request {step}"
        # The alarms hear of the ending; twice only if an attempt died between telling and writing that down.
        for metric in METRICS[ending]:
            assert story.counted()[metric] in {1, 2}, f"{metric}: {kind} at request {step}"


@given(data=st.data())
@settings(max_examples=150)
def test_two_troubles_anywhere_end_the_same(data: st.DataObject) -> None:
    ending = data.draw(st.sampled_from(ENDINGS))
    steps = st.integers(1, undisturbed(ending).requests)
    troubles = data.draw(st.dictionaries(steps, st.sampled_from(FAULT_KINDS), min_size=2, max_size=2))
    assert Story(ending, troubles=troubles).play().outcome() == undisturbed(ending).outcome()


@given(
    ending=st.sampled_from(ENDINGS),
    again=st.lists(st.sampled_from([ALARM, JOB_ENDED, ENDPOINT_CHANGED]), max_size=4),
    trouble=st.dictionaries(st.integers(1, 40), st.sampled_from(FAULT_KINDS), max_size=1),
)
@settings(max_examples=150)
def test_events_that_come_again_and_out_of_order_change_nothing(
    ending: Ending, again: list[str], trouble: dict[int, FaultKind]
) -> None:
    assert Story(ending, troubles=trouble).play(again).outcome() == undisturbed(ending).outcome()
