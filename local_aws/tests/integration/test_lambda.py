"""Functions behave as on Lambda where ministack alone does not."""

from __future__ import annotations

import base64
import concurrent.futures
import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local_aws.lambda_.functions import MAX_ENVIRONMENTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_aws.tests.integration.factories import LocalAws

    MakeFunction = Callable[..., str]


def invoke(aws: LocalAws, function: str, event: object = None) -> tuple[Any, str, str | None]:
    """Payload, log and kind of error (``FunctionError``) of one invocation."""
    response = aws.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event), LogType="Tail")
    return (
        json.loads(response["Payload"].read()),
        base64.b64decode(response.get("LogResult", "")).decode(),
        response.get("FunctionError"),
    )


def test_an_invocation_log_has_exactly_its_own_lines(aws: LocalAws, make_function: MakeFunction) -> None:
    # given a handler that prints to both streams, for some events only
    function = make_function("""
        import sys
        def handler(event, context):
            for line in event:
                print(line)
                print(line.upper(), file=sys.stderr)
            return len(event)
    """)
    # when it gets events one after another
    results = [invoke(aws, function, lines) for lines in ([], ["one", "two"], [], ["three"])]
    # then each log has the lines of its event, and none without any
    assert [result for result, _, _ in results] == [0, 2, 0, 1]
    printed = [[line for line in log.splitlines() if "RequestId" not in line] for _, log, _ in results]
    assert printed == [[], ["one", "ONE", "two", "TWO"], [], ["three", "THREE"]]


def test_bytes_are_returned_unread(aws: LocalAws, make_function: MakeFunction) -> None:
    # given a handler that returns bytes: JSON, and a text that is no JSON
    function = make_function("""
        def handler(event, context):
            return event["text"].encode()
    """)
    payloads = []
    for text in ('{"records": [1]}', "no JSON"):
        response = aws.client("lambda").invoke(FunctionName=function, Payload=json.dumps({"text": text}))
        assert "FunctionError" not in response
        payloads.append(response["Payload"].read())
    # then the runtime passes them on unread
    assert json.loads(payloads[0]) == {"records": [1]}
    assert payloads[1] == b"no JSON"


def test_an_exception_is_reported_and_keeps_the_environment(aws: LocalAws, make_function: MakeFunction) -> None:
    # given a handler that counts in its module, and fails on request
    function = make_function("""
        count = 0
        def handler(event, context):
            global count
            count += 1
            if event == "fail":
                raise LookupError("no such pod")
            return count
    """)
    invoke(aws, function)
    # when it fails
    payload, log, error = invoke(aws, function, "fail")
    # then the payload describes the exception, and the same environment serves the next event
    assert error == "Unhandled"
    assert (payload["errorType"], payload["errorMessage"]) == ("LookupError", "no such pod")
    assert any("index.py" in frame for frame in payload["stackTrace"])
    assert "LookupError: no such pod" in log
    assert invoke(aws, function)[0] == 3


@pytest.mark.parametrize(
    ("source", "error_type"),
    [
        ("import nothing_of_that_name", "Runtime.ImportModuleError"),
        ("other = None", "Runtime.HandlerNotFound"),
        ("def handler(event, context): return {1, 2}", "Runtime.MarshalError"),
        ("import os\ndef handler(event, context): os._exit(3)", "Runtime.ExitError"),
        ("import time\ndef handler(event, context): time.sleep(60)", "Sandbox.Timedout"),
    ],
)
def test_a_broken_handler_reports_the_kind_of_error(
    aws: LocalAws, make_function: MakeFunction, source: str, error_type: str
) -> None:
    payload, _, error = invoke(aws, make_function(source, timeout=1))
    assert (error, payload["errorType"]) == ("Unhandled", error_type)


def test_function_has_only_its_own_environment(
    aws: LocalAws, make_function: MakeFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a function with a variable, and a search for modules of the local AWS
    function = make_function(
        """
        import importlib.util, os, sys
        def handler(event, context):
            modules = [name for name in ("local_aws", "hooks", "guardian") if importlib.util.find_spec(name)]
            return {"environment": dict(os.environ), "path": sys.path, "modules": modules,
                    "milliseconds": context.get_remaining_time_in_millis(), "name": context.function_name}
        """,
        variables={"STREAM_NAME": "samples"},
    )
    # when it reports its environment
    report, _, _ = invoke(aws, function)
    # then it has its own variables and Lambda's, and nothing of the process that started it
    environment = report["environment"]
    assert environment["STREAM_NAME"] == "samples"
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == report["name"] == function.rpartition(":")[2]
    assert environment["AWS_ENDPOINT_URL"] == aws.endpoint_url
    assert environment["AWS_ACCESS_KEY_ID"] != "test"  # its role's
    assert not {"PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "AUTH", "LOCAL_AWS_IMAGE_PYTHON"} & environment.keys()
    assert environment["TMPDIR"].startswith(aws.folder)
    assert report["modules"] == []
    assert 0 < report["milliseconds"] <= 10_000


def test_code_precedes_layers_and_later_layers_earlier(aws: LocalAws, make_function: Any) -> None:
    first = make_function.layer({"python/shared.py": "name = 'first'", "python/index.py": "name = 'layer'"})
    last = make_function.layer({"python/shared.py": "name = 'last'"})
    function = make_function(
        "import shared\ndef handler(event, context): return [shared.name, shared.__cached__]", layers=[first, last]
    )
    (name, compiled), _, _ = invoke(aws, function)
    assert name == "last"
    # and layers are unpacked and compiled once for all environments
    assert compiled.startswith(aws.folder)
    assert Path(compiled).exists()


def test_more_events_than_environments_wait(aws: LocalAws, make_function: MakeFunction) -> None:
    # given a handler that returns only once the most that may run at once do so
    bucket = f"barrier-{uuid.uuid4()}"
    aws.client("s3").create_bucket(Bucket=bucket)
    function = make_function(
        """
        import boto3, time
        def handler(event, context):
            s3 = boto3.client("s3")
            s3.put_object(Bucket=event["bucket"], Key=str(event["number"]))
            while context.get_remaining_time_in_millis() > 1000:
                if s3.list_objects_v2(Bucket=event["bucket"])["KeyCount"] >= event["expected"]:
                    return True
                time.sleep(0.5)
        """,
        allow=[{"Effect": "Allow", "Action": ["s3:PutObject", "s3:ListBucket"], "Resource": "*"}],
        timeout=50,
    )
    # when more events arrive at once
    events = [
        {"bucket": bucket, "number": number, "expected": MAX_ENVIRONMENTS} for number in range(MAX_ENVIRONMENTS + 2)
    ]
    with concurrent.futures.ThreadPoolExecutor(len(events)) as threads:
        results = list(threads.map(lambda event: invoke(aws, function, event)[0], events))
    # then that many ran at once, and the others were processed too
    assert results == [True] * len(events)


def test_a_failed_asynchronous_event_goes_to_its_destination(
    aws: LocalAws, make_function: MakeFunction, make_queue: Callable[[], tuple[str, str]]
) -> None:
    # given a function that always fails, with one retry and a queue for failures that its role may use
    url, queue_arn = make_queue()
    attempts_url, attempts_arn = make_queue()
    function = make_function(
        """
        import boto3
        def handler(event, context):
            boto3.client("sqs").send_message(QueueUrl=event["attempts"], MessageBody=context.aws_request_id)
            raise RuntimeError("always")
        """,
        allow=[{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": [queue_arn, attempts_arn]}],
    )
    aws.client("lambda").put_function_event_invoke_config(
        FunctionName=function,
        MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": queue_arn}},
    )
    # when an event is sent
    aws.client("lambda").invoke(
        FunctionName=function, InvocationType="Event", Payload=json.dumps({"attempts": attempts_url})
    )
    # then it is in the queue after two attempts with one request id
    (message,) = receive(aws, url)
    failure = json.loads(message)
    assert failure["requestPayload"] == {"attempts": attempts_url}
    assert failure["responsePayload"]["errorMessage"] == "always"
    assert failure["requestContext"]["condition"] == "RetriesExhausted"
    first, second = receive(aws, attempts_url)
    assert first == second


@pytest.mark.parametrize("logs", [True, False])
def test_a_log_is_written_only_if_the_role_allows_it(aws: LocalAws, make_function: MakeFunction, logs: bool) -> None:
    function = make_function("def handler(event, context): print('seen')", logs=logs)
    invoke(aws, function)
    groups = aws.client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{function.rpartition(':')[2]}")
    assert bool(groups["logGroups"]) is logs


def receive(aws: LocalAws, url: str) -> list[str]:
    """The messages of a queue, once there are any."""
    response = aws.client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=20, MaxNumberOfMessages=10)
    return [message["Body"] for message in response.get("Messages", [])]
