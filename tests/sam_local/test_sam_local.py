"""Every function with every event of its own, in containers, against the embedded AWS: what it answers and does."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from feature_schema import PROVENANCE_COLUMNS, ROW_COLUMNS, TARGET, VERSION
from monitor.ledger import has_key
from monitor.monitor_state import decode
from monitor.state_store import STATE_KEY
from tests.eventually import eventually

if TYPE_CHECKING:
    from conftest import SamLocal

EVENTS = Path(__file__).resolve().parents[2] / "events"

FUNCTION_OF = {
    "sns-": "forwarder",
    "firehose-": "validator",
    "api-leaderboard": "leaderboard",
    "api-page": "leaderboard",
    "dashboard-": "leaderboard",
    "api-": "inference",
    "alarm-": "retraining",
    "schedule": "retraining",
    "retrain-": "retraining",
    "training-job-": "promotion",
    "endpoint-": "promotion",
    "model-package-": "promotion",
    "promote-": "promotion",
    "pause-": "promotion",
    "resume-": "promotion",
    "reconcile": "promotion",
    "samples-": "monitor",
}
"""Whose event a file is, by how its name begins; the first that fits."""


def function_of(event: str) -> str:
    return next(function for start, function in FUNCTION_OF.items() if event.startswith(start))


def read(event: str) -> Any:
    return json.loads((EVENTS / f"{event}.json").read_text())


def names(function: str) -> list[str]:
    return sorted(path.stem for path in EVENTS.glob("*.json") if function_of(path.stem) == function)


def records(sam_local: SamLocal) -> set[str]:
    """The partition keys (SNS message ids) of everything in the stream."""
    kinesis = sam_local.laptop.client("kinesis")
    (stream,) = kinesis.list_streams()["StreamNames"]
    found = set()
    for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
        iterator = kinesis.get_shard_iterator(
            StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        found |= {record["PartitionKey"] for record in kinesis.get_records(ShardIterator=iterator)["Records"]}
    return found


def quarantined(sam_local: SamLocal) -> int:
    s3 = sam_local.laptop.client("s3")
    listed = s3.list_objects_v2(Bucket=sam_local.stack.bucket, Prefix="quarantine/").get("Contents", [])
    return sum(
        len(s3.get_object(Bucket=sam_local.stack.bucket, Key=entry["Key"])["Body"].read().splitlines())
        for entry in listed
    )


def items(sam_local: SamLocal, kind: str) -> list[dict[str, Any]]:
    answer = sam_local.laptop.client("dynamodb").query(
        TableName=sam_local.stack.table,
        KeyConditionExpression="kind = :kind",
        ExpressionAttributeValues={":kind": {"S": kind}},
    )
    return list(answer["Items"])


def test_every_event_file_belongs_to_a_function(sam_local: SamLocal) -> None:
    assert {function_of(path.stem) for path in EVENTS.glob("*.json")} == set(sam_local.functions)


@pytest.mark.parametrize("event", names("forwarder"))
def test_forwarder_puts_each_message_into_the_stream(sam_local: SamLocal, event: str) -> None:
    given = read(event)
    answer = sam_local.invoke("forwarder", given)
    assert answer["forwarded"] == len(given["Records"])
    assert {record["Sns"]["MessageId"] for record in given["Records"]} <= records(sam_local)


@pytest.mark.parametrize("event", names("validator"))
def test_validator_writes_rows_and_quarantines_bad_lines(sam_local: SamLocal, event: str) -> None:
    given, before = read(event), quarantined(sam_local)
    answer = sam_local.invoke("validator", given)
    assert [record["recordId"] for record in answer["records"]] == [record["recordId"] for record in given["records"]]
    for record in answer["records"]:
        if record["result"] == "Ok":
            rows = base64.b64decode(record["data"]).decode().splitlines()
            assert {row.count(",") + 1 for row in rows} == {len(ROW_COLUMNS)}
    lines = [base64.b64decode(record["data"]).rstrip(b"\n").count(b"\n") + 1 for record in given["records"]]
    kept = sum(
        base64.b64decode(record["data"]).count(b"\n") for record in answer["records"] if record["result"] == "Ok"
    )
    assert quarantined(sam_local) - before == sum(lines) - kept
    if event == "firehose-broken":
        assert quarantined(sam_local) > before


@pytest.mark.parametrize("event", names("inference"))
def test_inference_answers_good_requests_and_rejects_bad_ones(sam_local: SamLocal, event: str) -> None:
    answer = sam_local.invoke("inference", read(event))
    if "bad" in event or "no-features" in event:
        assert answer["statusCode"] == 400
        assert json.loads(answer["body"])["reason"]
        return
    assert answer["statusCode"] == 200
    if event == "api-liveinference":
        assert float(answer["body"]) > 0
        return
    body = json.loads(answer["body"])
    for prediction in body.get("predictions", [body]):
        assert prediction[TARGET.name] > 0
        assert prediction["source"] == "fallback"  # nothing serves here


@pytest.mark.parametrize("event", names("leaderboard"))
def test_leaderboard_without_a_model_responds(sam_local: SamLocal, event: str) -> None:
    answer = sam_local.invoke("leaderboard", read(event))
    match event:
        case "api-leaderboard":
            assert answer["statusCode"] == 200
            assert json.loads(answer["body"])["leaderboard"] is not None
        case "api-page":
            assert answer["statusCode"] == 200
            assert answer["headers"]["content-type"].startswith("text/html")
            assert "<h1>Leaderboard</h1>" in answer["body"]
        case "dashboard-widget-describe":
            assert answer.startswith("## Leaderboard")
        case _:
            assert 'class="dwell widget dark' in answer


@pytest.mark.parametrize("event", [name for name in names("retraining") if name.startswith("alarm-")])
def test_alarm_without_new_samples_is_refused_and_recorded(sam_local: SamLocal, event: str) -> None:
    before = len(items(sam_local, "decision"))
    sam_local.invoke("retraining", read(event))
    sam_local.invoke("retraining", read(event))  # the same event twice is one decision
    decisions = items(sam_local, "decision")
    assert len(decisions) == before + 1
    assert {decision["outcome"]["S"] for decision in decisions} == {"refuse"}


def test_schedule_checks_the_alarms(sam_local: SamLocal) -> None:
    before = len(items(sam_local, "round"))
    sam_local.invoke("retraining", read("schedule"))
    assert len(items(sam_local, "round")) == before


def test_operator_request_starts_a_training_job(sam_local: SamLocal) -> None:
    # given a stored object of samples
    store_samples(sam_local, "samples/date=2026-11-23/hour=06/a.gz")
    # when an operator asks
    sam_local.invoke("retraining", read("retrain-manual"))
    # then the job is there, once, and so is the round
    sagemaker = sam_local.laptop.client("sagemaker")
    (job,) = sagemaker.list_training_jobs()["TrainingJobSummaries"]
    sam_local.invoke("retraining", read("retrain-manual"))
    assert len(sagemaker.list_training_jobs()["TrainingJobSummaries"]) == 1
    (begun,) = items(sam_local, "round")
    assert job["TrainingJobName"] == begun["job"]["S"]


def test_job_end_is_recorded_in_its_round(sam_local: SamLocal) -> None:
    # given the job above, which one row could not train
    sagemaker = sam_local.laptop.client("sagemaker")
    (job,) = sagemaker.list_training_jobs()["TrainingJobSummaries"]
    name = job["TrainingJobName"]
    ended = eventually(
        lambda: sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"], lambda s: s != "InProgress"
    )
    assert ended == "Failed"
    # when its event arrives (again: the deployed function has had it)
    event = read("training-job-failed")
    body = json.loads(event["Records"][0]["body"])
    body["detail"] |= {"TrainingJobName": name, "TrainingJobStatus": ended}
    event["Records"][0]["body"] = json.dumps(body)
    sam_local.invoke("promotion", event)
    # then the round says so
    (begun,) = items(sam_local, "round")
    assert begun["status"]["S"] == "failed"


@pytest.mark.parametrize("event", names("monitor"))
def test_monitor_measures_a_stored_object(sam_local: SamLocal, event: str) -> None:
    # given the object that the event names
    (record,) = read(event)["Records"]
    key = json.loads(record["body"])["detail"]["object"]["key"]
    store_samples(sam_local, key)
    # when its event arrives, again: the deployed function has had one of its own
    sam_local.invoke("monitor", read(event))
    # then the state knows it, and a repetition measures nothing
    state = sam_local.laptop.client("s3").get_object(Bucket=sam_local.stack.bucket, Key=STATE_KEY)["Body"].read()
    assert has_key(decode(state).ledger, key)
    assert sam_local.invoke("monitor", read(event)) == {"measured": 0}


def store_samples(sam_local: SamLocal, key: str) -> None:
    """Store an object with one sample, as Firehose would."""
    numbers = ["1000"] * (len(ROW_COLUMNS) - len(PROVENANCE_COLUMNS))
    row = ",".join(
        [*numbers, "s", "r", "f", "2026-11-23T06:39:00.000Z", "", "", "", str(VERSION), "2026-11-23T06:39:00.789Z", ""]
    )
    sam_local.laptop.client("s3").put_object(Bucket=sam_local.stack.bucket, Key=key, Body=gzip.compress(row.encode()))


@pytest.mark.parametrize("event", names("promotion"))
def test_events_about_unknown_resources_change_nothing(sam_local: SamLocal, event: str) -> None:
    """The files name jobs and endpoints that are not there: an event alone proves nothing."""
    before = (items(sam_local, "round"), items(sam_local, "model"))
    answer = sam_local.client.invoke(
        FunctionName=sam_local.functions["promotion"], Payload=json.dumps(read(event)).encode()
    )
    answer["Payload"].read()
    assert (items(sam_local, "round"), items(sam_local, "model")) == before
