"""The template encrypts everything, requires TLS, grants access within the account only, and explains wildcards."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from dwell.operations.endpoint_requests import MESSAGE_GROUP
from tests.template import PARAMETERS, TEMPLATE, TEXT, as_list, resources

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = {"If": ["CreateKey", {"GetAtt": "EncryptionKey.Arn"}, {"Ref": "EncryptionKeyArn"}]}
"""The stack's key, or the key of the parameter."""

KEY_PATHS: dict[str, tuple[str, ...]] = {
    "AWS::S3::Bucket": (
        "BucketEncryption",
        "ServerSideEncryptionConfiguration",
        "0",
        "ServerSideEncryptionByDefault",
        "KMSMasterKeyID",
    ),
    "AWS::SNS::Topic": ("KmsMasterKeyId",),
    "AWS::SQS::Queue": ("KmsMasterKeyId",),
    "AWS::Kinesis::Stream": ("StreamEncryption", "KeyId"),
    "AWS::KinesisFirehose::DeliveryStream": (
        "ExtendedS3DestinationConfiguration",
        "EncryptionConfiguration",
        "KMSEncryptionConfig",
        "AWSKMSKeyARN",
    ),
    "AWS::DynamoDB::Table": ("SSESpecification", "KMSMasterKeyId"),
    "AWS::Logs::LogGroup": ("KmsKeyId",),
}
"""The path to the key in the properties of resources that store data."""

WITHOUT_DATA = {
    "AWS::ApiGatewayV2::Integration",
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::Events::Rule",
    "AWS::IAM::Role",
    "AWS::KMS::Key",
    "AWS::Lambda::Permission",
    "AWS::Logs::LogStream",  # of an encrypted group
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::Scheduler::Schedule",
    "AWS::SageMaker::ModelPackageGroup",
    "AWS::Serverless::Function",
    "AWS::Serverless::HttpApi",
    "AWS::Serverless::LayerVersion",
}
"""Resources that hold code, rules and names, but no data of robots or planners."""


def get_path(value: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        value = value[int(part)] if isinstance(value, list) else value.get(part, {})
    return value


def list_statements(kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every statement of the resource policies of a type, with the policy's logical id."""
    for name, properties in resources(kind).items():
        for statement in properties["PolicyDocument"]["Statement"]:
            yield name, statement


# --- encryption -------------------------------------------------------------------------------------------------------


def test_every_resource_with_data_is_encrypted_with_the_key() -> None:
    wrong = {
        name: get_path(properties, path)
        for kind, path in KEY_PATHS.items()
        for name, properties in resources(kind).items()
        if get_path(properties, path) != KEY
    }
    assert wrong == {}


def test_every_resource_type_has_a_key_or_no_data() -> None:
    """A new type of resource has to be added to one of the two lists."""
    kinds = {resource["Type"] for resource in TEMPLATE["Resources"].values()}
    assert kinds - KEY_PATHS.keys() - WITHOUT_DATA == set()


def test_the_key_is_rotated_and_usable_in_the_account_only() -> None:
    (key,) = resources("AWS::KMS::Key").values()
    assert key["EnableKeyRotation"] is True
    for statement in key["KeyPolicy"]["Statement"]:
        assert statement["Principal"] != "*"
        # A service may use it for this account only. EventBridge sends no condition keys with a message to an encrypted
        # queue, so that the queues' policies name its rules instead.
        if statement["Principal"] == {"Service": "events.amazonaws.com"}:
            assert "Condition" not in statement
        elif "Service" in statement["Principal"]:
            assert "AWS::AccountId" in str(statement["Condition"]), statement["Sid"]


def test_jobs_and_endpoints_get_the_key() -> None:
    for function in ("RetrainingFunction", "PromotionFunction"):
        assert resources("AWS::Serverless::Function")[function]["Environment"]["Variables"]["KEY_ARN"] == KEY


# --- access ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "policy", "reference"),
    [
        ("AWS::S3::Bucket", "AWS::S3::BucketPolicy", "Bucket"),
        ("AWS::SNS::Topic", "AWS::SNS::TopicPolicy", "Topics"),
        ("AWS::SQS::Queue", "AWS::SQS::QueuePolicy", "Queues"),
    ],
)
def test_requests_without_tls_are_denied(kind: str, policy: str, reference: str) -> None:
    denied: set[str] = set()
    for properties in resources(policy).values():
        for statement in properties["PolicyDocument"]["Statement"]:
            is_without_tls = statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
            if statement["Effect"] == "Deny" and statement["Principal"] == "*" and is_without_tls:
                denied |= {target["Ref"] for target in as_list(properties[reference])}
    assert denied == set(resources(kind))


def test_only_the_account_and_its_alarms_may_publish() -> None:
    allowed = [
        (name, statement)
        for name, statement in list_statements("AWS::SNS::TopicPolicy")
        if statement["Effect"] == "Allow"
    ]
    principals = {name: statement["Principal"] for name, statement in allowed}
    account = {"AWS": {"Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}
    assert principals == {
        "SamplesTopicPolicy": account,
        "OperationsTopicPolicy": {"Service": "cloudwatch.amazonaws.com"},
    }
    (alarms,) = [statement for name, statement in allowed if name == "OperationsTopicPolicy"]
    assert alarms["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    assert {action for _, statement in allowed for action in as_list(statement["Action"])} == {"sns:Publish"}


def test_bucket_policy_only_denies() -> None:
    """So access is what the account's own roles are granted."""
    statements = [statement for _, statement in list_statements("AWS::S3::BucketPolicy")]
    assert [statement for statement in statements if statement["Effect"] != "Deny"] == []


PROMOTION_RULES = {"TrainingJobEndedRule", "EndpointChangedRule", "ModelReviewedRule"}


def test_queue_policies_allow_their_own_rules_alone() -> None:
    """Other access is what the account's own roles are granted."""
    statements = {name: one for name, one in list_statements("AWS::SQS::QueuePolicy") if one["Effect"] != "Deny"}
    senders = {}
    for name, statement in statements.items():
        assert statement["Principal"] == {"Service": "events.amazonaws.com"}
        assert statement["Action"] == "sqs:SendMessage"
        assert statement["Resource"] == {"GetAtt": f"{name.removesuffix('Policy')}.Arn"}
        sources = as_list(statement["Condition"]["ArnEquals"]["aws:SourceArn"])
        senders[name] = {source["GetAtt"].removesuffix(".Arn") for source in sources}
    assert senders == {
        "FailuresQueuePolicy": PROMOTION_RULES,
        "PromotionQueuePolicy": PROMOTION_RULES,
        "SampleObjectsQueuePolicy": {"SampleObjectsRule"},
    }
    assert set(resources("AWS::Events::Rule")) == set.union(*senders.values())


def test_monitor_measures_one_batch_of_objects_at_a_time() -> None:
    queues, function = resources("AWS::SQS::Queue"), resources("AWS::Serverless::Function")["MonitorFunction"]
    queue = queues["SampleObjectsQueue"]
    (target,) = resources("AWS::Events::Rule")["SampleObjectsRule"]["Targets"]
    assert target["Arn"] == {"GetAtt": "SampleObjectsQueue.Arn"}
    assert target["SqsParameters"] == {"MessageGroupId": "samples"}
    assert queue["FifoQueue"] is queue["ContentBasedDeduplication"] is True
    assert queues["SampleObjectsDeadLetters"]["FifoQueue"] is True
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {"GetAtt": "SampleObjectsDeadLetters.Arn"}
    assert function["Timeout"] < queue["VisibilityTimeout"]


def test_promotion_senders_use_the_one_message_group() -> None:
    rules = resources("AWS::Events::Rule")
    targets = [target for rule in PROMOTION_RULES for target in rules[rule]["Targets"]]
    targets += [schedule["Target"] for schedule in resources("AWS::Scheduler::Schedule").values()]
    assert len(targets) == 4
    for target in targets:
        assert target["Arn"] == {"GetAtt": "PromotionQueue.Arn"}
        assert target["SqsParameters"] == {"MessageGroupId": MESSAGE_GROUP}
        # a rule's and a schedule's dead-letter queue has to be a standard queue
        assert target["DeadLetterConfig"] == {"Arn": {"GetAtt": "FailuresQueue.Arn"}}
    assert "FifoQueue" not in resources("AWS::SQS::Queue")["FailuresQueue"]


def test_failing_promotion_event_is_set_aside_within_two_minutes() -> None:
    queues, function = resources("AWS::SQS::Queue"), resources("AWS::Serverless::Function")["PromotionFunction"]
    queue = queues["PromotionQueue"]
    assert function["Events"] == {
        "Queue": {"Type": "SQS", "Properties": {"Queue": {"GetAtt": "PromotionQueue.Arn"}, "BatchSize": 1}}
    }
    assert queue["FifoQueue"] is queue["ContentBasedDeduplication"] is True
    redrive = queue["RedrivePolicy"]
    assert redrive["deadLetterTargetArn"] == {"GetAtt": "PromotionDeadLetters.Arn"}
    assert queues["PromotionDeadLetters"]["FifoQueue"] is True
    assert function["Timeout"] < queue["VisibilityTimeout"]
    assert queue["VisibilityTimeout"] * redrive["maxReceiveCount"] <= 120


def test_the_stream_has_no_policy_of_its_own() -> None:
    assert resources("AWS::Kinesis::ResourcePolicy") == {}


def test_no_bucket_is_public() -> None:
    for properties in resources("AWS::S3::Bucket").values():
        assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
        assert len(properties["PublicAccessBlockConfiguration"]) == 4
        assert properties["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
        assert not {"AccessControl", "WebsiteConfiguration", "CorsConfiguration"} & properties.keys()


def test_a_permission_to_invoke_names_its_source() -> None:
    for name, properties in resources("AWS::Lambda::Permission").items():
        assert properties["Principal"].endswith(".amazonaws.com"), name
        assert properties["SourceAccount"] == {"Ref": "AWS::AccountId"}, name
        assert "SourceArn" in properties, name
        assert properties["Action"] == "lambda:InvokeFunction", name
    assert all("FunctionUrlConfig" not in function for function in resources("AWS::Serverless::Function").values())


def test_every_role_trusts_one_service() -> None:
    for name, properties in resources("AWS::IAM::Role").items():
        (statement,) = properties["AssumeRolePolicyDocument"]["Statement"]
        assert list(statement["Principal"]) == ["Service"], name
        assert isinstance(statement["Principal"]["Service"], str), name
        assert not {"ManagedPolicyArns", "PermissionsBoundary"} & properties.keys(), name


def test_every_function_has_a_role_of_its_own() -> None:
    roles = [function["Role"]["GetAtt"] for function in resources("AWS::Serverless::Function").values()]
    assert len(set(roles)) == len(roles)


# --- the API ----------------------------------------------------------------------------------------------------------


def test_every_api_path_requires_a_signature_unless_public() -> None:
    (api,) = resources("AWS::Serverless::HttpApi").values()
    document = api["DefinitionBody"]
    scheme = document["components"]["securitySchemes"]["AWS_IAM"]
    assert scheme["x-amazon-apigateway-authtype"] == "awsSigv4"
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert all(operation["security"] == {"If": ["ApiIsPublic", [], [{"AWS_IAM": []}]]} for operation in operations)
    assert PARAMETERS["ApiAuthorization"] == "AWS_IAM"
    routes = {
        (event["Properties"]["Path"], event["Properties"]["Method"].lower())
        for function in resources("AWS::Serverless::Function").values()
        for event in function.get("Events", {}).values()
        if event["Type"] == "HttpApi"
    }
    assert routes == {(path, method) for path, methods in document["paths"].items() for method in methods}


def test_the_api_throttles_and_logs_no_bodies() -> None:
    (api,) = resources("AWS::Serverless::HttpApi").values()
    assert api["DefaultRouteSettings"]["ThrottlingRateLimit"] == {"Ref": "ApiRequestsPerSecond"}
    assert api["DefaultRouteSettings"]["ThrottlingBurstLimit"] == {"Ref": "ApiRequestsPerSecond"}
    logged = set(re.findall(r"\$context\.([A-Za-z.]+)", api["AccessLogSettings"]["Format"]))
    assert logged <= {
        "requestId",
        "routeKey",
        "status",
        "responseLatency",
        "identity.userArn",
        "error.message",
    }


# --- wildcards --------------------------------------------------------------------------------------------------------


def list_grants() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, properties in resources("AWS::IAM::Role").items():
        for policy in properties["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                yield name, statement


def test_no_action_has_a_wildcard() -> None:
    wildcards = [
        (role, action)
        for role, statement in list_grants()
        for action in as_list(statement["Action"])
        if "*" in action or "NotAction" in statement
    ]
    assert wildcards == []


def find_unexplained_wildcards(text: str) -> list[tuple[int, str]]:
    """Return lines that grant access to every resource without a comment in or above their statement."""
    lines = text.splitlines()
    unexplained = []
    for index, line in enumerate(lines):
        if not re.search(r"""Resource:\s*(\[\s*)?["']\*["']""", line):
            continue
        first = index
        while not lines[first].lstrip().startswith("- "):
            first -= 1
        above = first - 1
        statement = "\n".join(lines[above : index + 1])
        if "#" not in statement:
            unexplained.append((index + 1, line.strip()))
    return unexplained


def test_every_wildcard_resource_has_a_comment() -> None:
    assert find_unexplained_wildcards(TEXT.partition("\nResources:\n")[2]) == []


def test_a_wildcard_without_a_comment_is_found() -> None:
    text = "Statement:\n  - Effect: Allow\n    Action: a:b\n    Resource: '*'\n"
    assert find_unexplained_wildcards(text) == [(4, "Resource: '*'")]
    assert find_unexplained_wildcards(text.replace("Action: a:b", "# why\n    Action: a:b")) == []


def test_a_wildcard_is_alone_or_ends_a_prefix() -> None:
    """A prefix has to be the stack's or the service's own."""
    prefix = re.compile(r"(/|\$\{AWS::StackName\}-|/aws/sagemaker/TrainingJobs|/aws/sagemaker/Endpoints/)\*$")
    for role, statement in list_grants():
        for resource in as_list(statement["Resource"]):
            text = resource.get("Sub", "") if isinstance(resource, dict) else resource
            text = text[0] if isinstance(text, list) else text
            assert text == "*" or "*" not in text or prefix.search(text), (role, text)


# --- exceptions -------------------------------------------------------------------------------------------------------


def test_every_checkov_exception_has_a_reason() -> None:
    skipped = [
        (name, skip)
        for name, resource in TEMPLATE["Resources"].items()
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", [])
    ]
    assert skipped
    assert [name for name, skip in skipped if len(skip.get("comment", "")) < 20] == []
