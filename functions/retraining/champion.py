"""The champion: the model that answers now, if one does."""

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
    not keep a new one from being promoted.
    """
    seen = store.get(Endpoint, endpoint)
    if seen is None or seen.model is None:
        return None
    model = store.get(Model, seen.model)
    if model is None or model.archive is None or model.status != "live":
        return None
    try:
        status = sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointStatus"]
    except ClientError as error:
        if is_absent(error):
            return None
        raise
    return None if status in {"Failed", "Deleting", "OutOfService"} else model
