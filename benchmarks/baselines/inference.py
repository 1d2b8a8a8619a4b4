"""The workshop's inference: it sends the query's numbers to the endpoint and returns the endpoint's text."""

from __future__ import annotations

import os
from typing import Any

import boto3

runtime = boto3.client("sagemaker-runtime")


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer ``GET /liveinference?features=``."""
    response = runtime.invoke_endpoint(
        EndpointName=os.environ["ENDPOINT_NAME"],
        ContentType="text/csv",
        Body=event["queryStringParameters"]["features"],
    )
    return {"statusCode": 200, "body": response["Body"].read().decode()}
