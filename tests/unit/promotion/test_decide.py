"""The policy by tables: what is observed, which event comes, and which actions follow in which order."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promotion.actions import Action, Create, CreateEndpoint, ProvideModel, RetargetAlarms, Update, UpdateEndpoint
from promotion.decide import decide
from promotion.endpoint_policy import NoArchiveError
from promotion.events import (
    EndpointChanged,
    Event,
    JobEnded,
    OperatorRequest,
    PackageReviewed,
    Reconcile,
    UnusableRequest,
)
from promotion.observation import EndpointState, JobState, Observation, PackageState
from rounds import Endpoint, InFlightRound, Model, RequestOutcome, Round, RoundLock
from tests.unit.fake_aws import ENDPOINT, NOW
from tests.unit.promotion.factories import (
    CHAMPION,
    FAILURES,
    JOB,
    LATENCY,
    LIVE_ERROR,
    NEW,
    OLD,
    PACKAGE,
    PROMISED,
    ROUND,
    WINNER,
    make_model,
    make_settings,
    make_tournament,
)

EARLIER, LATER = NOW - timedelta(hours=1), NOW + timedelta(minutes=8)
PAUSE = OperatorRequest(source="dwell.operator", id="1", action="pause")
RESUME = OperatorRequest(source="dwell.operator", id="1", action="resume")
PROMOTE = OperatorRequest(source="dwell.operator", id="1", action="promote", model=WINNER)


def make_round(**changes: Any) -> Round:
    known = {
        "name": ROUND, "cause": "model-error", "trigger": "alarm", "event": "e", "started_at": EARLIER, "job": JOB,
        "champion": CHAMPION,
    }  # fmt: skip
    return Round.model_validate({**known, **changes})


def make_record(**changes: Any) -> Endpoint:
    known = {"name": ENDPOINT, "serving_model": CHAMPION, "status": "InService", "updated_at": EARLIER}
    return Endpoint.model_validate({**known, **changes})


def make_state(status: str = "InService", configuration: str = OLD, **changes: Any) -> EndpointState:
    return EndpointState(**{"status": status, "configuration": configuration, "changed_at": LATER, **changes})


def make_observation(
    record: Endpoint | None = None,
    state: EndpointState | None = None,
    *,
    served: str | None = CHAMPION,
    winner: str = "candidate",
    **more: Any,
) -> Observation:
    """A champion that is live, a winner with an archive, and their round."""
    fields = {"archive": "s3://dwell-data/model.tar.gz", "expected_error": PROMISED, "test_rmse": PROMISED}
    models = [make_model(CHAMPION, status="live", **fields), make_model(WINNER, status=winner, **fields)]
    known: dict[str, Any] = {
        "observed_at": LATER,
        "endpoint": record or make_record(),
        "state": state,
        "served_model": served if state is not None else None,
        "models": {model.name: model for model in models},
        "rounds": {ROUND: make_round()},
    }
    return Observation(**{**known, **more})


def outline(action: Action) -> str:
    """An action in a few words: what it writes where, or what it asks of SageMaker."""
    match action:
        case Create(record):
            return f"create {record.kind}"
        case Update(kind, name, changes):
            subject = {CHAMPION: " champion", WINNER: " winner"}.get(name, "")
            return f"{kind.kind}{subject}: {', '.join(sorted(changes))}"
        case ProvideModel(model=name):
            return f"provide {'winner' if name == WINNER else 'champion'}"
        case CreateEndpoint(configuration) | UpdateEndpoint(configuration):
            return f"{type(action).__name__} {'winner' if configuration == NEW else 'champion'}"
    return type(action).__name__


OBSERVED = "deploying_model, deploying_since, desired_model, reason, serving_model, status, updated_at"
SUBMIT = ["provide winner", "endpoint: desired_model"]
UNDER_WAY = ["endpoint: deploying_model, deploying_since", "model winner: status"]
NOT_DEPLOYED = ["round: deployed_at, deployment, deployment_reason", "model winner: reason, status"]
LIVE = ["round: deployed_at, deployment, deployment_reason", "model winner: live_since, reason, retired_at, status"]
RETIRED = ["model champion: retired_at, status"]
DEPLOYING = make_record(desired_model=WINNER, deploying_model=WINNER, deploying_since=EARLIER, status="Updating")
WANTED = make_record(desired_model=WINNER, updated_at=LATER)
DONE = ["create request", "request: finished_at"]

ENDPOINT_CASES: list[tuple[str, Observation, list[str]]] = [
    ("as recorded", make_observation(make_record(updated_at=LATER), make_state()), []),
    (
        "a deployment under way",
        make_observation(DEPLOYING, make_state("Updating", pending=NEW), winner="deploying"),
        ["endpoint: status, updated_at"],
    ),
    (
        "traffic that goes back, and the alarm that caused it",
        make_observation(DEPLOYING, make_state("RollingBack"), winner="deploying", active_alarms={LIVE_ERROR: "3.1"}),
        ["model winner: reason", "endpoint: status, updated_at"],
    ),
    (
        "a deployment that succeeded",
        make_observation(DEPLOYING, make_state(configuration=NEW), served=WINNER, winner="deploying"),
        [*LIVE, *RETIRED, f"endpoint: {OBSERVED}"],
    ),
    (
        "a deployment that was rolled back",
        make_observation(DEPLOYING, make_state(), winner="deploying"),
        ["CountMetric", *NOT_DEPLOYED, f"endpoint: {OBSERVED}"],
    ),
    (
        "a state from before the deployment",
        make_observation(DEPLOYING, make_state(changed_at=EARLIER), winner="deploying"),
        [],
    ),
    (
        "a creation that failed",
        make_observation(DEPLOYING, make_state("Failed", NEW), winner="deploying"),
        [*NOT_DEPLOYED, *RETIRED, f"endpoint: {OBSERVED}"],
    ),
    (
        "an endpoint that somebody deleted",
        make_observation(make_record()),
        [*RETIRED, f"endpoint: {OBSERVED}"],
    ),
    (
        "a model that is wanted, and a free endpoint",
        make_observation(WANTED, make_state()),
        ["provide winner", "RetargetAlarms", "UpdateEndpoint winner", *UNDER_WAY],
    ),
    (
        "a model that is wanted, and no endpoint",
        make_observation(make_record(desired_model=WINNER, serving_model=None, status="Absent")),
        ["provide winner", "RetargetAlarms", "CreateEndpoint winner", *UNDER_WAY],
    ),
    (
        "a model that is wanted, and a failed endpoint",
        make_observation(make_record(desired_model=WINNER, serving_model=None, status="Failed", updated_at=LATER),
                         make_state("Failed"), served=None),
        ["provide winner", "DeleteEndpoint"],
    ),
    (
        "a model that is wanted, and an endpoint that is being deleted",
        make_observation(make_record(desired_model=WINNER, serving_model=None, status="Deleting", updated_at=LATER),
                         make_state("Deleting"), served=None),
        [],
    ),
    (
        "a deployment that an attempt did not note before it died",
        make_observation(WANTED, make_state("Updating", pending=NEW)),
        ["endpoint: status, updated_at", "provide winner", *UNDER_WAY],
    ),
    (
        "a model that is wanted, behind a change of another",
        make_observation(WANTED, make_state("Updating", pending="dwell-another")),
        ["endpoint: status, updated_at"],
    ),
    (
        "a paused endpoint that is still up",
        make_observation(make_record(pause="paused", updated_at=LATER), make_state()),
        ["endpoint: desired_model, model_after_resume", "DeleteEndpoint"],
    ),
    (
        "a paused endpoint during a change",
        make_observation(make_record(pause="paused", updated_at=LATER), make_state("Updating")),
        ["endpoint: status, updated_at"],
    ),
    (
        "a resumed endpoint that serves",
        make_observation(make_record(pause="resuming", model_after_resume=CHAMPION, updated_at=LATER), make_state()),
        ["endpoint: model_after_resume, pause"],
    ),
    (
        "a resumption whose endpoint is deleted by now",
        make_observation(make_record(pause="resuming", model_after_resume=WINNER, serving_model=None, status="Absent")),
        [*SUBMIT, "RetargetAlarms", "CreateEndpoint winner", *UNDER_WAY],
    ),
]  # fmt: skip


@pytest.mark.parametrize("event", [EndpointChanged(), Reconcile()], ids=["event", "schedule"])
@pytest.mark.parametrize(
    ("observation", "actions"), [case[1:] for case in ENDPOINT_CASES], ids=[case[0] for case in ENDPOINT_CASES]
)
def test_decide_brings_the_endpoint_one_step_further(
    observation: Observation, actions: list[str], event: Event
) -> None:
    assert list(map(outline, decide(observation, event, make_settings()).actions)) == actions


LOCK = RoundLock(holder=InFlightRound(round=ROUND, job=JOB, event="e", cut_off=NOW, lease_until=NOW))
WON = JobState(has_ended=True, ended_at=LATER, tournament=make_tournament(schema_hash="current"), archive="s3://a")
FAILED = JobState(has_ended=True, ended_at=LATER, failure="AlgorithmError")
RELEASE = ["CountMetric", "lock: holder"]
FINISHED = (
    "round: baseline_rmse, candidates, champion_rmse, comparison, dataset, deployment, finished_at, promoted, reason, "
    "seconds, status, winner"
)


def make_ended(job: JobState | None, **more: Any) -> Observation:
    known = {"lock": LOCK, "job": job, "ended_round": ROUND, "models": {CHAMPION: make_model(CHAMPION, status="live")}}
    return make_observation(make_record(updated_at=LATER), make_state(), **{**known, **more})


ROUND_CASES: list[tuple[str, Observation, dict[str, str], list[str]]] = [
    ("a job that runs", make_ended(JobState(has_ended=False)), {}, []),
    ("a job that does not exist", make_ended(None), {}, []),
    ("a failed job", make_ended(FAILED), {}, ["round: finished_at, reason, seconds, status", *RELEASE]),
    (
        "a winner",
        make_ended(WON),
        {},
        [
            "create model", "RegisterModel", *SUBMIT, "RetargetAlarms", "UpdateEndpoint winner", *UNDER_WAY, FINISHED,
            *RELEASE,
        ],
    ),
    (
        "a winner that a person has to approve",
        make_ended(WON),
        {"APPROVAL_MODE": "manual"},
        ["create model", "model winner: status", "RegisterModel", FINISHED, *RELEASE],
    ),
    (
        "a winner after another model",
        make_observation(
            make_record(desired_model="another", deploying_model="another", status="Updating", updated_at=LATER),
            make_state("Updating", pending="dwell-another"), models={}, lock=LOCK, job=WON, ended_round=ROUND,
        ),
        {},
        ["create model", FINISHED, *RELEASE],
    ),
    (
        "a round that has ended, and its lock",
        make_ended(None, rounds={ROUND: make_round(status="kept")}),
        {},
        RELEASE,
    ),
    ("a round that has ended", make_ended(None, rounds={ROUND: make_round(status="kept")}, lock=RoundLock()), {}, []),
]  # fmt: skip


@pytest.mark.parametrize("event", [JobEnded(JOB), Reconcile()], ids=["event", "schedule"])
@pytest.mark.parametrize(
    ("observation", "environment", "actions"),
    [case[1:] for case in ROUND_CASES],
    ids=[case[0] for case in ROUND_CASES],
)
def test_decide_records_the_end_of_a_round(
    observation: Observation,
    environment: dict[str, str],
    actions: list[str],
    event: Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("promotion.round_policy.get_schema_hash", lambda: "current")
    decision = decide(observation, event, make_settings(**environment))
    known = [outline(action) for action in decision.actions]
    # the schedule notes the endpoint's state besides
    assert [action for action in known if action != "endpoint: status, updated_at"] == actions


DATASET = {"manifest": "m", "objects": 1, "bytes": 1, "cut_off": NOW, "schema_hash": "current"}
WITH_DATASET = {ROUND: make_round(status="kept", dataset=DATASET)}
QUIET = make_record(updated_at=LATER)
PAUSED = make_record(pause="paused", model_after_resume=CHAMPION, serving_model=None, status="Absent")

REQUEST_CASES: list[tuple[str, Observation, OperatorRequest, tuple[str, str], list[str]]] = [
    (
        "promote a winner",
        make_observation(QUIET, make_state(), rounds=WITH_DATASET),
        PROMOTE,
        ("done", "deploying"),
        ["create request", "model winner: promoted_by, reason, status", *SUBMIT, "RetargetAlarms",
         "UpdateEndpoint winner", *UNDER_WAY, "request: finished_at"],
    ),
    (
        "promote during a change",
        make_observation(QUIET, make_state("Updating"), rounds=WITH_DATASET),
        PROMOTE,
        ("done", "waiting"),
        ["endpoint: status, updated_at", "create request", "model winner: promoted_by, reason, status", *SUBMIT,
         "request: finished_at"],
    ),
    (
        "promote during a pause",
        make_observation(PAUSED, rounds=WITH_DATASET),
        PROMOTE,
        ("done", "paused"),
        ["create request", "model winner: promoted_by, reason, status",
         "endpoint: desired_model, model_after_resume", "request: finished_at"],
    ),
    ("promote another schema's", make_observation(QUIET, make_state()), PROMOTE, ("refused", "schema_changed"), DONE),
    (
        "promote what is not known",
        make_observation(QUIET, make_state(), models={}),
        PROMOTE,
        ("refused", "unknown_model"),
        DONE,
    ),
    (
        "pause",
        make_observation(QUIET, make_state()),
        PAUSE,
        ("done", "paused"),
        ["create request", "endpoint: pause", "endpoint: desired_model, model_after_resume", "DeleteEndpoint",
         "request: finished_at"],
    ),
    (
        "pause during a change",
        make_observation(QUIET, make_state("Updating")),
        PAUSE,
        ("done", "paused"),
        ["endpoint: status, updated_at", "create request", "endpoint: pause", "request: finished_at"],
    ),
    ("resume without a pause", make_observation(QUIET, make_state()), RESUME, ("refused", "not_paused"), DONE),
    (
        "resume before a model",
        make_observation(make_record(pause="paused", serving_model=None, status="Absent")),
        RESUME,
        ("done", "nothing_to_resume"),
        ["create request", "endpoint: pause", "request: finished_at"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("observation", "request_", "result", "actions"),
    [case[1:] for case in REQUEST_CASES],
    ids=[case[0] for case in REQUEST_CASES],
)
def test_decide_carries_out_a_request_or_refuses_it(
    observation: Observation,
    request_: OperatorRequest,
    result: tuple[str, str],
    actions: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("promotion.request_policy.get_schema_hash", lambda: "current")
    decision = decide(observation, request_, make_settings())
    assert (decision.result.outcome, decision.result.reason) == result  # type: ignore[union-attr]  # a RequestResult
    assert list(map(outline, decision.actions)) == actions


def make_outcome(**changes: Any) -> RequestOutcome:
    known = {"name": "1", "outcome": "done", "reason": "paused", "decided_at": NOW, "expires_at": 1}
    return RequestOutcome.model_validate({**known, **changes})


def test_request_with_outcome_is_not_repeated() -> None:
    observation = make_observation(QUIET, make_state(), request=make_outcome(finished_at=NOW))
    decision = decide(observation, PAUSE, make_settings())
    assert decision.actions == ()
    assert (decision.result.outcome, decision.result.reason) == ("done", "paused")  # type: ignore[union-attr]


def test_repeated_attempt_keeps_first_result() -> None:
    # given an attempt that died after it had paused the endpoint
    observation = make_observation(make_record(pause="paused", status="Deleting"), make_state("Deleting"),
                                   request=make_outcome())  # fmt: skip
    # when it is repeated, and would be refused as already paused
    decision = decide(observation, PAUSE, make_settings())
    # then its result stands
    assert (decision.result.outcome, decision.result.reason) == ("done", "paused")  # type: ignore[union-attr]
    assert outline(decision.actions[-1]) == "request: finished_at"


def test_unusable_request_is_recorded() -> None:
    decision = decide(make_observation(QUIET, make_state()), UnusableRequest("1", "no such action"), make_settings())
    (created, _) = decision.actions
    assert isinstance(created, Create)
    assert isinstance(created.record, RequestOutcome)
    assert (created.record.reason, created.record.error) == ("unusable", "no such action")


def test_model_without_archive_is_not_deployed() -> None:
    observation = make_observation(WANTED, make_state(), models={WINNER: make_model(WINNER)})
    with pytest.raises(NoArchiveError, match=WINNER):
        decide(observation, EndpointChanged(), make_settings())


def test_deployment_names_alarms_and_threshold() -> None:
    actions = decide(make_observation(WANTED, make_state()), EndpointChanged(), make_settings()).actions
    assert RetargetAlarms(WINNER, NEW, 1.25) in actions
    assert UpdateEndpoint(NEW, (LIVE_ERROR, FAILURES, LATENCY)) in actions


STATUSES = ["Creating", "Updating", "RollingBack", "SystemUpdating", "InService", "UpdateRollbackFailed", "Failed",
            "Deleting", "OutOfService"]  # fmt: skip
NAMES = st.sampled_from([None, CHAMPION, WINNER])
EVENTS: list[Event] = [EndpointChanged(), Reconcile(), JobEnded(JOB), PackageReviewed(PACKAGE), PAUSE, RESUME, PROMOTE]
REVIEWS = st.sampled_from(["Approved", "Rejected", "PendingManualApproval"])
MODEL_STATUSES = st.sampled_from(get_args(Model.model_fields["status"].annotation))


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    """Any combination of record, state, models and job, likely or not."""
    record = make_record(
        serving_model=draw(NAMES), desired_model=draw(NAMES), deploying_model=draw(NAMES),
        deploying_since=draw(st.sampled_from([None, EARLIER, LATER])), model_after_resume=draw(NAMES),
        pause=draw(st.sampled_from([None, "paused", "resuming"])), status=draw(st.sampled_from(["Absent", *STATUSES])),
    )  # fmt: skip
    status = draw(st.sampled_from([None, *STATUSES]))
    pending = draw(st.sampled_from([None, OLD, NEW]))
    configuration, served = draw(st.sampled_from([(OLD, CHAMPION), (NEW, WINNER), ("by-hand", None)]))
    state = None if status is None else make_state(status, configuration, pending=pending)
    models = {
        name: make_model(name, status=draw(MODEL_STATUSES), archive="s3://a", package=PACKAGE)
        for name in (CHAMPION, WINNER)
    }
    return make_observation(
        record, state, served=served, models=models,
        job=draw(st.sampled_from([None, FAILED, WON])), lock=draw(st.sampled_from([RoundLock(), LOCK])),
        ended_round=draw(st.sampled_from([None, ROUND])),
        packages=(PackageState(PACKAGE, WINNER, draw(REVIEWS)),),
    )  # fmt: skip


@given(observation=observations(), event=st.sampled_from(EVENTS), mode=st.sampled_from(["automatic", "manual"]))
def test_decide_asks_nothing_of_an_endpoint_that_would_refuse_it(
    observation: Observation, event: Event, mode: str
) -> None:
    actions = decide(observation, event, make_settings(APPROVAL_MODE=mode)).actions
    asked = [type(action).__name__ for action in actions if type(action).__name__.endswith("Endpoint")]
    # at most one change, and only one that SageMaker accepts in this state
    assert len(asked) <= 1
    status = None if observation.state is None else observation.state.status
    if asked == ["CreateEndpoint"]:
        assert status is None
    if asked == ["UpdateEndpoint"]:
        assert status in {"InService", "UpdateRollbackFailed", "OutOfService"}
    if asked == ["DeleteEndpoint"]:
        assert status in {"InService", "UpdateRollbackFailed", "OutOfService", "Failed"}
    # and every model is watched before it is deployed
    names = [type(action).__name__ for action in actions]
    for change in {"CreateEndpoint", "UpdateEndpoint"} & set(names):
        assert names.index("ProvideModel") < names.index("RetargetAlarms") < names.index(change)
