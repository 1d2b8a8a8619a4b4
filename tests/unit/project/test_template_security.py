"""What the template promises: everything encrypted, TLS only, nobody but the account's own, no wildcard unsaid."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.template import PARAMETERS, TEMPLATE, TEXT, as_list, resources

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = {"If": ["MakesKey", {"GetAtt": "EncryptionKey.Arn"}, {"Ref": "EncryptionKeyArn"}]}
"""The stack's key, or the one that the parameter names."""

WHERE: dict[str, tuple[str, ...]] = {
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
"""Where a resource that keeps something names its key."""

KEEPS_NOTHING = {
    "AWS::ApiGatewayV2::Integration",
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::IAM::Role",
    "AWS::KMS::Key",
    "AWS::Lambda::Permission",
    "AWS::Logs::LogStream",  # of an encrypted group
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::SageMaker::ModelPackageGroup",
    "AWS::Serverless::Function",
    "AWS::Serverless::HttpApi",
    "AWS::Serverless::LayerVersion",
}
"""Resources that hold code, rules and names, and nothing that a robot or a planner has said."""


def inside(value: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        value = value[int(part)] if isinstance(value, list) else value.get(part, {})
    return value


def statements(kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every statement of the resource policies of a type, with the policy's logical id."""
    for name, properties in resources(kind).items():
        for statement in properties["PolicyDocument"]["Statement"]:
            yield name, statement


# --- encryption -------------------------------------------------------------------------------------------------------


def test_everything_that_keeps_something_is_encrypted_with_the_key() -> None:
    wrong = {
        name: inside(properties, path)
        for kind, path in WHERE.items()
        for name, properties in resources(kind).items()
        if inside(properties, path) != KEY
    }
    assert wrong == {}


def test_no_kind_of_resource_is_forgotten() -> None:
    """A new kind of resource either names the key, or is known to keep nothing."""
    kinds = {resource["Type"] for resource in TEMPLATE["Resources"].values()}
    assert kinds - WHERE.keys() - KEEPS_NOTHING == set()


def test_the_key_turns_over_and_stays_in_the_account() -> None:
    (key,) = resources("AWS::KMS::Key").values()
    assert key["EnableKeyRotation"] is True
    for statement in key["KeyPolicy"]["Statement"]:
        assert statement["Principal"] != "*"
        # a service may use it for this account only
        if "Service" in statement["Principal"]:
            said = str(statement["Condition"])
            assert "AWS::AccountId" in said, statement["Sid"]


def test_jobs_and_endpoints_are_told_the_key() -> None:
    for function in ("RetrainingFunction", "PromotionFunction"):
        assert resources("AWS::Serverless::Function")[function]["Environment"]["Variables"]["KEY_ARN"] == KEY


# --- who may come in --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "policy", "named_by"),
    [
        ("AWS::S3::Bucket", "AWS::S3::BucketPolicy", "Bucket"),
        ("AWS::SNS::Topic", "AWS::SNS::TopicPolicy", "Topics"),
        ("AWS::SQS::Queue", "AWS::SQS::QueuePolicy", "Queues"),
    ],
)
def test_what_does_not_come_over_tls_is_denied_to_everybody(kind: str, policy: str, named_by: str) -> None:
    denied: set[str] = set()
    for properties in resources(policy).values():
        for statement in properties["PolicyDocument"]["Statement"]:
            plain = statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
            if statement["Effect"] == "Deny" and statement["Principal"] == "*" and plain:
                denied |= {one["Ref"] for one in as_list(properties[named_by])}
    assert denied == set(resources(kind))


def test_only_this_account_may_publish_and_only_its_alarms_tell_operations() -> None:
    allowed = [(name, one) for name, one in statements("AWS::SNS::TopicPolicy") if one["Effect"] == "Allow"]
    principals = {name: one["Principal"] for name, one in allowed}
    own = {"AWS": {"Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}
    assert principals == {"SamplesTopicPolicy": own, "OperationsTopicPolicy": {"Service": "cloudwatch.amazonaws.com"}}
    (alarms,) = [one for name, one in allowed if name == "OperationsTopicPolicy"]
    assert alarms["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    assert {action for _, one in allowed for action in as_list(one["Action"])} == {"sns:Publish"}


@pytest.mark.parametrize("kind", ["AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy"])
def test_bucket_and_queue_let_nobody_in_whom_iam_does_not(kind: str) -> None:
    """Their policies only deny: what is left is what the account's own roles are granted."""
    assert [one for _, one in statements(kind) if one["Effect"] != "Deny"] == []


def test_the_stream_has_no_policy_of_its_own() -> None:
    assert resources("AWS::Kinesis::ResourcePolicy") == {}


def test_no_bucket_is_public() -> None:
    for properties in resources("AWS::S3::Bucket").values():
        assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
        assert len(properties["PublicAccessBlockConfiguration"]) == 4
        assert properties["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
        assert not {"AccessControl", "WebsiteConfiguration", "CorsConfiguration"} & properties.keys()


def test_who_invokes_a_function_is_named_with_its_source() -> None:
    for name, properties in resources("AWS::Lambda::Permission").items():
        assert properties["Principal"].endswith(".amazonaws.com"), name
        assert properties["SourceAccount"] == {"Ref": "AWS::AccountId"}, name
        assert "SourceArn" in properties, name
        assert properties["Action"] == "lambda:InvokeFunction", name
    assert all("FunctionUrlConfig" not in function for function in resources("AWS::Serverless::Function").values())


def test_a_role_trusts_one_service() -> None:
    for name, properties in resources("AWS::IAM::Role").items():
        (statement,) = properties["AssumeRolePolicyDocument"]["Statement"]
        assert list(statement["Principal"]) == ["Service"], name
        assert isinstance(statement["Principal"]["Service"], str), name
        assert not {"ManagedPolicyArns", "PermissionsBoundary"} & properties.keys(), name


def test_every_function_has_a_role_of_its_own() -> None:
    roles = [function["Role"]["GetAtt"] for function in resources("AWS::Serverless::Function").values()]
    assert len(set(roles)) == len(roles)


# --- the API ----------------------------------------------------------------------------------------------------------


def test_every_path_of_the_api_asks_for_a_signature_unless_it_is_opened() -> None:
    (api,) = resources("AWS::Serverless::HttpApi").values()
    document = api["DefinitionBody"]
    scheme = document["components"]["securitySchemes"]["AWS_IAM"]
    assert scheme["x-amazon-apigateway-authtype"] == "awsSigv4"
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert all(operation["security"] == {"If": ["IsOpen", [], [{"AWS_IAM": []}]]} for operation in operations)
    assert PARAMETERS["ApiAuthorization"] == "AWS_IAM"
    said = {
        (event["Properties"]["Path"], event["Properties"]["Method"].lower())
        for function in resources("AWS::Serverless::Function").values()
        for event in function.get("Events", {}).values()
        if event["Type"] == "HttpApi"
    }
    assert said == {(path, method) for path, given in document["paths"].items() for method in given}


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


def granted() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, properties in resources("AWS::IAM::Role").items():
        for policy in properties["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                yield name, statement


def test_no_action_has_a_wildcard() -> None:
    wild = [
        (role, action)
        for role, statement in granted()
        for action in as_list(statement["Action"])
        if "*" in action or "NotAction" in statement
    ]
    assert wild == []


def explained(text: str) -> list[tuple[int, str]]:
    """Lines that grant on everything and say no reason: on the line, in the statement above it, or above that."""
    lines = text.splitlines()
    silent = []
    for number, line in enumerate(lines):
        if not re.search(r"""Resource:\s*(\[\s*)?["']\*["']""", line):
            continue
        first = number
        while not lines[first].lstrip().startswith("- "):
            first -= 1
        above = first - 1
        said = "\n".join(lines[above : number + 1])
        if "#" not in said:
            silent.append((number + 1, line.strip()))
    return silent


def test_a_wildcard_resource_says_why() -> None:
    assert explained(TEXT.partition("\nResources:\n")[2]) == []


def test_a_silent_wildcard_is_seen() -> None:
    silent = "Statement:\n  - Effect: Allow\n    Action: a:b\n    Resource: '*'\n"
    assert explained(silent) == [(4, "Resource: '*'")]
    assert explained(silent.replace("Action: a:b", "# why\n    Action: a:b")) == []


def test_no_resource_but_a_prefix_has_a_wildcard() -> None:
    """A star stands alone with its reason, or ends a prefix that is this stack's or this service's."""
    prefix = re.compile(r"(/|\$\{AWS::StackName\}-|/aws/sagemaker/TrainingJobs|/aws/sagemaker/Endpoints/)\*$")
    for role, statement in granted():
        for resource in as_list(statement["Resource"]):
            text = resource.get("Sub", "") if isinstance(resource, dict) else resource
            text = text[0] if isinstance(text, list) else text
            assert text == "*" or "*" not in text or prefix.search(text), (role, text)


# --- exceptions -------------------------------------------------------------------------------------------------------


def test_an_exception_from_checkov_says_why() -> None:
    skipped = [
        (name, skip)
        for name, resource in TEMPLATE["Resources"].items()
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", [])
    ]
    assert skipped
    assert [name for name, skip in skipped if len(skip.get("comment", "")) < 20] == []
