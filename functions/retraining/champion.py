"""The champion, the model that a round's candidates have to beat, and whether a deployment is in progress."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from rounds import Endpoint, Model, is_not_found

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

    from rounds import Store


def find_champion(store: Store, sagemaker: SageMakerClient, endpoint: str) -> Model | None:
    """The model to beat, if there is one and its archive is kept.

    It is the model that serves once all changes in progress have succeeded, because promotion compares with that one
    at the end of the round. A round against the model that is being replaced would be of no use.

    The table alone does not decide: if a person deleted the endpoint, its last model serves no requests and must not
    prevent a promotion. A paused endpoint is deleted on purpose, and its model stays the champion.
    """
    record = store.get(Endpoint, endpoint)
    model = None if record is None or record.next_model is None else store.get(Model, record.next_model)
    if record is None or model is None or model.archive is None:
        return None
    if record.pause is not None:
        return model
    status = _get_status(sagemaker, endpoint)
    return None if status in {None, "Failed", "Deleting", "OutOfService"} else model


def is_deploying(sagemaker: SageMakerClient, endpoint: str) -> bool:
    """Whether the endpoint is changing its model: meanwhile live error describes neither model.

    SageMaker's status decides and not the table: a deployment whose end was not recorded must not stop retraining.
    """
    return _get_status(sagemaker, endpoint) in {"Creating", "Updating", "RollingBack"}


def _get_status(sagemaker: SageMakerClient, endpoint: str) -> str | None:
    try:
        return sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointStatus"]
    except ClientError as error:
        if is_not_found(error):
            return None
        raise
