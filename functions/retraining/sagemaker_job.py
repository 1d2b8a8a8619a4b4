"""The request to SageMaker for a round's training job."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from retraining.source_archive import PROGRAM
from rounds import s3_prefixes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker.literals import S3DataTypeType, TrainingInstanceTypeType
    from mypy_boto3_sagemaker.type_defs import ChannelTypeDef, CreateTrainingJobRequestTypeDef

    from retraining.settings import Settings

VOLUME_GB = 30


@dataclass(frozen=True, slots=True)
class TrainingJobSpec:
    """What a round's job trains on. S3 URIs: of files, or of a folder for ``source``.

    ``champion`` is the archive of the model to beat, if there is one.
    """

    name: str
    round: str
    cause: str
    entrant: str | None
    manifest: str
    dataset: str
    source: str
    champion: str | None
    hyperparameters: Mapping[str, Any]


def build_request(job: TrainingJobSpec, settings: Settings) -> CreateTrainingJobRequestTypeDef:
    """The request for ``CreateTrainingJob``.

    The container has no network. Its code therefore comes as a channel, and ``PIP_NO_BUILD_ISOLATION=0`` keeps pip,
    which installs that code, from downloading build tools; despite its name, ``=1`` does not.
    """
    tags = {"stack": settings.stack, "round": job.round, "cause": job.cause}
    if job.entrant is not None:
        tags["entrant"] = job.entrant
    channels = [
        _build_channel("samples", job.manifest, "ManifestFile"),
        _build_channel("dataset", job.dataset),
        _build_channel("code", job.source),
    ]
    if job.champion is not None:
        channels.append(_build_channel("champion", job.champion))
    request: CreateTrainingJobRequestTypeDef = {
        "TrainingJobName": job.name,
        "RoleArn": settings.training_role,
        "AlgorithmSpecification": {
            "TrainingImage": settings.training_image,
            "TrainingInputMode": "File",
        },
        "HyperParameters": {
            **{name: _to_text(value) for name, value in job.hyperparameters.items()},
            "sagemaker_program": PROGRAM,
            "sagemaker_submit_directory": "/opt/ml/input/data/code/sourcedir.tar.gz",
        },
        "InputDataConfig": channels,
        "OutputDataConfig": {"S3OutputPath": f"s3://{settings.bucket}/{s3_prefixes.TRAINING.rstrip('/')}"},
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
        request["OutputDataConfig"]["KmsKeyId"] = settings.key
        request["ResourceConfig"]["VolumeKmsKeyId"] = settings.key
    return request


def create_training_job(sagemaker: SageMakerClient, request: CreateTrainingJobRequestTypeDef) -> bool:
    """Create the job; False if it exists already. Other errors of AWS are raised.

    SageMaker accepts a name once, and the name derives from the round: a job of that name is this round's job.
    """
    try:
        sagemaker.create_training_job(**request)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceInUse":
            return False
        raise
    return True


def _build_channel(name: str, uri: str, data_type: S3DataTypeType = "S3Prefix") -> ChannelTypeDef:
    return {
        "ChannelName": name,
        "InputMode": "File",
        "DataSource": {
            "S3DataSource": {"S3DataType": data_type, "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"},
        },
    }


def _to_text(value: object) -> str:
    """SageMaker's hyperparameters are texts; the container decodes them as JSON."""
    return value if isinstance(value, str) else json.dumps(value)
