"""A deployed stack whose roles lose one action at a time, and what is done on it under each role."""

from __future__ import annotations

import base64
import contextlib
import copy
import io
import json
import tarfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from rounds import Endpoint, Lock, Model, Round, Store
from tests.template import ROOT, as_list

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dwell.local.laptop import Laptop
    from dwell.stack import Stack as Deployed
    from tests.privileges.grants import Grant

PROBE = "probe"
"""Names of what is made beside the stack begin with it, so that none of the stack's own rules sees them."""


def eventually[T](look: Callable[[], T], until: Callable[[T], bool] = bool, seconds: float = 60) -> T:
    """What ``look`` answers once that is good; fails with what it answered last."""
    end = time.monotonic() + seconds
    while not until(seen := look()):
        assert time.monotonic() < end, seen
        time.sleep(0.1)
    return seen


@dataclass(slots=True)
class Stage:
    """The stack after one whole loop, with its rules off: nothing happens that a test does not start."""

    laptop: Laptop
    stack: Deployed
    physical: dict[str, str]
    """Physical ids of the stack's resources by logical id."""
    items: list[dict[str, Any]] = field(default_factory=list)
    """The table as the loop left it."""
    job: dict[str, Any] = field(default_factory=dict)
    """The loop's training job, as SageMaker describes it."""
    told: str = ""
    """The retraining function's last answer."""

    def client(self, service: str) -> Any:
        """A client with the account's own keys, which may do everything."""
        return self.laptop.client(service)

    # --- taking away -----------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def without(self, grant: Grant) -> Iterator[None]:
        """The role's policy without the one action, for the time of a ``with`` block."""
        iam, role = self.client("iam"), self.physical[grant.role]
        whole = iam.get_role_policy(RoleName=role, PolicyName=grant.policy)["PolicyDocument"]
        reduced = copy.deepcopy(whole)
        statement = reduced["Statement"][grant.statement]
        actions, places = as_list(statement["Action"]), as_list(statement["Resource"])
        assert grant.action in actions, f"the deployed policy has no {grant}"
        if len(actions) > 1:
            statement["Action"] = [action for action in actions if action != grant.action]
        else:
            del reduced["Statement"][grant.statement]
        if grant.resource is not None:  # the action stays on the statement's other resources
            others = [place for number, place in enumerate(places) if number != grant.resource]
            reduced["Statement"].append({**statement, "Action": grant.action, "Resource": others})
        self._put(role, grant.policy, reduced)
        try:
            yield
        finally:
            self._put(role, grant.policy, whole)

    def _put(self, role: str, policy: str, document: dict[str, Any]) -> None:
        self.client("iam").put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document))

    # --- what happened ---------------------------------------------------------------------------------------

    def log_size(self) -> int:
        """Where the emulator's log ends now."""
        return Path(self.laptop.log).stat().st_size

    def log_since(self, position: int) -> str:
        """What the emulator has logged since: what services do that answer nobody."""
        with Path(self.laptop.log).open("rb") as log:
            log.seek(position)
            return log.read().decode(errors="replace")

    def invoke(self, function: str, event: Mapping[str, Any]) -> str:
        """What a function answers to an event."""
        answer = self.client("lambda").invoke(FunctionName=self.physical[function], Payload=json.dumps(event))
        return str(answer["Payload"].read().decode())

    def invoke_and_log(self, function: str, event: Mapping[str, Any]) -> str:
        """What a function answers, and what it logs meanwhile: for one that answers whatever happens."""
        answer = self.client("lambda").invoke(
            FunctionName=self.physical[function], Payload=json.dumps(event), LogType="Tail"
        )
        return f"{answer['Payload'].read().decode()} {base64.b64decode(answer['LogResult']).decode()}"

    def lost_log(self, function: str) -> str:
        """What the emulator says of a function's log if it is lost; else the log must have grown."""
        logs, group, start = self.client("logs"), f"/aws/lambda/{self.physical[function]}", self.log_size()

        def written() -> int:
            return sum(
                len(page["events"]) for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group)
            )

        before = written()
        self.invoke(function, {})
        lost = "\n".join(line for line in self.log_since(start).splitlines() if "The log of" in line)
        assert lost or written() > before, f"nothing more in {group}"
        return lost

    @contextlib.contextmanager
    def results_gone(self) -> Iterator[None]:
        """The loop's job left no results, for the time of a ``with`` block."""
        s3, bucket = self.client("s3"), self.stack.bucket
        key = f"training/{self.job['TrainingJobName']}/output/output.tar.gz"
        marker = s3.delete_object(Bucket=bucket, Key=key)["VersionId"]
        try:
            yield
        finally:
            s3.delete_object(Bucket=bucket, Key=key, VersionId=marker)

    # --- functions -------------------------------------------------------------------------------------------

    def event(self, name: str) -> dict[str, Any]:
        """An event of ``events/``."""
        content: dict[str, Any] = json.loads((ROOT / "events" / f"{name}.json").read_text())
        return content

    def fail(self, function: str) -> str:
        """Send a function what it cannot handle, and wait until that is in the queue, or lost."""
        start, marker = self.log_size(), uuid.uuid4().hex
        event = {"source": marker, "Records": [{"not": "of SNS"}]}
        self.client("lambda").invoke(
            FunctionName=self.physical[function], InvocationType="Event", Payload=json.dumps(event)
        )
        url = self.physical["FailuresQueue"]

        def settled() -> str:
            answer = self.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
            messages = answer.get("Messages", [])
            for message in messages:
                self.client("sqs").delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            log = self.log_since(start)
            lost = next((line for line in log.splitlines() if "The failed event of" in line), "")
            return lost or ("queued" if any(marker in message["Body"] for message in messages) else "")

        return eventually(settled, seconds=20)

    def ask_for_a_round(self, reason: str) -> list[str]:
        """The rounds that start because somebody asks: one, or none."""
        event = {"source": "dwell.operator", "id": uuid.uuid4().hex, "reason": reason}
        self.told = self.invoke("RetrainingFunction", event)
        decisions = json.loads(self.told).get("decisions", [])
        return [one["round"] for one in decisions if one["outcome"] == "start"]

    def retrain(self) -> str:
        """Ask for a round; a job that this starts is stopped at once."""
        sagemaker = self.client("sagemaker")
        for name in self.ask_for_a_round("to see what it takes"):
            with contextlib.suppress(sagemaker.exceptions.ClientError):  # named by the second, it may be one of before
                sagemaker.stop_training_job(TrainingJobName=f"{self.stack.name}-{name}")
        return self.told

    def promote(self) -> str:
        """Tell the promotion function that the loop's job has ended."""
        event = self.event("training-job-completed")
        event["detail"]["TrainingJobName"] = self.job["TrainingJobName"]
        return self.invoke("PromotionFunction", event)

    def tell_of_endpoint(self) -> str:
        """Tell the promotion function that the endpoint has changed."""
        event = self.event("endpoint-in-service")
        event["detail"]["EndpointName"] = self.stack.endpoint
        return self.invoke("PromotionFunction", event)

    # --- the table -------------------------------------------------------------------------------------------

    @property
    def _table(self) -> Any:
        resource = boto3.resource(
            "dynamodb",
            endpoint_url=self.laptop.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        return resource.Table(self.stack.table)

    @property
    def store(self) -> Store:
        """The records, with the account's keys."""
        return Store(self._table)

    def remember_records(self) -> None:
        """Keep the table as it is now, for ``put_back_records``."""
        self.items = self._table.scan()["Items"]

    def put_back_records(self, *kinds: str) -> None:
        """The table with the loop's records of these kinds, and nothing else."""
        table = self._table
        for item in table.scan()["Items"]:
            table.delete_item(Key={"kind": item["kind"], "name": item["name"]})
        for item in self.items:
            if item["kind"] in kinds:
                table.put_item(Item=item)

    def put_back_round(self) -> None:
        """The loop's round as it was when its job ended: nothing is recorded, nothing made of its result."""
        self.put_back_records(Round.kind, Lock.kind)
        self.store.change(
            Round,
            self.round.name,
            lambda one: one.model_copy(update={"status": "started", "candidates": (), "promoted": None}),
        )
        sagemaker, name = self.client("sagemaker"), self.resource_name
        with contextlib.suppress(sagemaker.exceptions.ClientError):
            sagemaker.delete_endpoint_config(EndpointConfigName=name)
        with contextlib.suppress(sagemaker.exceptions.ClientError):
            sagemaker.delete_model(ModelName=name)

    @property
    def round(self) -> Round:
        """The loop's one round."""
        (item,) = [item for item in self.items if item["kind"] == Round.kind]
        return Round.model_validate_json(json.dumps(item, default=float))

    @property
    def resource_name(self) -> str:
        """The name of the promoted model, and of its endpoint configuration, in SageMaker."""
        return f"{self.stack.name}-{self.round.promoted}"

    @property
    def archive(self) -> str:
        """Where the promoted model's archive is."""
        return str(self.job["ModelArtifacts"]["S3ModelArtifacts"])

    # --- SageMaker -------------------------------------------------------------------------------------------

    def endpoint(self, state: str) -> None:
        """Bring the stack's endpoint to ``none``, ``failed``, or ``serving`` something that the loop did not make."""
        sagemaker, name = self.client("sagemaker"), self.stack.endpoint

        def status() -> str:
            try:
                return str(sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"])
            except sagemaker.exceptions.ClientError:
                return "none"

        settled = ("none", "InService", "Failed")
        now = eventually(status, lambda one: one in settled)
        configuration = f"{PROBE}-{state}"
        if now != "none" and (
            state == "none" or sagemaker.describe_endpoint(EndpointName=name)["EndpointConfigName"] != configuration
        ):
            sagemaker.delete_endpoint(EndpointName=name)
            now = eventually(status, lambda one: one == "none")
        if state != "none" and now == "none":
            self.configure(configuration, self.archive if state == "serving" else self.archive + ".not-there")
            sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=configuration)
            eventually(status, lambda one: one == {"serving": "InService", "failed": "Failed"}[state])

    def configure(self, name: str, archive: str) -> None:
        """A model under the stack's serving role, and an endpoint configuration, unless they are there."""
        sagemaker = self.client("sagemaker")
        with contextlib.suppress(sagemaker.exceptions.ClientError):
            sagemaker.create_model(
                ModelName=name,
                PrimaryContainer={
                    "Image": self.job["AlgorithmSpecification"]["TrainingImage"],
                    "ModelDataUrl": archive,
                    "Environment": {
                        "SAGEMAKER_PROGRAM": "serving.py",
                        "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
                        "PIP_NO_BUILD_ISOLATION": "0",
                    },
                },
                ExecutionRoleArn=self._role("ServingRole"),
            )
            variant = {"VariantName": "live", "ModelName": name, "InitialInstanceCount": 1}
            sagemaker.create_endpoint_config(
                EndpointConfigName=name,
                ProductionVariants=[{**variant, "InstanceType": "ml.t2.medium", "InitialVariantWeight": 1.0}],
            )

    def serve(self, until: Callable[[str], bool]) -> str:
        """Bring the loop's archive up on an endpoint of its own; what is told of it once that is settled."""
        sagemaker, name, start = self.client("sagemaker"), f"{PROBE}-{uuid.uuid4().hex[:8]}", self.log_size()
        self.configure(f"{PROBE}-serving", self.archive)
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=f"{PROBE}-serving")
        try:

            def told() -> str:
                endpoint = sagemaker.describe_endpoint(EndpointName=name)
                return f"{endpoint['EndpointStatus']} {endpoint.get('FailureReason', '')} {self.log_since(start)}"

            return eventually(told, lambda one: until(one) or not one.startswith("Creating"))
        finally:
            eventually(lambda: sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] != "Creating")
            sagemaker.delete_endpoint(EndpointName=name)

    def train(self) -> str:
        """A job with the channels of the loop's and a script of two lines; why it failed, and what was logged."""
        sagemaker, name, start = self.client("sagemaker"), f"{PROBE}-{uuid.uuid4().hex[:8]}", self.log_size()
        channels = {one["ChannelName"]: copy.deepcopy(one) for one in self.job["InputDataConfig"]}
        channels["code"]["DataSource"]["S3DataSource"]["S3Uri"] = self._script()
        champion = copy.deepcopy(channels["dataset"]) | {"ChannelName": "champion"}
        champion["DataSource"]["S3DataSource"]["S3Uri"] = self.archive
        channels["champion"] = champion
        sagemaker.create_training_job(
            TrainingJobName=name,
            RoleArn=self._role("TrainingRole"),
            AlgorithmSpecification={
                name: self.job["AlgorithmSpecification"][name] for name in ("TrainingImage", "TrainingInputMode")
            },
            InputDataConfig=list(channels.values()),
            **{
                one: self.job[one]
                for one in ("HyperParameters", "OutputDataConfig", "ResourceConfig", "StoppingCondition", "Environment")
            },
            EnableNetworkIsolation=True,
        )

        def ended() -> dict[str, Any]:
            job: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=name)
            return job

        job = eventually(ended, lambda one: one["TrainingJobStatus"] in ("Completed", "Failed"))
        return f"{job['TrainingJobStatus']} {job.get('FailureReason', '')} {self.log_since(start)}"

    def _script(self) -> str:
        """The address of a source archive that does nothing but leave a model."""
        script = b"import os, pathlib\npathlib.Path(os.environ['SM_MODEL_DIR'], 'model').write_text('1')\n"
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w:gz") as archive:
            member = tarfile.TarInfo("train.py")
            member.size = len(script)
            archive.addfile(member, io.BytesIO(script))
        key = f"source/{PROBE}/sourcedir.tar.gz"
        self.client("s3").put_object(Bucket=self.stack.bucket, Key=key, Body=content.getvalue())
        return f"s3://{self.stack.bucket}/source/{PROBE}/"

    def _role(self, name: str) -> str:
        return str(self.client("iam").get_role(RoleName=self.physical[name])["Role"]["Arn"])

    # --- delivery --------------------------------------------------------------------------------------------

    def deliver(self, line: bytes, until: Callable[[str], bool]) -> str:
        """A line through a delivery stream like the stack's, with short buffers; what the emulator logged of it."""
        firehose, name, start = self.client("firehose"), f"{PROBE}-{uuid.uuid4().hex[:8]}", self.log_size()
        described = firehose.describe_delivery_stream(DeliveryStreamName=self.physical["SamplesDelivery"])
        destination = described["DeliveryStreamDescription"]["Destinations"][0]["ExtendedS3DestinationDescription"]
        settings = copy.deepcopy(destination)
        settings["BufferingHints"]["IntervalInSeconds"] = 0
        for parameter in settings["ProcessingConfiguration"]["Processors"][0]["Parameters"]:
            short = {"BufferIntervalInSeconds": "0", "NumberOfRetries": "1"}
            parameter["ParameterValue"] = short.get(parameter["ParameterName"], parameter["ParameterValue"])
        stream, role = self.client("kinesis").describe_stream(StreamName=self.physical["SamplesStream"]), "DeliveryRole"
        firehose.create_delivery_stream(
            DeliveryStreamName=name,
            DeliveryStreamType="KinesisStreamAsSource",
            KinesisStreamSourceConfiguration={
                "KinesisStreamARN": stream["StreamDescription"]["StreamARN"],
                "RoleARN": self._role(role),
            },
            ExtendedS3DestinationConfiguration=settings,
        )
        try:
            self.client("kinesis").put_record(
                StreamName=self.physical["SamplesStream"], Data=line, PartitionKey=uuid.uuid4().hex
            )

            def told() -> str:
                return "\n".join(entry for entry in self.log_since(start).splitlines() if name in entry)

            return eventually(told, lambda one: until(one) or "records, " in one, seconds=30)
        finally:
            self.client("firehose").delete_delivery_stream(DeliveryStreamName=name)

    def model_waits(self) -> None:
        """The loop's model as a candidate that is wanted behind an endpoint on which another one serves."""
        self.put_back_records(Round.kind, Model.kind, Endpoint.kind)
        promoted = str(self.round.promoted)
        self.store.change(Model, promoted, lambda one: one.model_copy(update={"status": "candidate"}))
        self.store.change(
            Endpoint, self.stack.endpoint, lambda one: one.model_copy(update={"model": None, "wanted": promoted})
        )
