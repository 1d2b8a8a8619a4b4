"""The champion: the model that answers, or is about to, if one does; and whether a change is under way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from rounds import Endpoint, Model, is_not_found

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

    from rounds import Store


def champion(store: Store, sagemaker: SageMakerClient, endpoint: str) -> Model | None:
    """The model to beat, with its archive, or nothing.

    It is the one that will answer, as promotion judges it at the end of the round: a round that is asked for while a
    model is on its way would else be fought against the one that it replaces, and be for nothing.

    The table is not asked alone: an endpoint that a person deleted serves nobody, and a model that serves nobody must
    not keep a new one from being promoted. While the endpoint is paused it is down on purpose.
    """
    seen = store.get(Endpoint, endpoint)
    model = None if seen is None or seen.next_model is None else store.get(Model, seen.next_model)
    if seen is None or model is None or model.archive is None:
        return None
    if seen.pause is not None:
        return model
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
        if is_not_found(error):
            return None
        raise
