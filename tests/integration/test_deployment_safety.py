"""No bad model stays live: the real template on an emulator, with robots that say what its models' answers were worth.

One model after another: the first creates the endpoint; the second scores well on its test set, but robots report that
its answers are bad; the third is as good as it promised.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from typer.testing import CliRunner

from dwell.client.signed_api import create_api
from dwell.commands.app import app
from dwell.demo.bucket_contents import BucketContents
from dwell.local import deployment
from feature_schema import FEATURES, TARGET, build_prediction, get_schema_hash
from tests import emulators
from tests.eventually import eventually
from tests.factories.datasets import make_dataset

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dwell.client.stack import Stack
    from dwell.local.emulator_process import Laptop

PARAMETERS = {"MinimumSamples": "1000000", "MinimumPredictions": "100"}
ROWS = 4_000
FAILED, FINE = 12.0, 0.9
"""How many times its promise a model's answers are off."""


@pytest.fixture(scope="module")
def safe(request: pytest.FixtureRequest) -> Iterator[tuple[Laptop, Stack]]:
    """The template on an emulator of its own. No alarm can start a round: the tests do, one after the other."""
    with emulators.running("safety", request) as emulator:
        with emulators.environment(emulator):
            deployed = emulators.deploy(emulator, PARAMETERS)
        yield emulator, deployed


@pytest.fixture
def stack(safe: tuple[Laptop, Stack]) -> Iterator[Stack]:
    emulator, deployed = safe
    with emulators.environment(emulator):
        yield deployed


def dwell(*arguments: str, status: int = 0) -> Any:
    """The command with ``--json``; what it printed, read."""
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == status, result.output + result.stderr
    return json.loads(result.stdout) if status == 0 else result.stderr


def entry(model: str) -> dict[str, Any]:
    (found,) = [entry for entry in dwell("leaderboard", "--limit", "100") if entry["model"] == model]
    return dict(found)


def live() -> str | None:
    return next((entry["model"] for entry in dwell("leaderboard", "--limit", "100") if entry["live"]), None)


def registered(stack: Stack, model: str) -> dict[str, Any]:
    """What SageMaker's model registry has about a model."""
    record = (
        boto3.Session()
        .client("dynamodb")
        .get_item(TableName=stack.table, Key={"kind": {"S": "model"}, "name": {"S": model}})["Item"]
    )
    return dict(boto3.Session().client("sagemaker").describe_model_package(ModelPackageName=record["package"]["S"]))


def a_round(stack: Stack, folder: Path, *, world: int) -> dict[str, Any]:
    """Samples of a ``world`` arrive, and a round is played on them; the round, once its winner is on its way."""
    storage = BucketContents.create(boto3.Session().client("s3"), stack.bucket)
    storage.read()
    before = len(storage.samples())
    file = folder / "rows.csv"
    rows = make_dataset(ROWS, seed=world, world=world).lines
    file.write_text("".join(",".join(line.split(",")[: 1 + len(FEATURES)]) + "\n" for line in rows))
    assert dwell("publish", str(file))["published"] == ROWS

    def stored() -> int:
        storage.read()
        return len(storage.samples())

    eventually(stored, lambda count: count >= before + ROWS)
    time.sleep(1.1)  # S3 tells whole seconds, so a dataset takes what was stored before the second of its cut-off
    name = dwell("retrain", "--reason", f"world {world}")["decision"]["round"]
    ended = eventually(
        lambda: next(round_ for round_ in dwell("rounds") if round_["round"] == name),
        lambda round_: round_["status"] != "started",
        seconds=150,
    )
    assert ended["status"] == "promoted", ended
    return dict(ended)


@contextmanager
def robots_report(stack: Stack, model: str, *, off: float) -> Iterator[None]:
    """Robots publish samples that echo answers of ``model``, each off by ``off`` times what it promised."""
    promised = float(entry(model)["expected_error"])
    over = threading.Event()
    sns = boto3.Session().client("sns")
    template = make_dataset(1).lines[0].split(",")[1 : 1 + len(FEATURES)]
    features = {field.name: int(cell) for field, cell in zip(FEATURES, template, strict=True)}

    def sample() -> str:
        happened = TARGET.minimum + 1_000.0
        echo = build_prediction(min(happened + off * promised, TARGET.maximum), model=model, expected_error=promised)
        return json.dumps(
            {
                "sample_id": uuid.uuid4().hex,
                "robot_id": "r-1",
                "fc_id": "fc-1",
                "recorded_at": datetime.now(UTC).isoformat(),
                "schema_version": 1,
                TARGET.name: int(happened),
                "features": features,
                "prediction": echo,
            }
        )

    def publish() -> None:
        while not over.wait(0.5):
            sns.publish(TopicArn=stack.topic_arn, Message="\n".join(sample() for _ in range(60)))

    robots = threading.Thread(target=publish)
    robots.start()
    try:
        yield
    finally:
        over.set()
        robots.join(timeout=30)


def counted(metric: str, **dimensions: str) -> float:
    now = datetime.now(UTC)
    points = boto3.Session().client("cloudwatch").get_metric_statistics(
        Namespace="Dwell", MetricName=metric, StartTime=now - timedelta(hours=1), EndTime=now + timedelta(minutes=1),
        Period=60, Statistics=["Sum"],
        Dimensions=[{"Name": name, "Value": value} for name, value in {"service": "dwell", **dimensions}.items()],
    )["Datapoints"]  # fmt: skip
    return sum(point["Sum"] for point in points)


@pytest.fixture(scope="module")
def first(safe: tuple[Laptop, Stack], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The model that created the endpoint; it is live."""
    with emulators.environment(safe[0]):
        promoted = str(a_round(safe[1], tmp_path_factory.mktemp("first"), world=7)["promoted"])
        eventually(live, lambda model: model == promoted)
    return promoted


@pytest.fixture(scope="module")
def taken_back(safe: tuple[Laptop, Stack], first: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A round whose winner beat the first model on the test set, and erred live; as the leaderboard has it then."""
    with emulators.environment(safe[0]):
        begun = a_round(safe[1], tmp_path_factory.mktemp("second"), world=8)
        assert begun["reason"] == "beats_champion"
        with robots_report(safe[1], begun["promoted"], off=FAILED):
            eventually(lambda: entry(begun["promoted"])["status"], lambda status: status == "rolled_back", seconds=90)
        return next(round_ for round_ in dwell("rounds") if round_["round"] == begun["round"])


def test_a_model_that_errs_live_is_taken_back_by_its_own_alarm(
    stack: Stack, first: str, taken_back: dict[str, Any]
) -> None:
    model = taken_back["promoted"]
    assert (taken_back["deployment"], live()) == ("rolled_back", first)
    assert taken_back["deployment_reason"].startswith("dwell-NewModelError: Threshold Crossed")
    board = entry(model)
    assert (board["status"], board["live"], board["live_since"]) == ("rolled_back", False, None)
    assert board["error"] == taken_back["deployment_reason"]
    assert board["test_rmse"] < entry(first)["test_rmse"], "it did score better"
    # and planners hear the old one again
    said = boto3.Session().client("sagemaker").describe_endpoint(EndpointName=stack.endpoint)
    assert (said["EndpointStatus"], said["EndpointConfigName"]) == ("InService", f"dwell-{first}")
    table = CliRunner().invoke(app, ["leaderboard"])
    assert f"{model} (rolled back)" in table.output
    assert f"{first} (live)" in table.output
    # somebody is told, once
    assert counted("Rollbacks") == 1


def test_errors_of_a_model_on_trial_are_no_evidence_against_the_live_one(
    stack: Stack, taken_back: dict[str, Any]
) -> None:
    # given bad predictions of a model that was being watched, and was rolled back for them
    assert taken_back["deployment"] == "rolled_back"
    # then the alarm on the live model's error has not fired, and no round was requested for it
    (alarm,) = boto3.Session().client("cloudwatch").describe_alarms(AlarmNames=["dwell-ModelError"])["MetricAlarms"]
    assert alarm["StateValue"] != "ALARM"
    assert [decision for decision in dwell("decisions", "--limit", "100") if decision["cause"] == "model-error"] == []


def test_a_model_that_keeps_its_promise_stays(
    stack: Stack, first: str, taken_back: dict[str, Any], tmp_path: Path
) -> None:
    # when the next winner, which robots are content with, is watched by the alarm that took the last one back
    begun = a_round(stack, tmp_path, world=8)
    with robots_report(stack, begun["promoted"], off=FINE):
        eventually(live, lambda model: model == begun["promoted"], seconds=90)
    # then it stays, and the one before was not promoted again by anything
    assert entry(begun["promoted"])["live_samples"] > 100
    assert entry(taken_back["promoted"])["status"] == "rolled_back"
    assert entry(first)["status"] == "retired"
    assert counted("Rollbacks") == 1
    # and an operator can go back to any winner with one command, whatever state the alarms are in
    for name in ("dwell-NewModelError", "dwell-NewModelFailures", "dwell-NewModelLatency"):
        boto3.Session().client("cloudwatch").set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="test")
    answer = dwell("promote", first, "--wait", "--patience", "90")
    assert (answer["answer"]["reason"], answer["endpoint"]["model"]) == ("deploying", first)
    assert live() == first


def test_what_cannot_be_promoted_is_said(stack: Stack, first: str) -> None:
    loser = next(entry["model"] for entry in dwell("leaderboard", "--limit", "100") if entry["status"] == "candidate")
    assert "only the winner of a round is kept" in dwell("promote", loser, status=1)
    assert "no such model" in dwell("promote", "nobody", status=1)
    assert "it answers already" in dwell("promote", first, status=1)
    assert "not paused" in dwell("resume", status=1)


def test_a_pause_is_no_fault(stack: Stack, first: str) -> None:
    # given an endpoint that an operator takes down
    assert dwell("pause", "--wait")["endpoint"]["pause"] == "paused"
    sagemaker = boto3.Session().client("sagemaker")
    eventually(lambda: sagemaker.list_endpoints()["Endpoints"], lambda found: found == [])
    assert "paused already" in dwell("pause", status=1)
    # when planners go on asking, for two periods of the NoModel alarm and more
    before = counted("Fallbacks", reason="no_model")
    ends = time.monotonic() + 24
    while time.monotonic() < ends:
        assert ask(stack)["source"] == "fallback"
        time.sleep(1)
    # then they get the baseline, which is counted as what it is, and no alarm goes off
    assert counted("Fallbacks", reason="paused") > 15
    assert counted("Fallbacks", reason="no_model") == before
    alarm = boto3.Session().client("cloudwatch").describe_alarms(AlarmNames=["dwell-NoModel"])["MetricAlarms"][0]
    assert alarm["StateValue"] != "ALARM"
    assert "The endpoint is paused" in CliRunner().invoke(app, ["leaderboard"]).output
    # and when it is over, the same model answers
    assert dwell("resume", "--wait", "--patience", "120")["endpoint"]["model"] == first
    assert eventually(lambda: ask(stack), lambda answer: answer["source"] == "model")["model"] == first


def test_every_winner_is_registered_with_what_it_is(stack: Stack, first: str, taken_back: dict[str, Any]) -> None:
    for model in (first, taken_back["promoted"]):
        package, board = registered(stack, model), entry(model)
        metadata = package["CustomerMetadataProperties"]
        assert package["ModelApprovalStatus"] == "Approved"
        assert (metadata["model"], metadata["round"], metadata["schema_hash"]) == (
            model,
            board["round"],
            get_schema_hash(),
        )
        assert metadata["dataset_manifest"] == board["dataset"]["manifest"]
    assert metadata["champion"] == first
    assert float(metadata["test_rmse"]) < float(metadata["champion_rmse"]) < float(metadata["baseline_rmse"])


def test_in_manual_mode_a_winner_waits_for_a_person(
    safe: tuple[Laptop, Stack], stack: Stack, first: str, tmp_path: Path
) -> None:
    # given the same stack in manual mode, and a round with a winner
    deployment.deploy(safe[0], parameters={**PARAMETERS, "ApprovalMode": "manual"})
    before = live()
    begun = a_round(stack, tmp_path, world=9)
    assert (begun["deployment"], live()) == ("awaiting_approval", before)
    assert entry(begun["promoted"])["status"] == "awaiting_approval"
    package = registered(stack, begun["promoted"])
    assert package["ModelApprovalStatus"] == "PendingManualApproval"
    # when somebody rejects it, and thinks again
    sagemaker = boto3.Session().client("sagemaker")
    arn = package["ModelPackageArn"]
    sagemaker.update_model_package(
        ModelPackageArn=arn, ModelApprovalStatus="Rejected", ApprovalDescription="not on a Friday"
    )
    eventually(
        lambda: (entry(begun["promoted"])["status"], entry(begun["promoted"])["error"]),
        lambda state: state == ("rejected", "not on a Friday"),
    )
    sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    # then it goes live as every other does
    with robots_report(stack, begun["promoted"], off=FINE):
        eventually(live, lambda model: model == begun["promoted"], seconds=90)


def ask(stack: Stack) -> dict[str, Any]:
    cells = make_dataset(1).lines[0].split(",")[1 : 1 + len(FEATURES)]
    features = {field.name: int(cell) for field, cell in zip(FEATURES, cells, strict=True)}
    response = create_api(stack.api_url, timeout=20).post("/predictions", json.dumps({"features": features}).encode())
    assert response.status_code == 200
    body: dict[str, Any] = json.loads(response.content)
    return body
