"""CloudWatch behaves as on AWS where ministack does not."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from local_aws.tests.integration.factories import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_aws.tests.integration.factories import LocalAws

    MakeFunction = Callable[..., str]
    MakeQueue = Callable[[], tuple[str, str]]

ACCOUNT = "000000000000"
ALARMS_PRINCIPAL = "lambda.alarms.cloudwatch.amazonaws.com"


def unique(kind: str) -> str:
    return f"{kind}-{uuid.uuid4().hex[:12]}"


def dimensions(**values: str) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in values.items()]


def received(aws: LocalAws, url: str) -> dict[str, Any]:
    """The next message of a queue, as JSON."""
    response = aws.client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=20, MaxNumberOfMessages=1)
    (message,) = response.get("Messages", [])
    aws.client("sqs").delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    body: dict[str, Any] = json.loads(message["Body"])
    return body


def total(
    aws: LocalAws, namespace: str, name: str, *, at: float, period: int = 10, **dimension_values: str
) -> dict[str, float] | None:
    """Sum, SampleCount, Minimum and Maximum of a metric within two minutes of ``at``; None without data."""
    response = aws.client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=dimensions(**dimension_values),
        StartTime=at - 120,
        EndTime=at + 120,
        Period=period,
        Statistics=["Sum", "SampleCount", "Minimum", "Maximum"],
    )
    points = response["Datapoints"]
    if not points:
        return None
    return {
        "Sum": sum(point["Sum"] for point in points),
        "SampleCount": sum(point["SampleCount"] for point in points),
        "Minimum": min(point["Minimum"] for point in points),
        "Maximum": max(point["Maximum"] for point in points),
        "periods": len(points),
    }


def stat(
    namespace: str, name: str, statistic: str = "Sum", period: int = 10, **dimension_values: str
) -> dict[str, Any]:
    metric = {"Namespace": namespace, "MetricName": name, "Dimensions": dimensions(**dimension_values)}
    return {"Metric": metric, "Period": period, "Stat": statistic}


# --- metrics ---------------------------------------------------------------------------------------------------


def test_embedded_metrics_of_function_become_metrics(aws: LocalAws, make_function: MakeFunction) -> None:
    # given a function that prints embedded metrics in two dimension sets, one with several values
    namespace = unique("Embedded")
    function = make_function("""
        import json
        def handler(event, context):
            directive = {"Namespace": event["namespace"], "Dimensions": [["service"], ["service", "model"]],
                         "Metrics": [{"Name": "SquaredError", "StorageResolution": 1},
                                     {"Name": "PredictedSamples", "Unit": "Count", "StorageResolution": 1}]}
            print("not a metric")
            print(json.dumps({"_aws": {"Timestamp": event["milliseconds"], "CloudWatchMetrics": [directive]},
                              "service": "shop", "model": "m1", "SquaredError": [1.5, 2.5, 4], "PredictedSamples": 3}))
    """)
    # when it runs twice, for a time of half a minute ago
    at = time.time() - 30
    event = json.dumps({"namespace": namespace, "milliseconds": int(at * 1000)})
    for _ in range(2):
        aws.client("lambda").invoke(FunctionName=function, Payload=event)
    # then each set has the values, at that time and with their unit, and no other set has any
    expected = {"Sum": 16.0, "SampleCount": 6.0, "Minimum": 1.5, "Maximum": 4.0, "periods": 1}
    assert total(aws, namespace, "SquaredError", at=at, service="shop") == expected
    assert total(aws, namespace, "SquaredError", at=at, service="shop", model="m1") == expected
    assert total(aws, namespace, "SquaredError", at=at, model="m1") is None
    assert total(aws, namespace, "SquaredError", at=at) is None
    (point,) = aws.client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName="PredictedSamples",
        Dimensions=dimensions(service="shop"),
        StartTime=at - 60,
        EndTime=at + 60,
        Period=1,
        Statistics=["Average"],
    )["Datapoints"]
    assert (point["Timestamp"].timestamp(), point["Average"], point["Unit"]) == (int(at), 3.0, "Count")


def test_embedded_metrics_in_any_log_stream_count(aws: LocalAws) -> None:
    # given a log stream
    logs, group, namespace, at = aws.client("logs"), unique("group"), unique("Embedded"), time.time()
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="stream")
    directive = {"Namespace": namespace, "Dimensions": [[]], "Metrics": [{"Name": "Count"}]}
    header = {"Timestamp": int(at * 1000), "CloudWatchMetrics": [directive]}
    # when lines come, one of them with metrics, and one that only looks so
    lines = [{"_aws": header, "Count": 4}, {"_aws": header}, {"_aws": 1, "Count": 8}]
    events = [{"timestamp": int(at * 1000), "message": json.dumps(line)} for line in lines]
    logs.put_log_events(logGroupName=group, logStreamName="stream", logEvents=events)
    # then one is a metric, of standard resolution: it lies at the minute
    response = aws.client("cloudwatch").get_metric_data(
        MetricDataQueries=[{"Id": "m1", "MetricStat": stat(namespace, "Count")}], StartTime=at - 120, EndTime=at + 10
    )
    (result,) = response["MetricDataResults"]
    assert result["Values"] == [4.0]
    assert result["Timestamps"][0].timestamp() == at // 60 * 60


def test_get_metric_data_has_exact_dimensions_and_math(aws: LocalAws) -> None:
    # given a metric with dimensions and the same metric without, over three periods
    cloudwatch, namespace = aws.client("cloudwatch"), unique("Data")
    start = time.time() // 10 * 10 - 60
    data = [
        {"MetricName": "a", "Timestamp": start + 1, "Value": 3.0},
        {"MetricName": "a", "Timestamp": start + 9, "Value": 1.0},
        {"MetricName": "a", "Timestamp": start + 21, "Values": [6.0, 2.0], "Counts": [1.0, 3.0]},
        {"MetricName": "a", "Timestamp": start + 2, "Value": 100.0, "Dimensions": dimensions(model="m1")},
        {
            "MetricName": "b",
            "Timestamp": start + 25,
            "StatisticValues": {"SampleCount": 4.0, "Sum": 48.0, "Minimum": 3.0, "Maximum": 20.0},
        },
    ]
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=[datum | {"StorageResolution": 1} for datum in data])
    queries = [
        {"Id": "root", "Expression": "IF(sum >= 4, (b / sum) ^ 0.5, 0)", "Label": "of a sum"},
        {"Id": "sum", "MetricStat": stat(namespace, "a")},
        {"Id": "mean", "MetricStat": stat(namespace, "a", "Average")},
        {"Id": "median", "MetricStat": stat(namespace, "a", "p50")},
        {"Id": "b", "MetricStat": stat(namespace, "b"), "ReturnData": False},
    ]
    # when they are asked for, from within the first period on
    answer = cloudwatch.get_metric_data(MetricDataQueries=queries, StartTime=start + 5, EndTime=start + 30)
    # then periods are aligned, newest first, and nothing leaks from one set of dimensions into another
    results = {result["Id"]: result for result in answer["MetricDataResults"]}
    assert list(results) == ["root", "sum", "mean", "median"]
    assert [moment.timestamp() for moment in results["sum"]["Timestamps"]] == [start + 20, start]
    assert results["sum"]["Values"] == [12.0, 4.0]
    assert results["mean"]["Values"] == [3.0, 2.0]
    assert results["median"]["Values"] == [2.0, 2.0]
    assert results["root"]["Values"] == [2.0, 0.0]
    assert results["root"]["Label"] == "of a sum"


@pytest.mark.parametrize(
    ("expression", "reason"),
    [("SQRT(a)", "no function SQRT"), ("a +", "syntax error"), ("a + missing", "no query"), ("SUM(a)", "time series")],
)
def test_invalid_expression_is_refused(aws: LocalAws, expression: str, reason: str) -> None:
    now = time.time()
    queries = [{"Id": "e", "Expression": expression}, {"Id": "a", "MetricStat": stat("Any", "a")}]
    with pytest.raises(ClientError, match=reason):
        aws.client("cloudwatch").get_metric_data(MetricDataQueries=queries, StartTime=now - 60, EndTime=now)


def test_nan_is_refused(aws: LocalAws) -> None:
    data = [{"MetricName": "a", "Value": float("nan")}]
    with pytest.raises(ClientError, match="values must be finite"):
        aws.client("cloudwatch").put_metric_data(Namespace="Any", MetricData=data)


def test_invocations_by_topic_are_counted(aws: LocalAws, make_function: MakeFunction) -> None:
    # given a function behind a topic, that fails
    function = make_function("def handler(event, context): raise LookupError('no')")
    name, sns = function.rpartition(":")[2], aws.client("sns")
    aws.client("lambda").put_function_event_invoke_config(FunctionName=function, MaximumRetryAttempts=0)
    topic = sns.create_topic(Name=unique("topic"))["TopicArn"]
    aws.client("lambda").add_permission(
        FunctionName=function,
        StatementId="topic",
        Action="lambda:InvokeFunction",
        Principal="sns.amazonaws.com",
        SourceArn=topic,
    )
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=function)
    # when a message comes
    at = time.time()
    sns.publish(TopicArn=topic, Message="hello")
    # then there is one invocation, one error, its duration, and no throttle
    errors = eventually(lambda: total(aws, "AWS/Lambda", "Errors", at=at, FunctionName=name))
    assert (errors["Sum"], errors["SampleCount"]) == (1.0, 1.0)
    invocations = eventually(lambda: total(aws, "AWS/Lambda", "Invocations", at=at, FunctionName=name))
    assert invocations["Sum"] == 1.0
    duration = eventually(lambda: total(aws, "AWS/Lambda", "Duration", at=at, FunctionName=name))
    assert duration["Minimum"] > 0
    throttles = eventually(lambda: total(aws, "AWS/Lambda", "Throttles", at=at, FunctionName=name))
    assert throttles["Sum"] == 0


def test_queue_messages_are_counted(aws: LocalAws, make_queue: MakeQueue) -> None:
    url, arn = make_queue()
    for number in range(3):
        aws.client("sqs").send_message(QueueUrl=url, MessageBody=str(number))
    name, at = arn.rpartition(":")[2], time.time()

    def three() -> bool:
        messages = total(aws, "AWS/SQS", "ApproximateNumberOfMessagesVisible", at=at, QueueName=name)
        return messages is not None and messages["Maximum"] == 3.0

    assert eventually(three)


# --- alarms ----------------------------------------------------------------------------------------------------


def put_alarm(aws: LocalAws, namespace: str, **members: Any) -> str:
    """An alarm on the metric Fallbacks over {service: shop}; its name."""
    name = unique("alarm")
    rule = {
        "Namespace": namespace,
        "MetricName": "Fallbacks",
        "Dimensions": dimensions(service="shop"),
        "Statistic": "Sum",
        "Period": 10,
        "EvaluationPeriods": 1,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 0.0,
        "TreatMissingData": "ignore",
    }
    aws.client("cloudwatch").put_metric_alarm(AlarmName=name, **(rule | members))
    return name


def described(aws: LocalAws, name: str) -> dict[str, Any]:
    (alarm,) = aws.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    description: dict[str, Any] = alarm
    return description


def set_alarm(aws: LocalAws, name: str, value: str) -> None:
    aws.client("cloudwatch").set_alarm_state(AlarmName=name, StateValue=value, StateReason="a test")


def alarm_arn(name: str) -> str:
    return f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:{name}"


def permit(aws: LocalAws, function: str, principal: str = ALARMS_PRINCIPAL, source: str | None = None) -> None:
    aws.client("lambda").add_permission(
        FunctionName=function,
        StatementId="alarm",
        Action="lambda:InvokeFunction",
        Principal=principal,
        SourceAccount=ACCOUNT,
        **({"SourceArn": source} if source else {}),
    )


@pytest.fixture(name="recorder")
def _recorder(make_function: MakeFunction, make_queue: MakeQueue) -> tuple[str, str]:
    """A function that passes its events on to a queue, and the URL of the queue."""
    url, arn = make_queue()
    function = make_function(
        """
        import boto3, json, os
        def handler(event, context):
            boto3.client("sqs").send_message(QueueUrl=os.environ["QUEUE"], MessageBody=json.dumps(event))
        """,
        allow=[{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": arn}],
        variables={"QUEUE": url},
    )
    return function, url


def test_alarms_are_evaluated_by_the_clock(aws: LocalAws, recorder: tuple[str, str]) -> None:
    # given alarms on one metric and on metric math, one on other dimensions, and one on silence
    function, url = recorder
    permit(aws, function)
    namespace = unique("Clock")
    queries = [
        {"Id": "error", "Expression": "IF(n >= 2, (squared / expected) ^ 0.5, 0)", "Label": "error"},
        *[
            {"Id": metric, "MetricStat": stat(namespace, metric, service="shop"), "ReturnData": False}
            for metric in ("n", "squared", "expected")
        ],
    ]
    bad = put_alarm(aws, namespace)
    good = put_alarm(aws, namespace, Threshold=1000.0)
    elsewhere = put_alarm(aws, namespace, Dimensions=dimensions(service="shop", reason="no_model"))
    silent = put_alarm(aws, namespace, MetricName="Never", TreatMissingData="breaching")
    error = unique("alarm")
    aws.client("cloudwatch").put_metric_alarm(
        AlarmName=error,
        AlarmDescription="Live error",
        Metrics=queries,
        EvaluationPeriods=2,
        DatapointsToAlarm=1,
        ComparisonOperator="GreaterThanThreshold",
        Threshold=1.25,
        TreatMissingData="notBreaching",
        AlarmActions=[function],
    )
    # when data come once
    values = {"Fallbacks": 5.0, "n": 2.0, "squared": 90.0, "expected": 10.0}
    aws.client("cloudwatch").put_metric_data(
        Namespace=namespace,
        MetricData=[
            {"MetricName": name, "Value": value, "Dimensions": dimensions(service="shop"), "StorageResolution": 1}
            for name, value in values.items()
        ],
    )
    # then the alarm on metric math goes off with its period, and invokes the function
    event = received(aws, url)
    assert event["alarmArn"] == alarm_arn(error)
    data = event["alarmData"]
    assert (data["state"]["value"], data["configuration"]["description"]) == ("ALARM", "Live error")
    assert data["previousState"]["value"] in ("OK", "INSUFFICIENT_DATA")
    assert [metric["id"] for metric in data["configuration"]["metrics"]] == ["error", "n", "squared", "expected"]
    assert 3.0 in json.loads(data["state"]["reasonData"])["recentDatapoints"]
    description = described(aws, error)
    assert (description["StateReasonData"], description["StateReason"]) == (
        data["state"]["reasonData"],
        data["state"]["reason"],
    )
    assert [query["Id"] for query in description["Metrics"]] == ["error", "n", "squared", "expected"]

    # and so do the others what their series and rules say
    def judged() -> bool:
        return all(described(aws, name)["StateValue"] != "INSUFFICIENT_DATA" for name in (bad, good, silent))

    assert eventually(judged)
    states = [described(aws, name)["StateValue"] for name in (bad, good, silent)]
    assert states == ["ALARM", "OK", "ALARM"]
    assert described(aws, elsewhere)["StateValue"] == "INSUFFICIENT_DATA"
    # and the history tells
    items = aws.client("cloudwatch").describe_alarm_history(AlarmName=error)["AlarmHistoryItems"]
    assert {"ConfigurationUpdate", "StateUpdate", "Action"} == {item["HistoryItemType"] for item in items}
    assert f"Successfully executed action {function}" in [item["HistorySummary"] for item in items]


def test_alarm_notifies_function_topic_and_bus(aws: LocalAws, recorder: tuple[str, str], make_queue: MakeQueue) -> None:
    # given a function that lets this alarm in, a topic and a rule on the event bus with a queue each
    function, url = recorder
    topic_url, topic_queue = make_queue()
    bus_url, bus_queue = make_queue()
    topic = aws.client("sns").create_topic(Name=unique("topic"))["TopicArn"]
    aws.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=topic_queue)
    let_in(aws, topic_url, topic_queue, "sns.amazonaws.com")
    let_in(aws, bus_url, bus_queue, "events.amazonaws.com")
    name = put_alarm(aws, unique("Actions"), AlarmActions=[function, topic], OKActions=[topic])
    permit(aws, function, source=alarm_arn(name))
    pattern = {
        "source": ["aws.cloudwatch"],
        "detail-type": ["CloudWatch Alarm State Change"],
        "resources": [alarm_arn(name)],
        "detail": {"state": {"value": ["ALARM"]}},
    }
    rule = unique("rule")
    aws.client("events").put_rule(Name=rule, EventPattern=json.dumps(pattern))
    aws.client("events").put_targets(Rule=rule, Targets=[{"Id": "queue", "Arn": bus_queue}])
    # when its state changes
    set_alarm(aws, name, "ALARM")
    # then the function gets the event of a direct alarm action
    event = received(aws, url)
    assert (event["source"], event["accountId"], event["region"]) == ("aws.cloudwatch", ACCOUNT, "us-east-1")
    (metric,) = event["alarmData"]["configuration"]["metrics"]
    assert metric["metricStat"]["metric"]["dimensions"] == {"service": "shop"}
    assert event["alarmData"]["state"]["reason"] == "a test"
    # and the topic a notification, the bus an event
    notification = json.loads(received(aws, topic_url)["Message"])
    assert (notification["NewStateValue"], notification["Trigger"]["Statistic"]) == ("ALARM", "SUM")
    bus_event = received(aws, bus_url)
    assert bus_event["resources"] == [alarm_arn(name)]
    assert bus_event["detail"] == event["alarmData"]
    # and an unchanged state sends no message: the next one is about the next change
    set_alarm(aws, name, "ALARM")
    set_alarm(aws, name, "OK")
    assert json.loads(received(aws, topic_url)["Message"])["NewStateValue"] == "OK"
    aws.client("events").remove_targets(Rule=rule, Ids=["queue"])
    aws.client("events").delete_rule(Name=rule)


def let_in(aws: LocalAws, url: str, arn: str, service: str) -> None:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sqs:SendMessage", "Resource": arn}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    aws.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": document})


def test_alarm_action_without_permission_fails(aws: LocalAws, recorder: tuple[str, str]) -> None:
    # given a function that only topics may invoke, and a topic to which only users of its account may publish
    function, url = recorder
    permit(aws, function, principal="sns.amazonaws.com")
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "sns:Publish",
        "Resource": "*",
    }
    topic = aws.client("sns").create_topic(
        Name=unique("topic"), Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})}
    )["TopicArn"]
    name = put_alarm(aws, unique("Refused"), AlarmActions=[function, topic])
    # when the alarm goes off
    set_alarm(aws, name, "ALARM")
    items = aws.client("cloudwatch").describe_alarm_history(AlarmName=name, HistoryItemType="Action")
    failures = [item["HistorySummary"] for item in items["AlarmHistoryItems"]]
    # then the history says what went wrong
    assert len(failures) == 2
    assert any(ALARMS_PRINCIPAL in failure for failure in failures)
    assert any("policy of" in failure for failure in failures)
    # when the function lets alarms in, and the alarm goes off without its actions and then with them
    aws.client("lambda").remove_permission(FunctionName=function, StatementId="alarm")
    permit(aws, function)
    aws.client("cloudwatch").disable_alarm_actions(AlarmNames=[name])
    set_alarm(aws, name, "OK")
    set_alarm(aws, name, "ALARM")
    aws.client("cloudwatch").enable_alarm_actions(AlarmNames=[name])
    set_alarm(aws, name, "OK")
    aws.client("cloudwatch").set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="with actions")
    # then only the last change reached the function
    assert received(aws, url)["alarmData"]["state"]["reason"] == "with actions"


def test_invalid_alarm_is_refused(aws: LocalAws) -> None:
    with pytest.raises(ClientError, match="DatapointsToAlarm must not be greater"):
        put_alarm(aws, "Any", DatapointsToAlarm=2)


# --- CloudFormation --------------------------------------------------------------------------------------------


def template(namespace: str, threshold: float, expression: str) -> str:
    math = [
        {"Id": "error", "Expression": expression, "Label": "error"},
        {"Id": "n", "MetricStat": stat(namespace, "n"), "ReturnData": False},
    ]
    rule = {
        "EvaluationPeriods": 1,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
    }
    plain = {"Namespace": namespace, "MetricName": "n", "Statistic": "Sum", "Period": {"Ref": "Seconds"}}
    resources = {
        "ModelError": {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {**rule, "Metrics": math, "Threshold": threshold},
        },
        "NoModel": {"Type": "AWS::CloudWatch::Alarm", "Properties": {**rule, **plain, "Threshold": threshold}},
        "Dashboard": {
            "Type": "AWS::CloudWatch::Dashboard",
            "Properties": {
                "DashboardName": f"{namespace}-dashboard",
                "DashboardBody": {"Fn::Sub": '{"widgets": [], "start": "${ModelError.Arn}"}'},
            },
        },
    }
    outputs = {
        "Name": {"Value": {"Ref": "ModelError"}},
        "Arn": {"Value": {"Fn::GetAtt": ["ModelError", "Arn"]}},
        "Plain": {"Value": {"Ref": "NoModel"}},
    }
    parameters = {"Seconds": {"Type": "Number", "Default": 10}}
    return json.dumps({"Parameters": parameters, "Resources": resources, "Outputs": outputs})


def test_template_creates_and_updates_alarms(aws: LocalAws) -> None:
    # given a stack with alarms on metric math and on a metric, and a dashboard
    formation, namespace = aws.client("cloudformation"), unique("Stack")
    formation.create_stack(StackName=namespace, TemplateBody=template(namespace, 1.0, "n * 2"))
    formation.get_waiter("stack_create_complete").wait(StackName=namespace, WaiterConfig={"Delay": 1})
    (stack,) = formation.describe_stacks(StackName=namespace)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    alarm = described(aws, outputs["Name"])
    # then they are there, under their names and ARNs
    assert outputs["Arn"] == alarm["AlarmArn"]
    assert alarm["Metrics"][0] == {"Id": "error", "Expression": "n * 2", "Label": "error", "ReturnData": True}
    assert described(aws, outputs["Plain"])["Period"] == 10
    body = aws.client("cloudwatch").get_dashboard(DashboardName=f"{namespace}-dashboard")["DashboardBody"]
    assert json.loads(body)["start"] == outputs["Arn"]
    # when the stack is updated, then so are they, and they keep their state
    set_alarm(aws, outputs["Name"], "ALARM")
    before = described(aws, outputs["Name"])["StateUpdatedTimestamp"]
    formation.update_stack(StackName=namespace, TemplateBody=template(namespace, 3.0, "n * 4"))
    formation.get_waiter("stack_update_complete").wait(StackName=namespace, WaiterConfig={"Delay": 1})
    alarm = described(aws, outputs["Name"])
    assert (alarm["Threshold"], alarm["Metrics"][0]["Expression"]) == (3.0, "n * 4")
    assert alarm["StateUpdatedTimestamp"] >= before
    # when an expression is none that CloudWatch takes, then the update is rolled back
    formation.update_stack(StackName=namespace, TemplateBody=template(namespace, 3.0, "SQRT(n)"))
    formation.get_waiter("stack_rollback_complete").wait(StackName=namespace, WaiterConfig={"Delay": 1})
    assert described(aws, outputs["Name"])["Metrics"][0]["Expression"] == "n * 4"
    # when it is deleted, then they are gone
    formation.delete_stack(StackName=namespace)
    formation.get_waiter("stack_delete_complete").wait(StackName=namespace, WaiterConfig={"Delay": 1})
    names = [outputs["Name"], outputs["Plain"]]
    assert aws.client("cloudwatch").describe_alarms(AlarmNames=names)["MetricAlarms"] == []
