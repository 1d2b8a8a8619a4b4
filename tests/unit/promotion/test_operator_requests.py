"""What operators ask for by hand: another model, a pause and its end. The table tells what happened."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest

from dwell.operations.endpoint_requests import EndpointError, wait
from leaderboard import leaderboard_state as leaderboard
from leaderboard.json_view import build_leaderboard_json
from promotion.events import OperatorRequest
from promotion.outcomes import RequestResult, RoundResult
from rounds import Endpoint, Store, UnusableRequestError, format_iso, parse_request
from tests.unit.fake_aws import ENDPOINT, NOW, STACK, Cloud, ProcessDied
from tests.unit.promotion.factories import (
    CHAMPION,
    FAILURES,
    JOB,
    LATENCY,
    LATER,
    NEW,
    OLD,
    ROUND,
    WINNER,
    add_kept_winner,
    finish_deletion,
    get_endpoint,
    get_model,
    get_round,
    handle_endpoint_change,
    handle_job_end,
    make_candidate,
    make_cloud,
    make_cloud_with_two_models,
    make_context,
    send_request,
    settle,
    snapshot,
    take_down,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class TestPromote:
    def test_promote_deploys_an_earlier_model(self) -> None:
        cloud = make_cloud_with_two_models()
        assert send_request(cloud, "promote", CHAMPION) == RequestResult("done", "deploying", CHAMPION)
        assert cloud.sagemaker.deployments == [NEW, OLD]
        settle(cloud, LATER)
        old = get_model(cloud, CHAMPION)
        assert (old.status, old.live_since, old.promoted_by) == ("live", LATER, "operator")
        assert get_model(cloud, WINNER).status == "retired"
        # and forward again, with the same name
        assert send_request(cloud, "promote", WINNER).outcome == "done"
        settle(cloud, LATER + timedelta(hours=1))
        assert get_endpoint(cloud).serving_model == WINNER

    def test_promoted_model_is_watched_for_failures_only(self) -> None:
        cloud = make_cloud_with_two_models()
        send_request(cloud, "promote", CHAMPION)
        config = cloud.sagemaker.rollouts[-1]
        assert config is not None
        named = [one["AlarmName"] for one in config["AutoRollbackConfiguration"]["Alarms"]]
        assert named == [FAILURES, LATENCY]

    def test_rolled_back_model_is_deployed_by_request_only(self) -> None:
        cloud = make_cloud()
        handle_job_end(JOB, make_context(cloud))
        settle(cloud, LATER, fail="an alarm went off")
        for _ in range(3):
            handle_endpoint_change(make_context(cloud))
            handle_job_end(JOB, make_context(cloud))
        assert cloud.sagemaker.deployments == [NEW]
        assert send_request(cloud, "promote", WINNER) == RequestResult("done", "deploying", WINNER)
        settle(cloud, LATER + timedelta(hours=1))
        assert (get_model(cloud, WINNER).status, get_model(cloud, WINNER).reason) == ("live", None)
        assert (get_round(cloud).deployment, get_round(cloud).deployment_reason) == ("live", None)

    def test_deployment_of_promoted_model_is_recorded(self) -> None:
        # given a winner that is being watched
        cloud = make_cloud_with_two_models()
        send_request(cloud, "promote", CHAMPION)
        # when another is asked for meanwhile, and the first is taken back
        assert send_request(cloud, "promote", WINNER) == RequestResult("refused", "already_live", WINNER)
        assert send_request(cloud, "promote", CHAMPION) == RequestResult("done", "deploying", CHAMPION)
        settle(cloud, LATER, fail="an alarm went off")
        assert get_model(cloud, CHAMPION).status == "rolled_back"
        assert (
            get_endpoint(cloud).serving_model,
            get_endpoint(cloud).desired_model,
            get_endpoint(cloud).deploying_model,
        ) == (
            WINNER,
            None,
            None,
        )

    @pytest.mark.parametrize("taken_back", [False, True])
    def test_deployment_ends_before_the_next_begins(self, *, taken_back: bool) -> None:
        # given a winner on its way, while the champion is asked back
        cloud = make_cloud_with_two_models()
        send_request(cloud, "promote", CHAMPION)
        third = "linear-20261123T063900Z"
        make_context(cloud).store.create(
            get_model(cloud, WINNER).model_copy(update={"name": third, "status": "retired"})
        )
        # when a third is wanted meanwhile
        assert send_request(cloud, "promote", third) == RequestResult("done", "waiting", third)
        settle(cloud, LATER, fail="an alarm went off" if taken_back else None)
        # then what became of the second is told, and the third is on its way
        assert get_model(cloud, CHAMPION).status == ("rolled_back" if taken_back else "live")
        assert (get_endpoint(cloud).desired_model, get_endpoint(cloud).deploying_model) == (third, third)
        settle(cloud, LATER + timedelta(hours=1))
        assert get_endpoint(cloud).serving_model == third

    def test_impossible_promotion_is_refused_with_a_reason(self) -> None:
        loser = make_candidate(name="linear", algorithm="linear", model="linear-20261123T063900Z", rmse=2_000.0)
        cloud = make_cloud(candidates=[*make_candidate(), *loser])
        handle_job_end(JOB, make_context(cloud))
        settle(cloud, LATER)
        before = len(cloud.sagemaker.deployments)
        assert send_request(cloud, "promote", "nobody") == RequestResult("refused", "unknown_model", "nobody")
        assert send_request(cloud, "promote", "linear-20261123T063900Z").reason == "no_archive"
        assert send_request(cloud, "promote", WINNER).reason == "already_live"
        assert send_request(make_cloud_with_two_models(expected_error=0.0), "promote", CHAMPION) == RequestResult(
            "refused", "not_promisable", CHAMPION
        )
        changed = make_cloud_with_two_models(schema="of-yesterday")
        assert send_request(changed, "promote", CHAMPION) == RequestResult("refused", "schema_changed", CHAMPION)
        assert len(cloud.sagemaker.deployments) == before


def on_its_way(cloud: Cloud, wanted: str) -> None:
    send_request(cloud, "promote", wanted)
    assert (get_endpoint(cloud).serving_model, get_endpoint(cloud).deploying_model) == (CHAMPION, wanted)


def after_another_change(cloud: Cloud, wanted: str) -> None:
    assert cloud.sagemaker.endpoint is not None
    cloud.sagemaker.endpoint["EndpointStatus"] = "Updating"  # somebody changes the instances
    handle_endpoint_change(make_context(cloud))
    assert send_request(cloud, "promote", wanted).reason == "waiting"


def noted_while_paused(cloud: Cloud, wanted: str) -> None:
    take_down(cloud)
    send_request(cloud, "promote", wanted)


def resuming(cloud: Cloud, wanted: str) -> None:
    noted_while_paused(cloud, wanted)
    assert send_request(cloud, "resume") == RequestResult("done", "resuming", wanted)


def after_a_resumption(cloud: Cloud, wanted: str) -> None:
    take_down(cloud)
    assert send_request(cloud, "resume") == RequestResult("done", "resuming", CHAMPION)
    assert send_request(cloud, "promote", wanted).reason == "waiting"


def seen_by_all(cloud: Cloud) -> dict[str, Any]:
    """The leaderboard."""
    table, _, _, cloudwatch = cloud.clients()
    around_it = leaderboard.LeaderboardContext(Store(table), cloudwatch, STACK, ENDPOINT, [], cloud.clock)
    return build_leaderboard_json(leaderboard.load_leaderboard_state(around_it, limit=100), limit=100)


def entry(cloud: Cloud, name: str) -> dict[str, Any]:
    return next(one for one in seen_by_all(cloud)["leaderboard"] if one["model"] == name)


class TestWinnerNotPromotedOnLeaderboard:
    def test_live_winner_has_its_live_error(self) -> None:
        cloud = make_cloud()
        third = add_kept_winner(cloud)
        send_request(cloud, "promote", third)
        settle(cloud, LATER)
        cloud.cloudwatch.count("SquaredError", LATER, 9e6, service=STACK, model=third)
        cloud.cloudwatch.count("PredictedSamples", LATER, 1, service=STACK, model=third)
        cloud.move(timedelta(minutes=5))
        told = entry(cloud, third)
        assert (told["status"], told["live_since"], told["live_error"]) == ("live", format_iso(LATER), 3_000)

    def test_waiting_command_ends_when_winner_is_rolled_back(self) -> None:
        cloud = make_cloud()
        third = add_kept_winner(cloud)
        send_request(cloud, "promote", third)
        settle(cloud, LATER, fail="an alarm went off")
        clock = iter(range(100))
        with pytest.raises(EndpointError, match=f"{third} was rolled back: an alarm went off"):
            wait(
                lambda: cast("Any", seen_by_all(cloud)),
                third,
                seconds=9,
                sleep=lambda _: None,
                clock=lambda: next(clock),
            )


class TestRoundEndingMeanwhile:
    @pytest.mark.parametrize(
        "wish", [on_its_way, after_another_change, noted_while_paused, resuming, after_a_resumption]
    )
    def test_round_does_not_override_an_earlier_request(self, wish: Callable[[Cloud, str], None]) -> None:
        # given a model that an operator asked for, and that does not answer yet
        cloud = make_cloud()
        third = add_kept_winner(cloud)
        wish(cloud, third)
        # when a round ends that was fought against the champion before
        assert handle_job_end(JOB, make_context(cloud)) == RoundResult("kept", ROUND, "champion_changed")
        # then it is the operator's model that comes, and stays
        if get_endpoint(cloud).pause == "paused":
            send_request(cloud, "resume")
        for hours in (1, 2, 3):
            settle(cloud, NOW + timedelta(hours=hours))
        assert get_endpoint(cloud).serving_model == third
        assert NEW not in cloud.sagemaker.deployments

    def test_model_wanted_but_refused_blocks_no_round(self) -> None:
        # given an operator's model that never got on its way
        cloud = make_cloud()
        make_context(cloud).store.update(
            Endpoint, ENDPOINT, lambda one: one.model_copy(update={"desired_model": add_kept_winner(cloud)})
        )
        # then a round goes on as if nobody had asked
        assert handle_job_end(JOB, make_context(cloud)).outcome == "promoted"
        assert cloud.sagemaker.deployments == [NEW]


class TestPause:
    def test_pause_and_resume_restore_the_model(self) -> None:
        cloud = make_cloud_with_two_models()
        assert send_request(cloud, "pause") == RequestResult("done", "paused", WINNER)
        assert cloud.sagemaker.endpoint is not None
        assert cloud.sagemaker.endpoint["EndpointStatus"] == "Deleting"
        assert send_request(cloud, "resume") == RequestResult("refused", "being_deleted", WINNER)
        finish_deletion(cloud)
        seen = get_endpoint(cloud)
        assert (seen.pause, seen.serving_model, seen.model_after_resume, seen.status) == (
            "paused",
            None,
            WINNER,
            "Deleting",
        )
        assert send_request(cloud, "pause") == RequestResult("refused", "already_paused", WINNER)

        assert send_request(cloud, "resume") == RequestResult("done", "resuming", WINNER)
        # until it answers, planners and alarms still take it for paused
        assert get_endpoint(cloud).pause == "resuming"
        assert send_request(cloud, "resume") == RequestResult("done", "resuming", WINNER)
        settle(cloud, LATER)
        seen = get_endpoint(cloud)
        assert (seen.pause, seen.serving_model, seen.model_after_resume) == (None, WINNER, None)
        assert (get_model(cloud, WINNER).status, get_model(cloud, WINNER).live_since) == ("live", LATER)
        assert cloud.sagemaker.deployments == [NEW, NEW]
        assert send_request(cloud, "resume") == RequestResult("refused", "not_paused", WINNER)

    @pytest.mark.parametrize("status", ["OutOfService", "Failed"])
    def test_paused_broken_endpoint_resumes_its_model(self, status: str) -> None:
        # given an endpoint in trouble, whose model the table still knows
        cloud = make_cloud_with_two_models()
        assert cloud.sagemaker.endpoint is not None
        cloud.sagemaker.endpoint |= {"EndpointStatus": status, "LastModifiedTime": LATER}
        # when it is paused
        assert send_request(cloud, "pause") == RequestResult("done", "paused", WINNER)
        assert cloud.sagemaker.endpoint["EndpointStatus"] == "Deleting"
        finish_deletion(cloud)
        # then the same model answers afterwards
        assert send_request(cloud, "resume") == RequestResult("done", "resuming", WINNER)
        settle(cloud, LATER)
        assert (get_endpoint(cloud).serving_model, get_endpoint(cloud).pause) == (WINNER, None)

    def test_pause_during_a_change_takes_effect_after_it(self) -> None:
        cloud = make_cloud()
        handle_job_end(JOB, make_context(cloud))
        assert send_request(cloud, "pause").outcome == "done"
        assert cloud.sagemaker.endpoint is not None
        assert cloud.sagemaker.endpoint["EndpointStatus"] == "Updating"
        settle(cloud, LATER)
        assert cloud.sagemaker.endpoint["EndpointStatus"] == "Deleting"
        assert get_endpoint(cloud).model_after_resume == WINNER

    def test_winner_during_pause_serves_after_it(self) -> None:
        cloud = make_cloud()
        send_request(cloud, "pause")
        finish_deletion(cloud)
        assert get_endpoint(cloud).model_after_resume == CHAMPION
        assert handle_job_end(JOB, make_context(cloud)).outcome == "promoted"
        assert cloud.sagemaker.deployments == []
        assert get_endpoint(cloud).model_after_resume == WINNER
        assert send_request(cloud, "promote", WINNER) == RequestResult("done", "paused", WINNER)
        send_request(cloud, "resume")
        settle(cloud, LATER)
        assert get_endpoint(cloud).serving_model == WINNER
        assert get_round(cloud).deployment == "live"

    def test_failed_resumption_ends_the_pause(self) -> None:
        cloud = make_cloud_with_two_models()
        send_request(cloud, "pause")
        finish_deletion(cloud)
        send_request(cloud, "resume")
        settle(cloud, LATER, fail="no instances left")
        assert get_endpoint(cloud).pause is None
        assert get_model(cloud, WINNER).status == "failed"

    def test_pause_before_first_model_has_nothing_to_resume(self) -> None:
        cloud = Cloud()
        assert send_request(cloud, "pause") == RequestResult("done", "paused")
        assert send_request(cloud, "resume") == RequestResult("done", "nothing_to_resume")
        assert get_endpoint(cloud).pause is None

    def test_pause_resumed_at_once_changes_nothing(self) -> None:
        # given a pause that waits for a change to end
        cloud = make_cloud()
        handle_job_end(JOB, make_context(cloud))
        send_request(cloud, "pause")
        assert send_request(cloud, "resume") == RequestResult("done", "nothing_to_resume")
        settle(cloud, LATER)
        assert cloud.sagemaker.endpoint is not None
        assert cloud.sagemaker.endpoint["EndpointStatus"] == "InService"


@pytest.mark.parametrize(
    ("prepare", "action", "name"),
    [
        (lambda _: None, "promote", CHAMPION),
        (lambda _: None, "pause", None),
        (take_down, "resume", None),
    ],
)
def test_request_that_dies_anywhere_is_repeated(prepare: Callable[[Cloud], Any], action: str, name: str | None) -> None:
    def ready() -> Cloud:
        cloud = make_cloud_with_two_models()
        prepare(cloud)
        cloud.steps.count = 0
        return cloud

    undisturbed = ready()
    result = send_request(undisturbed, action, name, request_id="1")
    steps = undisturbed.steps.count
    assert steps > 5
    for fatal in range(1, steps + 1):
        for effective in (False, True):
            cloud = ready()
            cloud.steps.fatal, cloud.steps.effective = fatal, effective
            with pytest.raises(ProcessDied):
                send_request(cloud, action, name, request_id="1")
            cloud.steps.fatal = None
            assert send_request(cloud, action, name, request_id="1") == result
            assert cloud.sagemaker.deployments == undisturbed.sagemaker.deployments
            for each_cloud in (cloud, undisturbed):  # an attempt that follows another one notes the status as well
                handle_endpoint_change(make_context(each_cloud))
            assert snapshot(cloud) == snapshot(undisturbed)


@pytest.mark.parametrize(
    "event",
    [
        {"source": "dwell.operator", "id": "1", "action": "promote"},
        {"source": "dwell.operator", "id": "1", "action": "pause", "model": "m"},
        {"source": "dwell.operator", "id": "1", "action": "explode"},
        {"source": "dwell.operator", "id": "1", "action": "pause", "force": True},
    ],
)
def test_unusable_request_raises(event: dict[str, Any]) -> None:
    with pytest.raises(UnusableRequestError):
        parse_request(OperatorRequest, event)


@pytest.mark.parametrize("name", ["", " ", "<b>x</b>", "a" * 129, "a\n"])
def test_impossible_model_name_is_explained(name: str) -> None:
    with pytest.raises(UnusableRequestError) as refused:
        parse_request(OperatorRequest, {"source": "dwell.operator", "id": "1", "action": "promote", "model": name})
    assert str(refused.value).startswith("model: the name of a model has at most 128 letters")
