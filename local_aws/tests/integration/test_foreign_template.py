"""A SAM template that has nothing to do with this project deploys and works."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local_aws.tests.integration.factories import eventually

if TYPE_CHECKING:
    from local_aws.tests.integration.factories import LocalAws

TEMPLATE = Path(__file__).with_name("orders.yaml")


def test_alarm_on_metric_math_of_queue_invokes_function(aws: LocalAws) -> None:
    # given a stack with a queue, a function, and an alarm on an expression over two metrics of the queue
    name = f"orders-{uuid.uuid4().hex[:8]}"
    cloudformation = aws.client("cloudformation")
    cloudformation.create_stack(
        StackName=name,
        TemplateBody=TEMPLATE.read_text(),
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    # when two orders wait and two are held: 2 + 2 / 2 is the threshold
    sqs = aws.client("sqs")
    for _ in range(4):
        sqs.send_message(QueueUrl=outputs["QueueUrl"], MessageBody="{}")
    sqs.receive_message(QueueUrl=outputs["QueueUrl"], MaxNumberOfMessages=2)

    # then the alarm invokes the function with its event
    alarm = eventually(lambda: find_logged_alarm(aws, outputs["Function"]))
    assert alarm["alarmName"].startswith(f"{name}-TooManyOrders")
    assert (alarm["previousState"]["value"], alarm["state"]["value"]) in [
        ("OK", "ALARM"),
        ("INSUFFICIENT_DATA", "ALARM"),
    ]
    assert "[3.0 (" in alarm["state"]["reason"]
    cloudformation.delete_stack(StackName=name)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 1})


def find_logged_alarm(aws: LocalAws, function: str) -> dict[str, Any] | None:
    """The first JSON line in the function's log, or None."""
    logs = aws.client("logs")
    for group in logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{function}")["logGroups"]:
        for event in logs.filter_log_events(logGroupName=group["logGroupName"])["events"]:
            if event["message"].startswith("{"):
                alarm: dict[str, Any] = json.loads(event["message"])
                return alarm
    return None
