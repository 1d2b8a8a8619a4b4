"""The SageMaker SDK serves on the local SageMaker: what it trained, behind an endpoint that it made and asks."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from sagemaker.core.resources import Endpoint, EndpointConfig, Model
from sagemaker.core.shapes import ContainerDefinition, ProductionVariant
from sagemaker.core.utils.exceptions import FailedStatusError

from feature_schema import TARGET
from tests.factories.datasets import make_dataset
from tests.sdk.conftest import IMAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sdk.conftest import Account

SERVING = {
    "SAGEMAKER_PROGRAM": "serving.py",
    "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
    "PIP_NO_BUILD_ISOLATION": "0",
}


def serve(account: Account, archive: str, **environment: str) -> Any:
    """A model, an endpoint config and an endpoint with the SDK's resource classes, all of one new name."""
    name = f"sdk-{uuid.uuid4().hex[:12]}"
    container = ContainerDefinition(image=IMAGE, model_data_url=archive, environment=SERVING | environment)
    Model.create(model_name=name, primary_container=container, execution_role_arn=account.role)
    EndpointConfig.create(
        endpoint_config_name=name,
        production_variants=[
            ProductionVariant(
                variant_name="AllTraffic", model_name=name, initial_instance_count=1, instance_type="ml.m5.large"
            )
        ],
    )
    return Endpoint.create(endpoint_name=name, endpoint_config_name=name)


@pytest.fixture(scope="module")
def endpoint(account: Account, trained: Any) -> Iterator[Any]:
    """An endpoint that serves what the SDK trained; deleted with the SDK, too."""
    _, job = trained
    made = serve(account, job.model_artifacts.s3_model_artifacts)
    made.wait_for_status("InService", poll=1, timeout=120)
    yield made
    made.delete()
    made.wait_for_delete(poll=1, timeout=60)
    EndpointConfig.get(made.endpoint_name).delete()
    Model.get(made.endpoint_name).delete()


def rows(count: int) -> bytes:
    """Features as CSV lines, and no header."""
    return "\n".join(",".join(f"{cell:g}" for cell in row) for row in make_dataset(count, seed=2).features).encode()


def test_endpoint_answers_the_sdk(endpoint: Any) -> None:
    answer = endpoint.invoke(body=rows(3), content_type="text/csv", accept="application/json")
    said = json.loads(answer.body.read())
    assert answer.content_type == "application/json"
    assert answer.invoked_production_variant == "AllTraffic"
    assert len(said["predictions"]) == 3
    assert all(TARGET.minimum <= each <= TARGET.maximum for each in said["predictions"])
    plain = endpoint.invoke(body=rows(3), content_type="text/csv", accept="text/csv").body.read()
    assert [float(line) for line in plain.splitlines()] == pytest.approx(said["predictions"])


def test_request_that_the_model_rejects_raises_its_reason(endpoint: Any) -> None:
    with pytest.raises(ClientError, match="ModelError") as refused:
        endpoint.invoke(body=b"1,2", content_type="text/csv", accept="application/json")
    response: dict[str, Any] = {**refused.value.response}
    assert response["OriginalStatusCode"] == 400
    assert json.loads(response["OriginalMessage"])["reason"]


def test_sdk_finds_the_resources_it_created(endpoint: Any) -> None:
    name = endpoint.endpoint_name
    assert Endpoint.get(name).endpoint_status == "InService"
    assert [each.endpoint_name for each in Endpoint.get_all(name_contains=name)] == [name]
    config = EndpointConfig.get(name)
    assert [each.model_name for each in config.production_variants] == [name]
    assert Model.get(name).primary_container.image == IMAGE


def test_updated_endpoint_answers_with_the_new_model(account: Account, endpoint: Any, trained: Any) -> None:
    # given a second config
    _, job = trained
    other = serve(account, job.model_artifacts.s3_model_artifacts)
    other.wait_for_status("InService", poll=1, timeout=120)
    # when
    endpoint.endpoint_config_name = other.endpoint_name
    endpoint.update()
    endpoint.wait_for_status("InService", poll=1, timeout=120)
    # then
    assert endpoint.endpoint_config_name == other.endpoint_name
    assert endpoint.invoke(body=rows(1), content_type="text/csv", accept="text/csv").body.read()
    other.delete()
    other.wait_for_delete(poll=1, timeout=60)


def test_endpoint_of_a_broken_model_fails_with_a_reason(account: Account, trained: Any) -> None:
    _, job = trained
    broken = serve(account, job.model_artifacts.s3_model_artifacts, SAGEMAKER_SUBMIT_DIRECTORY="/opt/ml/model/absent")
    with pytest.raises(FailedStatusError, match="did not pass the ping health check"):
        broken.wait_for_status("InService", poll=1, timeout=120)
    broken.delete()
