"""The training job of a round: one request to SageMaker."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from retraining.source_archive import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker.literals import S3DataTypeType, TrainingInstanceTypeType
    from mypy_boto3_sagemaker.type_defs import ChannelTypeDef, CreateTrainingJobRequestTypeDef

    from retraining.settings import Settings

VOLUME_GB = 30


@dataclass(frozen=True, slots=True)
class TrainingJobSpec:
    """What is to be trained. ``champion`` is the S3 URI of an archive; ``source`` the URI of the folder of the code."""

    name: str
    round: str
    cause: str
    entrant: str | None
    manifest: str
    description: str
    source: str
    champion: str | None
    hyperparameters: Mapping[str, Any]


def request(order: TrainingJobSpec, settings: Settings) -> CreateTrainingJobRequestTypeDef:
    """The request for ``CreateTrainingJob``.

    The container has no network: its code comes as a channel, and ``PIP_NO_BUILD_ISOLATION=0`` keeps pip, which
    installs that code, from looking for build tools on the internet (``=1`` does not).
    """
    tags = {"stack": settings.stack, "round": order.round, "cause": order.cause}
    if order.entrant is not None:
        tags["entrant"] = order.entrant
    channels = [
        _channel("samples", order.manifest, "ManifestFile"),
        _channel("dataset", order.description),
        _channel("code", order.source),
    ]
    if order.champion is not None:
        channels.append(_channel("champion", order.champion))
    job: CreateTrainingJobRequestTypeDef = {
        "TrainingJobName": order.name,
        "RoleArn": settings.training_role,
        "AlgorithmSpecification": {
            "TrainingImage": settings.training_image,
            "TrainingInputMode": "File",
        },
        "HyperParameters": {
            **{name: _text(value) for name, value in order.hyperparameters.items()},
            "sagemaker_program": PROGRAM,
            "sagemaker_submit_directory": "/opt/ml/input/data/code/sourcedir.tar.gz",
        },
        "InputDataConfig": channels,
        "OutputDataConfig": {"S3OutputPath": f"s3://{settings.bucket}/training"},
        "ResourceConfig": {
            "InstanceType": cast("TrainingInstanceTypeType", settings.instance_type),
            "InstanceCount": 1,
            "VolumeSizeInGB": VOLUME_GB,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": settings.max_seconds},
        "EnableNetworkIsolation": True,
        "Environment": {"PIP_NO_BUILD_ISOLATION": "0"},
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }
    if settings.key:
        job["OutputDataConfig"]["KmsKeyId"] = settings.key
        job["ResourceConfig"]["VolumeKmsKeyId"] = settings.key
    return job


def start(sagemaker: SageMakerClient, job: CreateTrainingJobRequestTypeDef) -> bool:
    """Start the job; False if it was started before. Its name says which round it belongs to, so that is the same."""
    try:
        sagemaker.create_training_job(**job)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceInUse":
            return False
        raise
    return True


def _channel(name: str, uri: str, kind: S3DataTypeType = "S3Prefix") -> ChannelTypeDef:
    return {
        "ChannelName": name,
        "InputMode": "File",
        "DataSource": {
            "S3DataSource": {"S3DataType": kind, "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"},
        },
    }


def _text(value: object) -> str:
    """SageMaker's hyperparameters are text; the container decodes JSON."""
    return value if isinstance(value, str) else json.dumps(value)
