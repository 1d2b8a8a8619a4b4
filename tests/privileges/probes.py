"""What is tried beside the stack under the roles of its services: endpoints, jobs and delivery streams of tests."""

from __future__ import annotations

import contextlib
import copy
import io
import tarfile
import uuid
from typing import TYPE_CHECKING, Any

from tests.eventually import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.privileges.stage import Stage

PROBE = "probe"
"""Names of what is made here begin with it, so that none of the stack's own rules sees them."""


def bring_endpoint(stage: Stage, state: str) -> None:
    """Bring the stack's endpoint to ``none``, ``failed``, or ``serving`` something that the loop did not make."""
    sagemaker, name = stage.client("sagemaker"), stage.stack.endpoint

    def status() -> str:
        try:
            return str(sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"])
        except sagemaker.exceptions.ClientError:
            return "none"

    settled = ("none", "InService", "Failed")
    now = eventually(status, lambda state: state in settled)
    configuration = f"{PROBE}-{state}"
    if now != "none" and (
        state == "none" or sagemaker.describe_endpoint(EndpointName=name)["EndpointConfigName"] != configuration
    ):
        sagemaker.delete_endpoint(EndpointName=name)
        now = eventually(status, lambda state: state == "none")
    if state != "none" and now == "none":
        _configure(stage, configuration, stage.archive if state == "serving" else stage.archive + ".not-there")
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=configuration)
        eventually(status, lambda status: status == {"serving": "InService", "failed": "Failed"}[state])


def _configure(stage: Stage, name: str, archive: str) -> None:
    """A model under the stack's serving role, and an endpoint configuration, unless they are there."""
    sagemaker = stage.client("sagemaker")
    with contextlib.suppress(sagemaker.exceptions.ClientError):
        sagemaker.create_model(
            ModelName=name,
            PrimaryContainer={
                "Image": stage.job["AlgorithmSpecification"]["TrainingImage"],
                "ModelDataUrl": archive,
                "Environment": {
                    "SAGEMAKER_PROGRAM": "serving.py",
                    "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
                    "PIP_NO_BUILD_ISOLATION": "0",
                },
            },
            ExecutionRoleArn=stage.role_arn("ServingRole"),
        )
        variant = {"VariantName": "live", "ModelName": name, "InitialInstanceCount": 1}
        sagemaker.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[{**variant, "InstanceType": "ml.t2.medium", "InitialVariantWeight": 1.0}],
        )


def replace_what_serves(stage: Stage) -> str:
    """Bring the stack's endpoint to another configuration, watched by an alarm; why that failed, if it did."""
    bring_endpoint(stage, "serving")
    sagemaker, name, other = stage.client("sagemaker"), stage.stack.endpoint, f"{PROBE}-{uuid.uuid4().hex[:8]}"
    _configure(stage, other, stage.archive)
    sagemaker.update_endpoint(
        EndpointName=name,
        EndpointConfigName=other,
        DeploymentConfig={
            "BlueGreenUpdatePolicy": {
                "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}
            },
            "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": stage.physical["NewModelFailuresAlarm"]}]},
        },
    )

    def describe() -> dict[str, Any]:
        endpoint: dict[str, Any] = sagemaker.describe_endpoint(EndpointName=name)
        return endpoint

    endpoint = eventually(describe, lambda description: description["EndpointStatus"] == "InService")
    return f"{endpoint['EndpointConfigName']} {endpoint.get('FailureReason', '')}"


def serve(stage: Stage, until: Callable[[str], bool]) -> str:
    """Bring the loop's archive up on an endpoint of its own; what is told of it once that is settled."""
    sagemaker, name, start = stage.client("sagemaker"), f"{PROBE}-{uuid.uuid4().hex[:8]}", stage.log_size()
    _configure(stage, f"{PROBE}-serving", stage.archive)
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=f"{PROBE}-serving")
    try:

        def describe() -> str:
            endpoint = sagemaker.describe_endpoint(EndpointName=name)
            return f"{endpoint['EndpointStatus']} {endpoint.get('FailureReason', '')} {stage.log_since(start)}"

        return eventually(describe, lambda text: until(text) or not text.startswith("Creating"))
    finally:
        eventually(lambda: sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] != "Creating")
        sagemaker.delete_endpoint(EndpointName=name)


def train(stage: Stage) -> str:
    """A job with the channels of the loop's and a script of two lines; why it failed, and what was logged."""
    sagemaker, name, start = stage.client("sagemaker"), f"{PROBE}-{uuid.uuid4().hex[:8]}", stage.log_size()
    channels = {channel["ChannelName"]: copy.deepcopy(channel) for channel in stage.job["InputDataConfig"]}
    channels["code"]["DataSource"]["S3DataSource"]["S3Uri"] = _script(stage)
    champion = copy.deepcopy(channels["dataset"]) | {"ChannelName": "champion"}
    champion["DataSource"]["S3DataSource"]["S3Uri"] = stage.archive
    channels["champion"] = champion
    sagemaker.create_training_job(
        TrainingJobName=name,
        RoleArn=stage.role_arn("TrainingRole"),
        AlgorithmSpecification={
            name: stage.job["AlgorithmSpecification"][name] for name in ("TrainingImage", "TrainingInputMode")
        },
        InputDataConfig=list(channels.values()),
        **{
            member: stage.job[member]
            for member in ("HyperParameters", "OutputDataConfig", "ResourceConfig", "StoppingCondition", "Environment")
        },
        EnableNetworkIsolation=True,
    )

    def ended() -> dict[str, Any]:
        job: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=name)
        return job

    job = eventually(ended, lambda description: description["TrainingJobStatus"] in ("Completed", "Failed"))
    return f"{job['TrainingJobStatus']} {job.get('FailureReason', '')} {stage.log_since(start)}"


def _script(stage: Stage) -> str:
    """The address of a source archive that does nothing but leave a model."""
    script = b"import os, pathlib\npathlib.Path(os.environ['SM_MODEL_DIR'], 'model').write_text('1')\n"
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        member = tarfile.TarInfo("train.py")
        member.size = len(script)
        archive.addfile(member, io.BytesIO(script))
    key = f"source/{PROBE}/sourcedir.tar.gz"
    stage.client("s3").put_object(Bucket=stage.stack.bucket, Key=key, Body=content.getvalue())
    return f"s3://{stage.stack.bucket}/source/{PROBE}/"


def deliver(stage: Stage, line: bytes, until: Callable[[str], bool]) -> str:
    """A line through a delivery stream like the stack's, with short buffers; what the emulator logged of it."""
    firehose, name, start = stage.client("firehose"), f"{PROBE}-{uuid.uuid4().hex[:8]}", stage.log_size()
    described = firehose.describe_delivery_stream(DeliveryStreamName=stage.physical["SamplesDelivery"])
    destination = described["DeliveryStreamDescription"]["Destinations"][0]["ExtendedS3DestinationDescription"]
    settings = copy.deepcopy(destination)
    settings["BufferingHints"]["IntervalInSeconds"] = 0
    for parameter in settings["ProcessingConfiguration"]["Processors"][0]["Parameters"]:
        short = {"BufferIntervalInSeconds": "0", "NumberOfRetries": "1"}
        parameter["ParameterValue"] = short.get(parameter["ParameterName"], parameter["ParameterValue"])
    stream, role = stage.client("kinesis").describe_stream(StreamName=stage.physical["SamplesStream"]), "DeliveryRole"
    firehose.create_delivery_stream(
        DeliveryStreamName=name,
        DeliveryStreamType="KinesisStreamAsSource",
        KinesisStreamSourceConfiguration={
            "KinesisStreamARN": stream["StreamDescription"]["StreamARN"],
            "RoleARN": stage.role_arn(role),
        },
        ExtendedS3DestinationConfiguration=settings,
    )
    try:
        stage.client("kinesis").put_record(
            StreamName=stage.physical["SamplesStream"], Data=line, PartitionKey=uuid.uuid4().hex
        )

        def describe() -> str:
            return "\n".join(entry for entry in stage.log_since(start).splitlines() if name in entry)

        return eventually(describe, lambda text: until(text) or "records, " in text, seconds=30)
    finally:
        stage.client("firehose").delete_delivery_stream(DeliveryStreamName=name)
