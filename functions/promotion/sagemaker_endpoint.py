"""A model behind the endpoint, through SageMaker.

Model and endpoint configuration carry one name that derives from the model, so a repeated attempt finds them; what
is found must be what would have been made.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, cast

from botocore.exceptions import ClientError

from rounds import ENDPOINT_TRANSITIONS, build_resource_name, is_not_found

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker.literals import ProductionVariantInstanceTypeType
    from mypy_boto3_sagemaker.type_defs import (
        CreateEndpointConfigInputTypeDef,
        DeploymentConfigTypeDef,
        TagTypeDef,
    )

    from promotion.settings import Settings

VARIANT = "live"
"""The one variant; UpdateEndpoint wants its name to stay."""

NEVER = datetime.min.replace(tzinfo=UTC)
"""When an endpoint last changed that is not there."""

Action = Literal["create", "update", "delete", "wait", "retry", "none"]


class EndpointBusyError(RuntimeError):
    """The endpoint is on its way out. The event is to be tried again."""


class NameTakenError(RuntimeError):
    """Something else has the name that this model's resources need."""


@dataclass(frozen=True, slots=True)
class EndpointState:
    """The endpoint as SageMaker describes it."""

    status: str
    configuration: str
    changed_at: datetime
    reason: str | None = None
    pending: str | None = None
    """The configuration that it is being brought to."""


def describe(sagemaker: SageMakerClient, endpoint: str) -> EndpointState | None:
    """The endpoint, or nothing if there is none."""
    answer = _found(lambda: sagemaker.describe_endpoint(EndpointName=endpoint))
    if answer is None:
        return None
    configuration = answer.get("EndpointConfigName", "")
    pending = answer.get("PendingDeploymentSummary", {}).get("EndpointConfigName")
    return EndpointState(
        answer["EndpointStatus"],
        configuration,
        answer["LastModifiedTime"],
        answer.get("FailureReason"),
        configuration if answer["EndpointStatus"] == "Creating" else pending,
    )


def action(state: EndpointState | None, configuration: str) -> Action:
    """What brings the endpoint to ``configuration``.

    While the endpoint changes, SageMaker refuses another change, and its own event will say when that is over.
    Of a failed endpoint nothing can be made but a new one, and its end is announced by no event.
    """
    if state is None:
        return "create"
    if state.status in ENDPOINT_TRANSITIONS:
        return "wait"
    match state.status:
        case "Failed":
            return "delete"
        case "Deleting":
            return "retry"
    return "none" if state.status == "InService" and state.configuration == configuration else "update"


def provide(sagemaker: SageMakerClient, settings: Settings, *, model: str, archive: str) -> str:
    """Make the model and its endpoint configuration, unless they are there; the answer is their name.

    Raises ``NameTakenError``.
    """
    name = build_resource_name(settings.stack, model)
    tags: list[TagTypeDef] = [{"Key": "stack", "Value": settings.stack}, {"Key": "model", "Value": model}]
    made = _found(lambda: sagemaker.describe_model(ModelName=name))
    if made is None:
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
    elif made.get("PrimaryContainer", {}).get("ModelDataUrl") != archive:
        raise NameTakenError(f"the model {name} in SageMaker has another archive than {archive}")
    configured = _found(lambda: sagemaker.describe_endpoint_config(EndpointConfigName=name))
    if configured is None:
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
    elif [variant.get("ModelName") for variant in configured["ProductionVariants"]] != [name]:
        raise NameTakenError(f"the endpoint configuration {name} in SageMaker serves another model")
    return name


def bring(
    sagemaker: SageMakerClient,
    settings: Settings,
    configuration: str,
    *,
    rollout: DeploymentConfigTypeDef,
    prepare: Callable[[], None],
) -> datetime | None:
    """Bring the endpoint to a configuration; None if something else has to end before that.

    The answer is when the endpoint had last changed by then: whatever it says of an earlier time is not about this.
    ``prepare`` is called before the endpoint changes, and only then. ``rollout`` is how traffic moves from what serves
    now; an endpoint that is made anew has nothing to go back to. Raises ``EndpointBusyError`` if only another attempt,
    and no event, can go on.
    """
    endpoint = settings.endpoint
    state = describe(sagemaker, endpoint)
    todo = action(state, configuration)
    if todo in {"create", "update"}:
        prepare()
    if todo == "create":
        sagemaker.create_endpoint(
            EndpointName=endpoint,
            EndpointConfigName=configuration,
            Tags=[{"Key": "stack", "Value": settings.stack}],
        )
    elif todo == "update":
        sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=configuration, DeploymentConfig=rollout)
    elif todo == "delete":
        sagemaker.delete_endpoint(EndpointName=endpoint)
    if todo in {"delete", "retry"}:
        raise EndpointBusyError(f"the endpoint {endpoint} is being deleted; its successor has to wait")
    if state is None:
        return NEVER
    # An attempt that died after it had asked finds its own deployment under way.
    return state.changed_at if todo != "wait" or state.pending == configuration else None


def _found[Answer](ask: Callable[[], Answer]) -> Answer | None:
    try:
        return ask()
    except ClientError as error:
        if is_not_found(error):
            return None
        raise
