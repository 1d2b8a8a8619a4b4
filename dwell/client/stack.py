"""A deployed stack, looked up by name on AWS or on a laptop, through the usual AWS environment variables."""

from __future__ import annotations

import os
from dataclasses import dataclass

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from dwell.console.aws_errors import explain
from dwell.console.errors import ReportedError

ENDPOINT_URL_VARIABLE = "AWS_ENDPOINT_URL"
"""Set by ``dwell local env`` to the AWS on this laptop."""


class StackError(ReportedError):
    """The stack does not exist, or cannot be looked up; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack's outputs. ``api_url`` is reachable from this machine."""

    name: str
    topic_arn: str
    api_url: str
    bucket: str
    table: str
    endpoint: str
    retraining_function: str
    failures_queue: str
    promotion_queue: str
    promotion_dead_letters: str


def find(name: str) -> Stack:
    """Look up a stack with the usual credentials, region and endpoint. Raises ``StackError``."""
    try:
        (description,) = boto3.Session().client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    except KeyError as error:
        # botocore does not check that a response it could parse comes from CloudFormation
        parser_error = ResponseParserError(f"no {error}")
        raise StackError(f"cannot look up the stack {name!r}: {explain(parser_error)}") from error
    except (BotoCoreError, ClientError, ResponseParserError) as error:
        if isinstance(error, ClientError) and "does not exist" in str(error):
            raise StackError(f"there is no stack {name!r} in this account and region; give --stack") from error
        raise StackError(f"cannot look up the stack {name!r}: {explain(error)}") from error
    outputs = {output["OutputKey"]: output["OutputValue"] for output in description.get("Outputs", [])}
    try:
        return Stack(
            name=name,
            topic_arn=outputs["SamplesTopicArn"],
            api_url=reachable_api_url(outputs["ApiUrl"], outputs["ApiId"]),
            bucket=outputs["DataBucketName"],
            table=outputs["RoundsTableName"],
            endpoint=outputs["EndpointName"],
            retraining_function=outputs["RetrainingFunctionName"],
            failures_queue=outputs["FailuresQueueUrl"],
            promotion_queue=outputs["PromotionQueueUrl"],
            promotion_dead_letters=outputs["PromotionDeadLettersUrl"],
        )
    except KeyError as error:
        raise StackError(f"the stack {name!r} has no output {error}: is it Dwell, and fully deployed?") from error


def reachable_api_url(api_url: str, api_id: str) -> str:
    """The API's URL on AWS; on a laptop, where that host name does not exist, the emulator's path for the API."""
    endpoint = os.environ.get(ENDPOINT_URL_VARIABLE)
    return f"{endpoint.rstrip('/')}/_aws/execute-api/{api_id}/$default" if endpoint else api_url
