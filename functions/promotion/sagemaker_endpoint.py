"""The endpoint, its models and endpoint configurations in SageMaker.

Model and endpoint configuration have the same name, which derives from the model, so that a repeated attempt finds
them; what it finds must be what it would have created.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from botocore.exceptions import ClientError

from promotion.observation import EndpointState
from rounds import is_not_found

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker.literals import ProductionVariantInstanceTypeType
    from mypy_boto3_sagemaker.type_defs import CreateEndpointConfigInputTypeDef, TagTypeDef

    from promotion.settings import Settings

VARIANT = "live"
"""The one production variant; UpdateEndpoint requires its name to stay.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_UpdateEndpoint.html
"""


class NameTakenError(RuntimeError):
    """Something else has the name that this model's resources need."""


def describe(sagemaker: SageMakerClient, endpoint: str) -> EndpointState | None:
    """Describe the endpoint; None if there is none. Errors of AWS pass through."""
    response = find(lambda: sagemaker.describe_endpoint(EndpointName=endpoint))
    if response is None:
        return None
    configuration = response.get("EndpointConfigName", "")
    pending = response.get("PendingDeploymentSummary", {}).get("EndpointConfigName")
    return EndpointState(
        response["EndpointStatus"],
        configuration,
        _to_milliseconds(response["LastModifiedTime"]),
        response.get("FailureReason"),
        configuration if response["EndpointStatus"] == "Creating" else pending,
    )


def provide(sagemaker: SageMakerClient, settings: Settings, *, model: str, archive: str, name: str) -> None:
    """Create the model and its endpoint configuration, both called ``name``, unless they exist.

    Raises ``NameTakenError`` if what exists is not what would have been created.
    """
    tags: list[TagTypeDef] = [{"Key": "stack", "Value": settings.stack}, {"Key": "model", "Value": model}]
    existing_model = find(lambda: sagemaker.describe_model(ModelName=name))
    if existing_model is None:
        sagemaker.create_model(
            ModelName=name,
            PrimaryContainer={
                "Image": settings.serving_image,
                "ModelDataUrl": archive,
                "Environment": {
                    "SAGEMAKER_PROGRAM": "serving.py",
                    "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
                    # The code is installed by pip in a container without network; `1` does not do it.
                    "PIP_NO_BUILD_ISOLATION": "0",
                },
            },
            ExecutionRoleArn=settings.serving_role,
            EnableNetworkIsolation=True,
            Tags=tags,
        )
    elif existing_model.get("PrimaryContainer", {}).get("ModelDataUrl") != archive:
        raise NameTakenError(f"the model {name} in SageMaker has another archive than {archive}")
    existing_configuration = find(lambda: sagemaker.describe_endpoint_config(EndpointConfigName=name))
    if existing_configuration is None:
        configuration: CreateEndpointConfigInputTypeDef = {
            "EndpointConfigName": name,
            "ProductionVariants": [
                {
                    "VariantName": VARIANT,
                    "ModelName": name,
                    "InitialInstanceCount": settings.instance_count,
                    "InstanceType": cast("ProductionVariantInstanceTypeType", settings.instance_type),
                    "InitialVariantWeight": 1.0,
                }
            ],
            "Tags": tags,
        }
        if settings.key:
            configuration["KmsKeyId"] = settings.key
        sagemaker.create_endpoint_config(**configuration)
    elif [variant.get("ModelName") for variant in existing_configuration["ProductionVariants"]] != [name]:
        raise NameTakenError(f"the endpoint configuration {name} in SageMaker serves another model")


def delete(sagemaker: SageMakerClient, endpoint: str) -> None:
    """Delete the endpoint; nothing happens if there is none."""
    find(lambda: sagemaker.delete_endpoint(EndpointName=endpoint))


def find[Response](request: Callable[[], Response]) -> Response | None:
    """What SageMaker answers; None if what was asked for does not exist."""
    try:
        return request()
    except ClientError as error:
        if is_not_found(error):
            return None
        raise


def _to_milliseconds(timestamp: datetime) -> datetime:
    """Cut to milliseconds, which is what the table keeps."""
    return timestamp.replace(microsecond=timestamp.microsecond // 1000 * 1000)
