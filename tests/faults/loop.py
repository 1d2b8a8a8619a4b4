"""Rounds, with all that they call failing: alarms that flap, jobs and endpoints that fail, archives that break."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3

from tests.faults.rules import ARCHIVE_IS_BROKEN, ENDPOINT_DOES_NOT_COME_UP, JOB_FAILS, LOOP
from tests.faults.stage import BrokenPromiseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from local_aws.faults.rules import Rule
    from tests.faults.stage import Stage

ENDED = {"promoted", "kept", "failed"}


def play(stage: Stage, *, long: bool) -> list[dict[str, Any]]:
    """Rounds in trouble, one after another; what became of each. Raises ``BrokenPromiseError``."""
    outcomes = [
        {"trouble": "alarm flaps; the endpoint does not come up", **_endpoint_does_not_come_up(stage)},
        {"trouble": "a failed endpoint is in the way", **_a_model_goes_live(stage)},
        {"trouble": "the job fails", **_a_round_fails(stage, "job-fails", JOB_FAILS)},
        {"trouble": "the job's archive is broken", **_a_round_fails(stage, "archive-broken", ARCHIVE_IS_BROKEN)},
    ]
    if long:
        outcomes.append({"trouble": "the endpoint is deleted by hand", **_endpoint_goes_away(stage)})
    _check(stage)
    return outcomes


def _flap(stage: Stage) -> None:
    """The alarm goes off, is fine, and goes off again."""
    for state in ("ALARM", "OK", "ALARM"):
        stage.aws.client("cloudwatch").set_alarm_state(
            AlarmName=f"{stage.stack.name}-NoModel", StateValue=state, StateReason="the campaign says so"
        )


def _endpoint_does_not_come_up(stage: Stage) -> dict[str, Any]:
    with stage.beset(ENDPOINT_DOES_NOT_COME_UP, LOOP):
        _flap(stage)
        return _until_round(
            stage,
            lambda round_: round_.get("deployment") == "failed" and round_["status"] in ENDED,
            "no deployment failed",
        )


def _a_model_goes_live(stage: Stage) -> dict[str, Any]:
    return _asked_for(stage, "go-live", (), _is_live)


def _is_live(round_: dict[str, Any]) -> bool:
    return round_.get("deployment") == "live" and round_["status"] in ENDED


def _a_round_fails(stage: Stage, name: str, rules: Iterable[Rule]) -> dict[str, Any]:
    found = _asked_for(stage, name, rules, lambda round_: round_["status"] in ENDED)
    if found["status"] != "failed":
        raise BrokenPromiseError(f"{name}: the round was {found['status']}")
    return found


def _asked_for(
    stage: Stage, name: str, rules: Iterable[Rule], is_over: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """An operator asks for a round, and the request arrives twice. What came of it when it is over."""
    request = f"{name}-{stage.seed}"
    own = f"operator:{request}"
    event = json.dumps({"source": "dwell.operator", "id": request, "reason": name}).encode()
    with stage.beset(rules, LOOP):
        _until_free(stage)
        for _ in range(2):
            boto3.client("lambda").invoke(
                FunctionName=stage.stack.retraining_function, InvocationType="Event", Payload=event
            )
        return _until_round(stage, lambda round_: round_["event"] == own and is_over(round_), f"{name}: no end")


def _endpoint_goes_away(stage: Stage) -> dict[str, Any]:
    boto3.client("sagemaker").delete_endpoint(EndpointName=stage.stack.endpoint)
    stage.until(lambda: True if _endpoint(stage) is None else None, "the endpoint is still there")
    return _asked_for(stage, "live-again", (), _is_live)


def _until_round(stage: Stage, is_meant: Callable[[dict[str, Any]], bool], otherwise: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        stage.redrive()
        for round_ in stage.records("round"):
            if is_meant(round_):
                return {
                    name: round_.get(name) for name in ("name", "cause", "status", "reason", "deployment", "seconds")
                }
        return None

    try:
        return stage.until(look, otherwise)
    except BrokenPromiseError as error:
        kept = ("name", "status", "reason", "deployment")
        seen = [{name: round_.get(name) for name in kept} for round_ in stage.records("round")]
        raise BrokenPromiseError(f"{error}; rounds: {seen}; endpoint: {_endpoint(stage)}") from error


def _until_free(stage: Stage) -> None:
    def look() -> bool | None:
        stage.redrive()
        return True if all(lock.get("flight") is None for lock in stage.records("lock")) else None

    stage.until(look, "the lock is not freed")


def _endpoint(stage: Stage) -> dict[str, Any] | None:
    sagemaker = boto3.client("sagemaker")
    names = [endpoint["EndpointName"] for endpoint in sagemaker.list_endpoints()["Endpoints"]]
    if stage.stack.endpoint not in names:
        return None
    found = sagemaker.describe_endpoint(EndpointName=stage.stack.endpoint)
    return {"status": found["EndpointStatus"], "configuration": found.get("EndpointConfigName")}


def _check(stage: Stage) -> None:
    """No round without an end, none without its own job, one lock, one model that serves."""
    stage.until(
        lambda: True if all(round_["status"] in ENDED for round_ in stage.records("round")) else None,
        "a round has no end",
    )
    _until_free(stage)
    jobs = [
        job["TrainingJobName"]
        for job in boto3.client("sagemaker").list_training_jobs(MaxResults=100)["TrainingJobSummaries"]
    ]
    rounds = {round_["job"] for round_ in stage.records("round")}
    if set(jobs) - rounds or len(jobs) != len(set(jobs)):
        raise BrokenPromiseError(f"jobs without a round, or twice: {jobs} against {rounds}")
    live = [model["name"] for model in stage.records("model") if model["status"] == "live"]
    (endpoint,) = stage.records("endpoint")
    found = _endpoint(stage)
    if live != [endpoint.get("model")] or found is None or not str(found["configuration"]).endswith(live[0]):
        raise BrokenPromiseError(f"live: {live}; the table says {endpoint.get('model')}, and SageMaker {found}")


def datasets(stage: Stage) -> list[tuple[int, int]]:
    """Samples and dropped duplicates of each dataset that a job has read."""
    read = [round_["dataset"] for round_ in stage.records("round") if (round_.get("dataset") or {}).get("samples")]
    return [(int(dataset["samples"]), int(dataset["duplicates"])) for dataset in read]
