"""What tests with the SageMaker SDK share: the local AWS, and an account on it that is ready for SageMaker.

They run in an environment of their own (``make test-sdk``), for the SDK weighs a gigabyte.
"""

from __future__ import annotations

import io
import tarfile
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
import pytest
from sagemaker.core.helper.iam_role_resolver import IamRoleResolver
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.training.configs import Compute, InputData, SourceCode
from sagemaker.train import ModelTrainer

from retraining.source_archive import FOLDER
from tests import emulators
from tests.factories.datasets import make_dataset, write_channels

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dwell.local.emulator_process import Laptop

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"

QUIET = """
SchemaVersion: "1.0"
SageMaker:
  PythonSDK:
    Modules:
      TelemetryOptOut: true
"""
"""The SDK's own settings: it would tell AWS, the real one, about each call."""


@dataclass(frozen=True)
class Account:
    """A bucket, a role that SageMaker may use there, and the SDK's session with both."""

    bucket: str
    role: str
    session: Any

    def client(self, service: str) -> Any:
        """A boto3 client, pointed at the local AWS by the environment, as the SDK's are."""
        return boto3.client(service)  # type: ignore[call-overload]  # its overloads want a literal service name


@pytest.fixture(scope="session")
def laptop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    """The local AWS, and this process's environment pointed at it, as ``dwell local env`` would."""
    settings: Path = tmp_path_factory.mktemp("sdk") / "config.yaml"
    settings.write_text(QUIET, encoding="utf-8")
    with (
        emulators.running("sdk", request) as running,
        emulators.environment(running),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("SAGEMAKER_USER_CONFIG_OVERRIDE", str(settings))
        yield running


@pytest.fixture(scope="session")
def account(laptop: Laptop) -> Account:
    """Made with the SDK's own means where it has them."""
    bucket = f"sdk-{uuid.uuid4().hex[:12]}"
    session = Session(default_bucket=bucket)
    assert session.default_bucket() == bucket
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.sleep", lambda _: None)  # it waits ten seconds for IAM to spread the news
        role = IamRoleResolver(session).create_execution_role(role_type="training", s3_resource=bucket)
    return Account(bucket, role, session)


@pytest.fixture(scope="session")
def trained(account: Account, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Our training job, started by hand with the SDK: its trainer, and the job that ended."""
    folder = tmp_path_factory.mktemp("dataset")
    channels = write_channels(folder, make_dataset(2_000).lines)
    job = trainer(account, FOLDER, hyperparameters={"xgboost-max_depth": 4, "xgboost-num_round": 40})
    job.train(
        input_data_config=[
            InputData(channel_name=name.removeprefix("SM_CHANNEL_").lower(), data_source=path)
            for name, path in channels.items()
        ],
        wait=False,
    )
    done = job._latest_training_job
    done.wait(poll=1, timeout=120)
    return job, done


def trainer(account: Account, source: Path, **settings: Any) -> Any:
    """A ModelTrainer for ``train.py`` in a folder."""
    return ModelTrainer(
        **{
            "sagemaker_session": account.session,
            "role": account.role,
            "training_image": IMAGE,
            "base_job_name": f"sdk-{uuid.uuid4().hex[:8]}",
            "source_code": SourceCode(source_dir=str(source), entry_script="train.py"),
            "compute": Compute(instance_type="ml.m5.large", instance_count=1),
            **settings,
        }
    )


def files_at(account: Account, uri: str) -> dict[str, bytes]:
    """The files in a ``.tar.gz`` in S3."""
    place = urlsplit(uri)
    body = account.client("s3").get_object(Bucket=place.netloc, Key=place.path.lstrip("/"))["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        found = {member.name: archive.extractfile(member) for member in archive if member.isfile()}
        return {name: content.read() for name, content in found.items() if content is not None}
