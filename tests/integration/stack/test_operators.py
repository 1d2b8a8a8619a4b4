"""The operators' commands, against the real template on an emulator."""

from __future__ import annotations

import base64
import json
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from typer.testing import CliRunner

from dwell.commands.app import app
from dwell.demo.bucket_contents import BucketContents
from dwell.local.emulator_process import ROOT
from feature_schema import FEATURES, TARGET
from tests.eventually import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from dwell.client.stack import Stack

ROW = [int(field.minimum) for field in (TARGET, *FEATURES)]
FEATURE_CELLS = ",".join(str(cell) for cell in ROW[1:])


def dwell(*arguments: str, status: int = 0) -> Any:
    """The command with ``--json``; what it printed, read."""
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == status, result.output + result.stderr
    return json.loads(result.stdout) if status == 0 else result.stderr


def stored(stack: Stack) -> list[str]:
    storage = BucketContents.create(boto3.Session().client("s3"), stack.bucket)
    storage.read()
    return list(storage.samples()["sample_id"])


# --- who may ask ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/leaderboard", f"/liveinference?features={FEATURE_CELLS}"])
def test_unsigned_request_is_denied(on_stack: Stack, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(on_stack.api_url + path, timeout=20)  # noqa: S310 (the emulator's own URL)
    refused.value.close()
    assert refused.value.code == 403


# --- operators -----------------------------------------------------------------------------------------------------


def test_file_published_twice_is_stored_once(on_stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("".join(f"{ROW[0] + number},{FEATURE_CELLS}\n" for number in range(200)))
    before = len(stored(on_stack))

    assert dwell("publish", str(file))["published"] == 200
    assert dwell("publish", str(file))["published"] == 0

    eventually(lambda: len(set(stored(on_stack))), lambda count: count >= before + 200)


def test_file_with_an_invalid_line_is_refused_with_its_number(on_stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(f"{ROW[0]},{FEATURE_CELLS}\nx,{FEATURE_CELLS}\n")
    assert f"line 2: wrong_type:{TARGET.name}" in dwell("publish", str(file), status=2)


def test_quarantined_lines_are_replayed_once_they_are_valid(
    on_stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given lines that were refused
    file = tmp_path / "rows.csv"
    file.write_text("".join(f"{-1 - number},{FEATURE_CELLS}\n" for number in range(3)))
    before, reason = dwell("quarantine"), f"out_of_range:{TARGET.name}"
    lines, others = before["lines"], before["reasons"].get(reason, 0)
    assert dwell("publish", str(file), "--refused", "send")["published"] == 3
    found = eventually(lambda: dwell("quarantine", "--examples", "1"), lambda seen: seen["lines"] == lines + 3)
    assert found["reasons"][reason] == others + 3
    assert found["examples"][reason]
    # when nothing has changed, nothing goes back
    assert dwell("replay")["replayed"] == 0
    # when a line is accepted by now (here: it is repaired by hand), it goes back, once
    s3, due, fault = boto3.Session().client("s3"), 0, f'\\"{TARGET.name}\\":-'
    for entry in s3.list_objects_v2(Bucket=on_stack.bucket, Prefix="quarantine/")["Contents"]:
        body = s3.get_object(Bucket=on_stack.bucket, Key=entry["Key"])["Body"].read().decode()
        due += body.count(fault)
        repaired = body.replace(fault, fault.removesuffix("-"))
        s3.put_object(Bucket=on_stack.bucket, Key=entry["Key"], Body=repaired.encode())
    rows = len(stored(on_stack))
    assert due >= 3
    assert dwell("replay", "--dry-run")["replayed"] == due
    assert dwell("replay")["replayed"] == due
    assert dwell("replay")["replayed"] == 0
    eventually(lambda: len(stored(on_stack)), lambda count: count == rows + due)
    assert dwell("quarantine")["reasons"].get(reason, 0) == others + 3 - due


def test_redrive_sends_failed_events_and_batches_back(on_stack: Stack) -> None:
    session = boto3.Session()
    # given an event of the topic that the forwarder could not handle, as Lambda keeps it
    functions = session.client("lambda")
    arn = functions.get_function(FunctionName=f"{on_stack.name}-forwarder")["Configuration"]["FunctionArn"]
    event = json.loads((ROOT / "events" / "sns-workshop-row.json").read_text())
    failure = {
        "requestContext": {"functionArn": f"{arn}:$LATEST", "condition": "RetriesExhausted"},
        "requestPayload": event,
        "responsePayload": {
            "errorType": "PutRecordsFailedError",
            "errorMessage": "the stream rejected 1 entries",
        },
    }
    session.client("sqs").send_message(QueueUrl=on_stack.failures_queue, MessageBody=json.dumps(failure))
    # and a batch that the validator failed on, as Firehose keeps it
    row = f"{ROW[0]},{FEATURE_CELLS}"
    batch = {
        "attemptsMade": 4,
        "arrivalTimestamp": int(time.time() * 1000),
        "errorCode": "Lambda.FunctionError",
        "errorMessage": "it returned an error result.",
        "rawData": base64.b64encode(f"{row}\n{row}".encode()).decode(),
    }
    key = "failed/processing-failed/date=2026-11-23/batch"
    session.client("s3").put_object(Bucket=on_stack.bucket, Key=key, Body=json.dumps(batch).encode() + b"\n")
    rows = len(stored(on_stack))
    # when somebody looks, nothing moves
    seen = dwell("redrive", "--dry-run")
    (waits,) = seen["events"]
    assert (waits["function"], waits["outcome"]) == (f"{on_stack.name}-forwarder", "would_go_back")
    assert (seen["batches"]["records"], seen["batches"]["lines"]) == (1, 2)
    # when it is sent back, all of it arrives, once
    assert dwell("redrive") == {**seen, "events": [{**waits, "outcome": "sent"}], "dry_run": False}
    assert dwell("redrive") == {
        "events": [], "batches": {"objects": 0, "records": 0, "lines": 0, "errors": [], "stays": []}, "dry_run": False,
    }  # fmt: skip
    eventually(lambda: len(stored(on_stack)), lambda count: count == rows + 3)


def test_redriven_poison_message_returns_to_the_queue(on_stack: Stack) -> None:
    # given an event that no attempt can handle
    functions = boto3.Session().client("lambda")
    poison = json.dumps({"source": "nowhere"}).encode()
    functions.invoke(FunctionName=on_stack.retraining_function, InvocationType="Event", Payload=poison)

    def waiting() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = dwell("redrive", "--dry-run")["events"]
        return found

    (first,) = eventually(waiting, lambda found: len(found) == 1)
    assert "UnknownEventError" in first["error"]
    # when it is sent back
    assert len(dwell("redrive")["events"]) == 1
    # then it fails again, and waits again
    (second,) = eventually(waiting, lambda found: len(found) == 1)
    assert second["message_id"] != first["message_id"]
    boto3.Session().client("sqs").purge_queue(QueueUrl=on_stack.failures_queue)


def test_operator_trains_a_first_model_under_a_name(on_stack: Stack, tmp_path: Path) -> None:
    # given samples from which something can be learnt
    file = tmp_path / "rows.csv"
    file.write_text("".join(f"{ROW[0] + 1_000 + 7 * (number % 50)},{_varied(number)}\n" for number in range(1_500)))
    before = len(set(stored(on_stack)))
    dwell("publish", str(file))
    eventually(lambda: len(set(stored(on_stack))), lambda count: count >= before + 1_500)
    time.sleep(1.1)  # S3 tells whole seconds, so a dataset takes what was stored before the second of its cut-off
    # when an operator asks for a round and waits
    result = dwell("retrain", "--reason", "a first model", "--entrant", "night-shift", "--wait", "--patience", "120")
    # then it is decided, trained and recorded under the name
    assert result["decision"]["outcome"] == "start"
    assert result["round"]["status"] in {"promoted", "kept"}
    # (alarms of other tests' requests may have been decided on since)
    decided = [decision for decision in dwell("decisions", "--limit", "100") if decision["cause"] == "manual"]
    assert decided[0]["facts"]["note"] == "a first model"
    assert dwell("rounds")[0]["round"] == result["round"]["round"]
    assert {entry["entrant"] for entry in dwell("leaderboard")} == {"night-shift"}


def _varied(number: int) -> str:
    """Features inside their bounds, of which the first follows the target."""
    spans = [min(int(field.maximum - field.minimum), 40) or 1 for field in FEATURES]
    first = int(FEATURES[0].minimum) + 10 * (number % 50)
    others = [
        int(field.minimum) + (number * (position + 3)) % spans[position] for position, field in enumerate(FEATURES)
    ]
    return ",".join(str(cell) for cell in [first, *others[1:]])


@pytest.mark.parametrize(
    "command", ["leaderboard", "rounds", "decisions", "quarantine", "replay", "redrive", "retrain", "pause", "resume"]
)
def test_missing_stack_is_named(on_stack: Stack, command: str) -> None:
    assert "there is no stack 'nowhere'" in dwell(command, "--stack", "nowhere", status=1)


def test_tables_are_printed_without_the_json_option(on_stack: Stack) -> None:
    for command in ("leaderboard", "rounds", "decisions", "quarantine", "replay", "redrive"):
        result = CliRunner().invoke(app, [command])
        assert result.exit_code == 0, result.output
        assert result.output.strip()
