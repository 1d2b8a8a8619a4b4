"""What a client of a deployed stack sees of it, by HTTP and in S3."""

from __future__ import annotations

import gzip
import json
from typing import Any

import boto3
from botocore.credentials import Credentials

from dwell.client.signed_api import SignedApi


class Stack:
    """The stack ``dwell`` on the AWS that the variables ``aws`` point at."""

    def __init__(self, aws: dict[str, str]) -> None:
        keys = aws["AWS_ACCESS_KEY_ID"], aws["AWS_SECRET_ACCESS_KEY"]
        region, url = aws["AWS_REGION"], aws["AWS_ENDPOINT_URL"]
        session = boto3.Session(*keys, region_name=region)
        (stack,) = session.client("cloudformation", endpoint_url=url).describe_stacks(StackName="dwell")["Stacks"]
        outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        self._bucket = outputs["DataBucketName"]
        self._s3 = session.client("s3", endpoint_url=url)
        api = f"{url}/_aws/execute-api/{outputs['ApiId']}/$default"
        self._api = SignedApi(api, credentials=Credentials(*keys), region=region, timeout=20)

    def rows(self) -> list[str]:
        """Every stored row."""
        listed = self._s3.list_objects_v2(Bucket=self._bucket, Prefix="samples/").get("Contents", [])
        bodies = [self._s3.get_object(Bucket=self._bucket, Key=entry["Key"])["Body"].read() for entry in listed]
        return [line for body in bodies for line in gzip.decompress(body).decode().splitlines()]

    def ask(self, body: dict[str, Any]) -> tuple[int, Any]:
        """``POST /predictions``."""
        response = self._api.post("/predictions", json.dumps(body).encode())
        return response.status_code, json.loads(response.content)

    def ask_plainly(self, features: str) -> tuple[int, str]:
        """``GET /liveinference``."""
        response = self._api.get(f"/liveinference?features={features}")
        return response.status_code, response.text
