"""The endpoint's predictions for rows that name no model, asked once an object and kept beside its key.

A rebuild of the state reads them instead of asking again: the model of then may not serve any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from feature_schema import get_schema_hash
from monitor.step import Answer
from rounds.s3_prefixes import MONITOR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

    from monitor.stored_rows import StoredRow


class _Response(msgspec.Struct):
    model: str
    schema_hash: str
    predictions: list[float]


def answers_key(object_key: str) -> str:
    """Where the answers for the rows of a stored object are kept."""
    return f"{MONITOR}answers/{object_key}.json"


def load_answers(s3: S3Client, bucket: str, object_key: str) -> dict[str, Answer] | None:
    """The answers by sample id as they were given; None if the endpoint was not asked about this object."""
    try:
        response = s3.get_object(Bucket=bucket, Key=answers_key(object_key))
    except s3.exceptions.NoSuchKey:
        return None
    return msgspec.json.decode(response["Body"].read(), type=dict[str, Answer])


def store_answers(s3: S3Client, bucket: str, object_key: str, answers: dict[str, Answer]) -> None:
    """Keep the answers beside the object's key."""
    s3.put_object(Bucket=bucket, Key=answers_key(object_key), Body=msgspec.json.encode(answers))


def ask(runtime: SageMakerRuntimeClient, endpoint_name: str, rows: Sequence[StoredRow]) -> dict[str, Answer]:
    """The endpoint's predictions by sample id, from one request; none if it fails, since that costs a measure only.

    A model of another schema reads the columns as something else, so that its predictions are none.
    """
    if not rows:
        return {}
    try:
        response = runtime.invoke_endpoint(
            EndpointName=endpoint_name,
            ContentType="text/csv",
            Accept="application/json",
            Body="\n".join(row.features for row in rows).encode(),
        )
        parsed = msgspec.json.decode(response["Body"].read(), type=_Response)
    except (BotoCoreError, ClientError, msgspec.MsgspecError):
        return {}
    if parsed.schema_hash != get_schema_hash() or len(parsed.predictions) != len(rows):
        return {}
    return {
        row.sample_id: Answer(parsed.model, predicted) for row, predicted in zip(rows, parsed.predictions, strict=True)
    }
