"""A deployed stack whose roles lose one action at a time, and what is done on it under each role."""

from __future__ import annotations

import base64
import contextlib
import copy
import gzip
import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from dwell.template import ROOT
from feature_schema import Sample, to_row
from rounds import Endpoint, Model, Round, RoundLock, Store
from tests.eventually import eventually
from tests.factories.samples import make_sample
from tests.template import as_list

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dwell.client.stack import Stack as Deployed
    from dwell.local.emulator_process import Laptop
    from tests.privileges.grants import Grant


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
    response: str = ""
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

    @contextlib.contextmanager
    def variables(self, function: str, **others: str) -> Iterator[None]:
        """Other variables for a function, and so environments that begin anew, for the time of a ``with`` block."""
        client, name = self.client("lambda"), self.physical[function]
        usual = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        client.update_function_configuration(FunctionName=name, Environment={"Variables": usual | others})
        try:
            yield
        finally:
            client.update_function_configuration(FunctionName=name, Environment={"Variables": usual})

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
        self.response = self.invoke("RetrainingFunction", event)
        decisions = json.loads(self.response).get("decisions", [])
        return [decision["round"] for decision in decisions if decision["outcome"] == "start"]

    def retrain(self) -> str:
        """Ask for a round; a job that this starts is stopped at once."""
        sagemaker = self.client("sagemaker")
        for name in self.ask_for_a_round("to see what it takes"):
            with contextlib.suppress(sagemaker.exceptions.ClientError):  # named by the second, it may be one of before
                sagemaker.stop_training_job(TrainingJobName=f"{self.stack.name}-{name}")
        return self.response

    def promotion_event(self, name: str, **detail: str) -> dict[str, Any]:
        """An event of promotion's queue, with other values in the detail of what its message tells."""
        event = self.event(name)
        (record,) = event["Records"]
        body = json.loads(record["body"])
        body["detail"] |= detail
        record["body"] = json.dumps(body)
        return event

    def promote(self) -> str:
        """Tell the promotion function that the loop's job has ended."""
        event = self.promotion_event("training-job-completed", TrainingJobName=self.job["TrainingJobName"])
        return self.invoke("PromotionFunction", event)

    def tell_of_endpoint(self) -> str:
        """Tell the promotion function that the endpoint has changed."""
        event = self.promotion_event("endpoint-in-service", EndpointName=self.stack.endpoint)
        return self.invoke("PromotionFunction", event)

    def send_to_promotion(self) -> str:
        """Send an event to promotion's queue, and wait until it is handled or the emulator logs that it cannot be."""
        body = {"source": "dwell.schedule", "time": uuid.uuid4().hex}
        return self._send(self.stack.promotion_queue, "promotion", body)

    def send_to_monitor(self) -> str:
        """The same of the monitor's queue, with an object that is not there any more once it is read."""
        body = self.stored_object_event(self.store_samples())
        return self._send(self.physical["SampleObjectsQueue"], "samples", json.loads(body["Records"][0]["body"]))

    def _send(self, queue: str, group: str, body: dict[str, Any]) -> str:
        start = self.log_size()
        self.client("sqs").send_message(QueueUrl=queue, MessageGroupId=group, MessageBody=json.dumps(body))
        eventually(lambda: not self._waiting_in(queue) or "receives nothing" in self.log_since(start), seconds=30)
        return self.log_since(start)

    def store_samples(self) -> str:
        """Store an object with one sample that names no model; its key. The stack's own rule is off."""
        recorded_at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        sample = Sample.model_validate_json(
            json.dumps(make_sample(sample_id=uuid.uuid4().hex, recorded_at=recorded_at))
        )
        key = f"samples/{uuid.uuid4().hex}.gz"
        self.client("s3").put_object(
            Bucket=self.stack.bucket,
            Key=key,
            Body=gzip.compress(to_row(sample, received_at=sample.recorded_at).encode()),
        )
        return key

    def stored_object_event(self, key: str) -> dict[str, Any]:
        """The event of the monitor's queue for an object that was stored."""
        event = self.event("samples-stored")
        (record,) = event["Records"]
        body = json.loads(record["body"])
        body["detail"]["object"]["key"] = key
        body["id"] = uuid.uuid4().hex  # content-based deduplication
        record["body"] = json.dumps(body)
        return event

    def measure(self) -> str:
        """Let the monitor measure an object; its response and log, or that the endpoint gave it no answer."""
        key = self.store_samples()
        response = self.invoke_and_log("MonitorFunction", self.stored_object_event(key))
        s3, answers = self.client("s3"), f"monitor/answers/{key}.json"
        try:
            body = s3.get_object(Bucket=self.stack.bucket, Key=answers)["Body"].read()
        except s3.exceptions.NoSuchKey:
            return response
        return response if json.loads(body) else f"not allowed to call sagemaker:InvokeEndpoint? {response}"

    def forget_measures(self) -> None:
        """Delete the monitor's state, as before its first object."""
        s3 = self.client("s3")
        for entry in s3.list_objects_v2(Bucket=self.stack.bucket, Prefix="monitor/").get("Contents", []):
            s3.delete_object(Bucket=self.stack.bucket, Key=entry["Key"])

    def let_the_schedule_send(self) -> str:
        """Let promotion's schedule be due now; what the emulator logs meanwhile."""
        start, before, scheduler = self.log_size(), self._attempts(), self.client("scheduler")
        (name,) = [
            schedule["Name"] for schedule in scheduler.list_schedules()["Schedules"] if "Promotion" in schedule["Name"]
        ]
        due = datetime.now(UTC) + timedelta(seconds=1)
        # a second schedule with the same target and role, since the first one is due once a day
        once = {
            "Name": f"once-{uuid.uuid4().hex}",
            "ScheduleExpression": f"at({due:%Y-%m-%dT%H:%M:%S})",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": scheduler.get_schedule(Name=name)["Target"],
        }
        scheduler.create_schedule(**once)
        try:
            eventually(lambda: self._attempts() > before or "Not delivered" in self.log_since(start), seconds=60)
            return self.log_since(start)
        finally:
            scheduler.delete_schedule(Name=once["Name"])

    def _attempts(self) -> int:
        """How many messages of its schedule promotion has logged."""
        logs, group = self.client("logs"), f"/aws/lambda/{self.physical['PromotionFunction']}"
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
        return sum("dwell.schedule" in event["message"] for page in pages for event in page["events"])

    def _waiting_in(self, queue: str) -> int:
        attributes = self.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        return sum(int(attributes[name]) for name in names)

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
        self.put_back_records(Round.kind, RoundLock.kind)
        self.store.update(
            Round,
            self.round.name,
            lambda round_: round_.model_copy(update={"status": "started", "candidates": (), "promoted": None}),
        )
        sagemaker, name = self.client("sagemaker"), self.resource_name
        with contextlib.suppress(sagemaker.exceptions.ClientError):
            sagemaker.delete_endpoint_config(EndpointConfigName=name)
        with contextlib.suppress(sagemaker.exceptions.ClientError):
            sagemaker.delete_model(ModelName=name)

    def model_waits(self) -> None:
        """The loop's model as a candidate that is wanted behind an endpoint on which another one serves."""
        self.put_back_records(Round.kind, Model.kind, Endpoint.kind)
        promoted = str(self.round.promoted)
        self.store.update(Model, promoted, lambda model: model.model_copy(update={"status": "candidate"}))
        self.store.update(
            Endpoint,
            self.stack.endpoint,
            lambda endpoint: endpoint.model_copy(update={"serving_model": None, "desired_model": promoted}),
        )

    @property
    def round(self) -> Round:
        """The loop's one round."""
        (item,) = [item for item in self.items if item["kind"] == Round.kind]
        return Round.model_validate_json(json.dumps(item, default=float))

    @property
    def promoted(self) -> Model:
        """The model that the loop promoted."""
        (item,) = [item for item in self.items if (item["kind"], item["name"]) == (Model.kind, self.round.promoted)]
        return Model.model_validate_json(json.dumps(item, default=float))

    @property
    def resource_name(self) -> str:
        """The name of the promoted model, and of its endpoint configuration, in SageMaker."""
        return f"{self.stack.name}-{self.round.promoted}"

    @property
    def archive(self) -> str:
        """Where the promoted model's archive is."""
        return str(self.job["ModelArtifacts"]["S3ModelArtifacts"])

    def role_arn(self, role: str) -> str:
        """The ARN of a role by its logical id."""
        return str(self.client("iam").get_role(RoleName=self.physical[role])["Role"]["Arn"])
