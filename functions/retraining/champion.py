"""The champion: the model that answers now, if one does; and whether that is about to change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from rounds import Endpoint, Model, is_absent

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

    from rounds import Store


def champion(store: Store, sagemaker: SageMakerClient, endpoint: str) -> Model | None:
    """The live model with its archive, or nothing.

    The table is not asked alone: an endpoint that a person deleted serves nobody, and a model that serves nobody must
    not keep a new one from being promoted. While the endpoint is paused on purpose, the model that will answer again
    is the one to beat.
    """
    seen = store.get(Endpoint, endpoint)
    if seen is not None and seen.pause is not None and seen.resumes is not None:
        resting = store.get(Model, seen.resumes)
        return None if resting is None or resting.archive is None else resting
    if seen is None or seen.model is None:
        return None
    model = store.get(Model, seen.model)
    if model is None or model.archive is None or model.status != "live":
        return None
    status = _status(sagemaker, endpoint)
    return None if status in {None, "Failed", "Deleting", "OutOfService"} else model


def deploying(sagemaker: SageMakerClient, endpoint: str) -> bool:
    """Whether a model is on its way to the endpoint, or back: meanwhile live error says nothing about either.

    SageMaker is asked, and not the table: a deployment that nobody recorded the end of must not stop the loop.
    """
    return _status(sagemaker, endpoint) in {"Creating", "Updating", "RollingBack"}


def _status(sagemaker: SageMakerClient, endpoint: str) -> str | None:
    try:
        return sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointStatus"]
    except ClientError as error:
        if is_absent(error):
            return None
        raise
