"""What operators ask for by hand: another model, a pause and its end. The table tells what happened."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from dwell.operations.endpoint_requests import EndpointError, wait
from feature_schema import get_schema_hash
from leaderboard import leaderboard_state as leaderboard
from leaderboard.json_view import build_leaderboard_json
from promotion.endpoint_changed import endpoint_changed
from promotion.job_ended import Ending, job_ended
from promotion.operator import Answer, OperatorEvent, operate
from rounds import Dataset, Endpoint, Model, Round, Store, UnusableRequestError, format_iso, parse_request
from tests.unit.fake_aws import ENDPOINT, NOW, STACK, Cloud, ProcessDied
from tests.unit.promotion.test_job_end import (
    JOB,
    NEW,
    OLD,
    ROUND,
    a_cloud,
    around,
    endpoint,
    model,
    remembered,
    stored_round,
)
from tests.unit.promotion.test_promotion_gate import CHAMPION, PROMISED, WINNER, candidate
from tests.unit.promotion.test_rollback_alarms import FAILURES, LATENCY

if TYPE_CHECKING:
    from collections.abc import Callable

LATER = NOW + timedelta(hours=1)
FIRST = "20261123T051100Z-no-model"


def ask(cloud: Cloud, action: str, model_name: str | None = None) -> Answer:
    return operate(
        OperatorEvent.model_validate({"source": "dwell.operator", "action": action, "model": model_name}),
        around(cloud),
    )


def settled(cloud: Cloud, at: Any, *, fail: str | None = None) -> None:
    cloud.move(max(timedelta(), at - cloud.time))
    cloud.sagemaker.settle(cloud.time, fail=fail)
    endpoint_changed(around(cloud))


def gone(cloud: Cloud) -> None:
    """The endpoint's deletion is announced, and ends."""
    cloud.move(timedelta(minutes=1))
    endpoint_changed(around(cloud))
    cloud.sagemaker.endpoint = None


def two_models(schema: str | None = None, *, expected_error: float = PROMISED) -> Cloud:
    """The winner is live, and the champion before it has retired; it is of a round with an archive."""
    cloud = a_cloud()
    around(cloud).store.update(Model, CHAMPION, lambda one: one.model_copy(update={"expected_error": expected_error}))
    around(cloud).store.create(
        Round(
            name=FIRST,
            cause="no-model",
            trigger="alarm",
            event="first",
            started_at=NOW - timedelta(hours=2),
            job=f"dwell-{FIRST}",
            status="promoted",
            promoted=CHAMPION,
            dataset=Dataset(manifest="m", objects=1, bytes=1, cut_off=NOW, schema_hash=schema or get_schema_hash()),
        )
    )
    job_ended(JOB, around(cloud))
    settled(cloud, NOW + timedelta(minutes=10))
    assert (model(cloud, WINNER).status, model(cloud, CHAMPION).status) == ("live", "retired")
    return cloud


def down(cloud: Cloud) -> None:
    ask(cloud, "pause")
    gone(cloud)


class TestPromote:
    def test_an_earlier_model_goes_back_behind_the_endpoint(self) -> None:
        cloud = two_models()
        assert ask(cloud, "promote", CHAMPION) == Answer("done", "deploying", CHAMPION)
        assert cloud.sagemaker.deployments == [NEW, OLD]
        settled(cloud, LATER)
        old = model(cloud, CHAMPION)
        assert (old.status, old.live_since, old.promoted_by) == ("live", LATER, "operator")
        assert model(cloud, WINNER).status == "retired"
        # and forward again, with the same name
        assert ask(cloud, "promote", WINNER).outcome == "done"
        settled(cloud, LATER + timedelta(hours=1))
        assert endpoint(cloud).serving_model == WINNER

    def test_it_is_watched_for_failures_but_not_held_to_a_promise_of_yesterday(self) -> None:
        cloud = two_models()
        ask(cloud, "promote", CHAMPION)
        config = cloud.sagemaker.rollouts[-1]
        assert config is not None
        named = [one["AlarmName"] for one in config["AutoRollbackConfiguration"]["Alarms"]]
        assert named == [FAILURES, LATENCY]

    def test_a_model_that_was_rolled_back_can_be_asked_for_by_hand_only(self) -> None:
        cloud = a_cloud()
        job_ended(JOB, around(cloud))
        settled(cloud, LATER, fail="an alarm went off")
        for _ in range(3):
            endpoint_changed(around(cloud))
            job_ended(JOB, around(cloud))
        assert cloud.sagemaker.deployments == [NEW]
        assert ask(cloud, "promote", WINNER) == Answer("done", "deploying", WINNER)
        settled(cloud, LATER + timedelta(hours=1))
        assert (model(cloud, WINNER).status, model(cloud, WINNER).reason) == ("live", None)
        assert (stored_round(cloud).deployment, stored_round(cloud).deployment_reason) == ("live", None)

    def test_a_busy_endpoint_gets_it_afterwards_and_its_own_deployment_is_told(self) -> None:
        # given a winner that is being watched
        cloud = two_models()
        ask(cloud, "promote", CHAMPION)
        # when another is asked for meanwhile, and the first is taken back
        assert ask(cloud, "promote", WINNER) == Answer("refused", "already_live", WINNER)
        assert ask(cloud, "promote", CHAMPION) == Answer("done", "deploying", CHAMPION)
        settled(cloud, LATER, fail="an alarm went off")
        assert model(cloud, CHAMPION).status == "rolled_back"
        assert (endpoint(cloud).serving_model, endpoint(cloud).desired_model, endpoint(cloud).deploying_model) == (
            WINNER,
            None,
            None,
        )

    @pytest.mark.parametrize("taken_back", [False, True])
    def test_a_model_that_is_being_deployed_ends_before_the_next_begins(self, *, taken_back: bool) -> None:
        # given a winner on its way, while the champion is asked back
        cloud = two_models()
        ask(cloud, "promote", CHAMPION)
        third = "linear-20261123T063900Z"
        around(cloud).store.create(model(cloud, WINNER).model_copy(update={"name": third, "status": "retired"}))
        # when a third is wanted meanwhile
        assert ask(cloud, "promote", third) == Answer("done", "waiting", third)
        settled(cloud, LATER, fail="an alarm went off" if taken_back else None)
        # then what became of the second is told, and the third is on its way
        assert model(cloud, CHAMPION).status == ("rolled_back" if taken_back else "live")
        assert (endpoint(cloud).desired_model, endpoint(cloud).deploying_model) == (third, third)
        settled(cloud, LATER + timedelta(hours=1))
        assert endpoint(cloud).serving_model == third

    def test_what_cannot_be_is_refused_with_a_reason(self) -> None:
        loser = candidate(name="linear", algorithm="linear", model="linear-20261123T063900Z", rmse=2_000.0)
        cloud = a_cloud(candidates=[*candidate(), *loser])
        job_ended(JOB, around(cloud))
        settled(cloud, LATER)
        before = len(cloud.sagemaker.deployments)
        assert ask(cloud, "promote", "nobody") == Answer("refused", "unknown_model", "nobody")
        assert ask(cloud, "promote", "linear-20261123T063900Z").reason == "no_archive"
        assert ask(cloud, "promote", WINNER).reason == "already_live"
        assert ask(two_models(expected_error=0.0), "promote", CHAMPION) == Answer("refused", "not_promisable", CHAMPION)
        changed = two_models(schema="of-yesterday")
        assert ask(changed, "promote", CHAMPION) == Answer("refused", "schema_changed", CHAMPION)
        assert len(cloud.sagemaker.deployments) == before


def a_third(cloud: Cloud) -> str:
    """A model of an earlier round that an operator may ask for, although that round kept what it had."""
    name = "linear-20261123T051100Z"
    store = around(cloud).store
    store.create(
        Round.model_validate(
            {
                "name": FIRST,
                "cause": "no-model",
                "trigger": "alarm",
                "event": "first",
                "started_at": NOW - timedelta(hours=2),
                "job": f"dwell-{FIRST}",
                "status": "kept",
                "reason": "not_significant",
                "winner": "linear",
                "candidates": [
                    {"name": "linear", "algorithm": "linear", "trained_on": "all", "model": name, "rmse": 2_000.0}
                ],
                "dataset": Dataset(manifest="m", objects=1, bytes=1, cut_off=NOW, schema_hash=get_schema_hash()),
            }
        )
    )
    told = {"name": name, "candidate": "linear", "algorithm": "linear", "status": "candidate", "live_since": None}
    store.create(model(cloud, CHAMPION).model_copy(update=told))
    return name


def on_its_way(cloud: Cloud, wanted: str) -> None:
    ask(cloud, "promote", wanted)
    assert (endpoint(cloud).serving_model, endpoint(cloud).deploying_model) == (CHAMPION, wanted)


def after_another_change(cloud: Cloud, wanted: str) -> None:
    assert cloud.sagemaker.endpoint is not None
    cloud.sagemaker.endpoint["EndpointStatus"] = "Updating"  # somebody changes the instances
    endpoint_changed(around(cloud))
    assert ask(cloud, "promote", wanted).reason == "waiting"


def noted_while_paused(cloud: Cloud, wanted: str) -> None:
    down(cloud)
    ask(cloud, "promote", wanted)


def resuming(cloud: Cloud, wanted: str) -> None:
    noted_while_paused(cloud, wanted)
    assert ask(cloud, "resume") == Answer("done", "resuming", wanted)


def after_a_resumption(cloud: Cloud, wanted: str) -> None:
    down(cloud)
    assert ask(cloud, "resume") == Answer("done", "resuming", CHAMPION)
    assert ask(cloud, "promote", wanted).reason == "waiting"


def seen_by_all(cloud: Cloud) -> dict[str, Any]:
    """The leaderboard."""
    table, _, _, cloudwatch = cloud.clients()
    around_it = leaderboard.LeaderboardContext(Store(table), cloudwatch, STACK, ENDPOINT, [], cloud.clock)
    return build_leaderboard_json(leaderboard.load_leaderboard_state(around_it, limit=100), limit=100)


def entry(cloud: Cloud, name: str) -> dict[str, Any]:
    return next(one for one in seen_by_all(cloud)["leaderboard"] if one["model"] == name)


class TestTheLeaderboardTellsOfAWinnerThatItsRoundDidNotPromote:
    def test_when_it_answers(self) -> None:
        cloud = a_cloud()
        third = a_third(cloud)
        ask(cloud, "promote", third)
        settled(cloud, LATER)
        cloud.cloudwatch.count("SquaredError", LATER, 9e6, service=STACK, model=third)
        cloud.cloudwatch.count("PredictedSamples", LATER, 1, service=STACK, model=third)
        cloud.move(timedelta(minutes=5))
        told = entry(cloud, third)
        assert (told["status"], told["live_since"], told["live_error"]) == ("live", format_iso(LATER), 3_000)

    def test_when_it_is_taken_back_so_that_who_waits_for_it_hears_of_it(self) -> None:
        cloud = a_cloud()
        third = a_third(cloud)
        ask(cloud, "promote", third)
        settled(cloud, LATER, fail="an alarm went off")
        clock = iter(range(100))
        with pytest.raises(EndpointError, match=f"{third} was taken back: an alarm went off"):
            wait(lambda: seen_by_all(cloud), third, seconds=9, sleep=lambda _: None, clock=lambda: next(clock))


class TestARoundThatEndsMeanwhile:
    @pytest.mark.parametrize(
        "wish", [on_its_way, after_another_change, noted_while_paused, resuming, after_a_resumption]
    )
    def test_it_does_not_override_the_operator(self, wish: Callable[[Cloud, str], None]) -> None:
        # given a model that an operator asked for, and that does not answer yet
        cloud = a_cloud()
        third = a_third(cloud)
        wish(cloud, third)
        # when a round ends that was fought against the champion before
        assert job_ended(JOB, around(cloud)) == Ending("kept", ROUND, "champion_changed")
        # then it is the operator's model that comes, and stays
        if endpoint(cloud).pause == "paused":
            ask(cloud, "resume")
        for hours in (1, 2, 3):
            settled(cloud, NOW + timedelta(hours=hours))
        assert endpoint(cloud).serving_model == third
        assert NEW not in cloud.sagemaker.deployments

    def test_a_wish_that_sagemaker_refused_keeps_nobody_out(self) -> None:
        # given an operator's model that never got on its way
        cloud = a_cloud()
        around(cloud).store.update(
            Endpoint, ENDPOINT, lambda one: one.model_copy(update={"desired_model": a_third(cloud)})
        )
        # then a round goes on as if nobody had asked
        assert job_ended(JOB, around(cloud)).outcome == "promoted"
        assert cloud.sagemaker.deployments == [NEW]


class TestPause:
    def test_down_and_up_again(self) -> None:
        cloud = two_models()
        assert ask(cloud, "pause") == Answer("done", "paused", WINNER)
        assert cloud.sagemaker.endpoint is not None
        assert cloud.sagemaker.endpoint["EndpointStatus"] == "Deleting"
        assert ask(cloud, "resume") == Answer("refused", "being_deleted", WINNER)
        gone(cloud)
        seen = endpoint(cloud)
        assert (seen.pause, seen.serving_model, seen.model_after_resume, seen.status) == (
            "paused",
            None,
            WINNER,
            "Deleting",
        )
        assert ask(cloud, "pause") == Answer("refused", "already_paused", WINNER)

        assert ask(cloud, "resume") == Answer("done", "resuming", WINNER)
        # until it answers, planners and alarms still take it for paused
        assert endpoint(cloud).pause == "resuming"
        assert ask(cloud, "resume") == Answer("done", "resuming", WINNER)
        settled(cloud, LATER)
        seen = endpoint(cloud)
        assert (seen.pause, seen.serving_model, seen.model_after_resume) == (None, WINNER, None)
        assert (model(cloud, WINNER).status, model(cloud, WINNER).live_since) == ("live", LATER)
        assert cloud.sagemaker.deployments == [NEW, NEW]
        assert ask(cloud, "resume") == Answer("refused", "not_paused", WINNER)

    @pytest.mark.parametrize("status", ["OutOfService", "Failed"])
    def test_one_that_does_not_serve_comes_back_with_the_model_that_it_had(self, status: str) -> None:
        # given an endpoint in trouble, whose model the table still knows
        cloud = two_models()
        assert cloud.sagemaker.endpoint is not None
        cloud.sagemaker.endpoint |= {"EndpointStatus": status, "LastModifiedTime": LATER}
        # when it is paused
        assert ask(cloud, "pause") == Answer("done", "paused", WINNER)
        assert cloud.sagemaker.endpoint["EndpointStatus"] == "Deleting"
        gone(cloud)
        # then the same model answers afterwards
        assert ask(cloud, "resume") == Answer("done", "resuming", WINNER)
        settled(cloud, LATER)
        assert (endpoint(cloud).serving_model, endpoint(cloud).pause) == (WINNER, None)

    def test_a_change_under_way_ends_first_and_then_it_goes_down_with_who_won(self) -> None:
        cloud = a_cloud()
        job_ended(JOB, around(cloud))
        assert ask(cloud, "pause").outcome == "done"
        assert cloud.sagemaker.endpoint is not None
        assert cloud.sagemaker.endpoint["EndpointStatus"] == "Updating"
        settled(cloud, LATER)
        assert cloud.sagemaker.endpoint["EndpointStatus"] == "Deleting"
        assert endpoint(cloud).model_after_resume == WINNER

    def test_a_rounds_winner_waits_and_answers_after_the_pause(self) -> None:
        cloud = a_cloud()
        ask(cloud, "pause")
        gone(cloud)
        assert endpoint(cloud).model_after_resume == CHAMPION
        assert job_ended(JOB, around(cloud)).outcome == "promoted"
        assert cloud.sagemaker.deployments == []
        assert endpoint(cloud).model_after_resume == WINNER
        assert ask(cloud, "promote", WINNER) == Answer("done", "paused", WINNER)
        ask(cloud, "resume")
        settled(cloud, LATER)
        assert endpoint(cloud).serving_model == WINNER
        assert stored_round(cloud).deployment == "live"

    def test_a_resumption_that_fails_leaves_the_loop_to_train(self) -> None:
        cloud = two_models()
        ask(cloud, "pause")
        gone(cloud)
        ask(cloud, "resume")
        settled(cloud, LATER, fail="no instances left")
        assert endpoint(cloud).pause is None
        assert model(cloud, WINNER).status == "failed"

    def test_a_pause_before_the_first_model_ends_with_nothing_to_resume(self) -> None:
        cloud = Cloud()
        assert ask(cloud, "pause") == Answer("done", "paused")
        assert ask(cloud, "resume") == Answer("done", "nothing_to_resume")
        assert endpoint(cloud).pause is None

    def test_a_pause_that_is_taken_back_at_once_changes_nothing(self) -> None:
        # given a pause that waits for a change to end
        cloud = a_cloud()
        job_ended(JOB, around(cloud))
        ask(cloud, "pause")
        assert ask(cloud, "resume") == Answer("done", "nothing_to_resume")
        settled(cloud, LATER)
        assert cloud.sagemaker.endpoint is not None
        assert cloud.sagemaker.endpoint["EndpointStatus"] == "InService"


@pytest.mark.parametrize(
    ("prepare", "action", "name"),
    [
        (lambda _: None, "promote", CHAMPION),
        (lambda _: None, "pause", None),
        (down, "resume", None),
    ],
)
def test_dying_anywhere_and_asking_again_ends_the_same(
    prepare: Callable[[Cloud], Any], action: str, name: str | None
) -> None:
    def ready() -> Cloud:
        cloud = two_models()
        prepare(cloud)
        cloud.steps.count = 0
        return cloud

    undisturbed = ready()
    ask(undisturbed, action, name)
    steps = undisturbed.steps.count
    assert steps > 5
    for fatal in range(1, steps + 1):
        for effective in (False, True):
            cloud = ready()
            cloud.steps.fatal, cloud.steps.effective = fatal, effective
            with pytest.raises(ProcessDied):
                ask(cloud, action, name)
            cloud.steps.fatal = None
            ask(cloud, action, name)
            assert cloud.sagemaker.deployments == undisturbed.sagemaker.deployments
            assert remembered(cloud) == remembered(undisturbed)


@pytest.mark.parametrize(
    "event",
    [
        {"source": "dwell.operator", "action": "promote"},
        {"source": "dwell.operator", "action": "pause", "model": "m"},
        {"source": "dwell.operator", "action": "explode"},
        {"source": "dwell.operator", "action": "pause", "force": True},
    ],
)
def test_a_request_that_makes_no_sense_is_an_error(event: dict[str, Any]) -> None:
    with pytest.raises(UnusableRequestError):
        parse_request(OperatorEvent, event)


@pytest.mark.parametrize("name", ["", " ", "<b>x</b>", "a" * 129, "a\n"])
def test_a_name_that_no_model_can_have_is_told_in_a_sentence(name: str) -> None:
    with pytest.raises(UnusableRequestError) as refused:
        parse_request(OperatorEvent, {"source": "dwell.operator", "action": "promote", "model": name})
    assert str(refused.value).startswith("model: the name of a model has at most 128 letters")
