"""Endpoints serve as SageMaker's XGBoost image does, and are updated without a gap."""

from __future__ import annotations

import threading
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Deploy = Callable[..., str]
    Settled = Callable[[str], dict[str, Any]]

SERVING = """
import json, os, pathlib, time
from flask import Response
import xgboost  # one of the image's packages

def model_fn(model_dir):
    return pathlib.Path(model_dir, "weights.txt").read_text()

def input_fn(body, content_type):
    return body, content_type

def predict_fn(data, model):
    return *data, model

def output_fn(prediction, accept):
    body, content_type, model = prediction
    asked = body if isinstance(body, str) else "bytes"
    if asked == "refuse":
        return Response('{"reason": "refused"}', status=400, mimetype="application/json")
    if asked == "raise":
        raise ValueError("a secret detail")
    if asked == "bare":
        return "<p>bare</p>"
    if asked == "status":
        return "{}", 400
    if asked.startswith("wait:"):
        while not os.path.exists(asked.removeprefix("wait:")):
            time.sleep(0.01)
    told = {"body": asked, "content_type": content_type, "accept": accept, "model": model, "file": __file__}
    return json.dumps(told), accept
"""


@pytest.fixture(scope="module")
def endpoint(deploy: Deploy, settled: Settled, sent: Any) -> str:
    """The name of an endpoint in service. ``sent`` must exist before its first event."""
    name = f"Endpoint-{uuid.uuid4().hex[:12]}"
    deploy(name, SERVING)
    description = settled(name)
    assert description["EndpointStatus"] == "InService", description
    return name


@pytest.fixture
def ask(stage: Any) -> Callable[..., dict[str, Any]]:
    """Invokes an endpoint; the answer with its body read."""

    def invoke(endpoint: str, body: str | bytes, content_type: str = "text/csv", **more: str) -> dict[str, Any]:
        answer = stage.client("sagemaker-runtime").invoke_endpoint(
            EndpointName=endpoint, Body=body, ContentType=content_type, **more
        )
        return dict(answer) | {"Body": answer["Body"].read().decode()}

    return invoke


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/csv", "1,2"),
        ("application/json", "1,2"),
        ("text/csv; charset=utf-8", "bytes"),
        ("application/x-npy", "bytes"),
    ],
)
def test_csv_and_json_bodies_are_text_others_bytes(endpoint: str, ask: Any, content_type: str, body: str) -> None:
    # when
    answer = ask(endpoint, "1,2", content_type, Accept="text/plain")
    # then
    assert f'"body": "{body}"' in answer["Body"]
    assert answer["ContentType"].startswith("text/plain")
    assert answer["InvokedProductionVariant"] == "AllTraffic"


def test_default_accept_is_json_and_bare_result_is_html(endpoint: str, ask: Any) -> None:
    assert ask(endpoint, "1,2")["ContentType"] == "application/json"
    assert ask(endpoint, "bare")["ContentType"].startswith("text/html")


def test_container_failure_is_a_model_error(endpoint: str, ask: Any) -> None:
    # when the code answers with a status of its own
    with pytest.raises(ClientError) as refused:
        ask(endpoint, "refuse")
    # then the caller gets it whole
    answer = refused.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert answer["Error"]["Code"] == "ModelError"
    assert answer["OriginalStatusCode"] == 400  # type: ignore[typeddict-item]  # a member of this error only
    assert answer["OriginalMessage"] == '{"reason": "refused"}'  # type: ignore[typeddict-item]  # the same
    assert "Received client error (400) from primary" in answer["Error"]["Message"]
    # when it raises, or returns a status where the content type belongs
    for body in ("raise", "status"):
        with pytest.raises(ClientError) as broken:
            ask(endpoint, body)
        # then the caller learns nothing but that
        answer = broken.value.response
        assert answer["OriginalStatusCode"] == 500  # type: ignore[typeddict-item]  # the same
        assert "Internal Server Error" in answer["OriginalMessage"]  # type: ignore[typeddict-item]  # the same
        assert "secret" not in str(answer)


def test_unknown_endpoint_and_large_body_are_refused(stage: Any, endpoint: str, ask: Any) -> None:
    with pytest.raises(ClientError, match="Endpoint never-was of account 000000000000 not found") as missing:
        ask("never-was", "1,2")
    assert missing.value.response["Error"]["Code"] == "ValidationError"
    with pytest.raises(ClientError, match="6291456"):
        ask(endpoint, b"1" * 6_291_457)


def test_invoke_permission_is_checked_by_endpoint_arn(stage: Any, endpoint: str) -> None:
    # given
    statement = {"Effect": "Allow", "Action": "sagemaker:InvokeEndpoint"}
    arn = "arn:aws:sagemaker:us-east-1:000000000000:endpoint/"
    right = stage.as_user("sagemaker-runtime", statement | {"Resource": arn + endpoint.lower()})
    wrong = stage.as_user("sagemaker-runtime", statement | {"Resource": arn + "another"})
    # when and then
    assert right.invoke_endpoint(EndpointName=endpoint, Body="1,2", ContentType="text/csv")["Body"].read()
    with pytest.raises(ClientError, match="AccessDenied"):
        wrong.invoke_endpoint(EndpointName=endpoint, Body="1,2", ContentType="text/csv")


def test_slow_model_does_not_block_other_requests(stage: Any, endpoint: str, ask: Any, tmp_path: Path) -> None:
    # given requests that the model answers only when a file appears
    answers: list[dict[str, Any]] = []
    sign = tmp_path / "go"
    waiting = [threading.Thread(target=lambda: answers.append(ask(endpoint, f"wait:{sign}"))) for _ in range(3)]
    for thread in waiting:
        thread.start()
    # when others ask meanwhile
    assert ask(endpoint, "1,2")["ContentType"] == "application/json"
    assert stage.client("sagemaker").describe_endpoint(EndpointName=endpoint)["EndpointStatus"] == "InService"
    # then they were answered first
    assert answers == []
    sign.touch()
    for thread in waiting:
        thread.join(timeout=30)
    assert len(answers) == 3


def test_update_serves_without_gap(  # noqa: PLR0917 (fixtures)
    stage: Any, endpoint: str, ask: Any, deploy: Deploy, settled: Settled, sent: Any, tmp_path: Path
) -> None:
    # given somebody who asks all the time, and a request that the old model is still busy with
    old = stage.client("sagemaker").describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
    models: list[str] = []
    failures: list[Exception] = []
    finished = threading.Event()
    late: list[dict[str, Any]] = []
    sign = tmp_path / "go"
    busy = threading.Thread(target=lambda: late.append(ask(endpoint, f"wait:{sign}")))
    busy.start()

    def keep_asking() -> None:
        while not finished.is_set():
            try:
                models.append(ask(endpoint, "1,2")["Body"].partition('"model": "')[2].partition('"')[0])
            except ClientError as error:
                failures.append(error)

    asking = threading.Thread(target=keep_asking)
    asking.start()
    # when
    try:
        new = deploy(endpoint, SERVING)
        pending = stage.client("sagemaker").describe_endpoint(EndpointName=endpoint)
        description = settled(endpoint)
        assert ask(endpoint, "1,2")["Body"].count(new) == 1
    finally:
        finished.set()
        asking.join(timeout=30)
        sign.touch()
        busy.join(timeout=30)
    # then the old model answered until the new one did, its last request too
    assert failures == []
    assert list(dict.fromkeys(models)) in ([old, new], [old])
    assert old in late[0]["Body"]
    assert pending["EndpointStatus"] == "Updating"
    assert pending["EndpointConfigName"] == old
    assert pending["PendingDeploymentSummary"]["EndpointConfigName"] == new
    assert description["EndpointStatus"] == "InService"
    assert description["EndpointConfigName"] == new
    # and the events say so
    events = sent(
        endpoint.lower(),
        lambda event: (
            event["detail"]["EndpointConfigName"] == new
            and event["detail-type"] == "SageMaker Endpoint State Change"
            and event["detail"]["EndpointStatus"] == "IN_SERVICE"
        ),
    )
    states = [event["detail"] for event in events if event["detail-type"] == "SageMaker Endpoint State Change"]
    assert [state["EndpointStatus"] for state in states] == ["CREATING", "IN_SERVICE", "UPDATING", "IN_SERVICE"]
    assert [state["EndpointConfigName"] for state in states] == [old, old, old, new]
    deployments = [event["detail"] for event in events if "Deployment" in event["detail-type"]]
    assert deployments[0]["PendingDeploymentSummary"]["EndpointConfigName"] == new


def test_failed_update_keeps_old_model(stage: Any, endpoint: str, ask: Any, deploy: Deploy, settled: Settled) -> None:
    # given
    old = stage.client("sagemaker").describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
    # when the new model's code cannot be installed: pip wants the network
    deploy(endpoint, SERVING, PIP_NO_BUILD_ISOLATION="1")
    description = settled(endpoint)
    # then
    assert (description["EndpointStatus"], description["EndpointConfigName"]) == ("InService", old)
    assert "did not pass the ping health check" in description["FailureReason"]
    assert old in ask(endpoint, "1,2")["Body"]
    assert "InstallModuleError" in stage.log(f"/aws/sagemaker/Endpoints/{endpoint}", "AllTraffic/")


def test_endpoint_without_access_to_model_fails(stage: Any, ask: Any, deploy: Deploy, settled: Settled) -> None:
    # given
    name = f"denied-{uuid.uuid4().hex[:12]}"
    # when
    deploy(name, SERVING, role=stage.make_role())
    description = settled(name)
    # then
    assert description["EndpointStatus"] == "Failed"
    assert "not allowed s3:GetObject" in description["FailureReason"]
    with pytest.raises(ClientError, match="not found"):
        ask(name, "1,2")
    sagemaker = stage.client("sagemaker")
    with pytest.raises(ClientError, match="can only be deleted"):
        sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=description["EndpointConfigName"])
    # when
    sagemaker.delete_endpoint(EndpointName=name)
    # then
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})


def test_model_needs_program_and_directory(stage: Any, deploy: Deploy, settled: Settled) -> None:
    # when
    name = f"half-{uuid.uuid4().hex[:12]}"
    deploy(name, SERVING, SAGEMAKER_SUBMIT_DIRECTORY="")
    # then
    assert settled(name)["EndpointStatus"] == "Failed"
    assert "SAGEMAKER_SUBMIT_DIRECTORY" in stage.log(f"/aws/sagemaker/Endpoints/{name}", "AllTraffic/")


def test_invalid_requests_are_refused(stage: Any, endpoint: str) -> None:
    # given
    sagemaker = stage.client("sagemaker")
    config = sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
    model = sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"][0]["ModelName"]
    variant = {"VariantName": "v", "ModelName": "never-was", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    canary = {
        "Type": "CANARY",
        "WaitIntervalInSeconds": 0,
        "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 10},
    }
    # when and then
    with pytest.raises(ClientError, match="Cannot create already existing endpoint"):
        sagemaker.create_endpoint(EndpointName=endpoint, EndpointConfigName=config)
    with pytest.raises(ClientError, match="Could not find endpoint configuration"):
        sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName="never-was")
    with pytest.raises(ClientError, match="Could not find model"):
        sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
    with pytest.raises(ClientError, match="Cannot create already existing model"):
        sagemaker.create_model(ModelName=model, ExecutionRoleArn=stage.role)
    with pytest.raises(ClientError, match='Could not find endpoint "arn:aws:sagemaker'):
        sagemaker.describe_endpoint(EndpointName="never-was")
    with pytest.raises(ClientError, match="at least one instance"):
        sagemaker.update_endpoint(
            EndpointName=endpoint,
            EndpointConfigName=config,
            DeploymentConfig={"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": canary}},
        )
