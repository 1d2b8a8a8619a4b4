"""The workshop's clients, as they are: they publish rows and ask for plain numbers, and they sign no request."""

from __future__ import annotations

import gzip
import http.client
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import boto3
import pytest

from dwell.client.stack import find
from dwell.local import deployment
from feature_schema import FEATURES, TARGET
from tests import emulators
from tests.eventually import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dwell.client.stack import Stack
    from dwell.local.emulator_process import Laptop

OPEN = "dwell-open"
ASKED_A_SECOND = 5
SECONDS = 3

FEATURE_CELLS = ",".join(f"{field.minimum:g}" for field in FEATURES)
ROWS = [f"{TARGET.minimum + number:g},{FEATURE_CELLS}" for number in range(25)]


@pytest.fixture(scope="module")
def open_stack(stack: tuple[Laptop, Stack]) -> Iterator[Stack]:
    """A second stack on the same account, whose API admits everybody."""
    laptop, _ = stack
    with emulators.environment(laptop):
        parameters = {
            "ApiAuthorization": "NONE",
            "EndpointName": "open-endpoint",
            "DashboardName": "OpenDashboard",
            "MinimumSamples": "1000000",
        }
        deployment.deploy(laptop, stack=OPEN, parameters=parameters)
        yield find(OPEN)


class EdgeCompute:
    """A fulfilment centre's edge: one connection, ``GET /liveinference?features=``, a plain number back."""

    def __init__(self, api_url: str) -> None:
        url = urlsplit(api_url)
        self._path = url.path
        self._connection = http.client.HTTPConnection(url.netloc, timeout=20)

    def ask(self, features: str) -> tuple[int, str]:
        """Status and body."""
        self._connection.request("GET", f"{self._path}/liveinference?features={features}")
        response = self._connection.getresponse()
        return response.status, response.read().decode()

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def edge(open_stack: Stack) -> Iterator[EdgeCompute]:
    client = EdgeCompute(open_stack.api_url)
    yield client
    client.close()


def test_workshop_rows_published_one_by_one_are_stored(open_stack: Stack, stack: tuple[Laptop, Stack]) -> None:
    """Each row is stored once, as it was, at the head of a line of the training data."""
    laptop, _ = stack
    sns, s3 = laptop.client("sns"), laptop.client("s3")
    # when
    for row in ROWS:
        sns.publish(TopicArn=open_stack.topic_arn, Message=row)

    def read() -> list[str]:
        objects = s3.list_objects_v2(Bucket=open_stack.bucket, Prefix="samples/").get("Contents", [])
        bodies = [s3.get_object(Bucket=open_stack.bucket, Key=entry["Key"])["Body"].read() for entry in objects]
        return [line for body in bodies for line in gzip.decompress(body).decode().splitlines()]

    # then
    stored = eventually(read, lambda lines: len(lines) >= len(ROWS))
    cells = len(FEATURES) + 1
    heads = [[float(cell) for cell in line.split(",")[:cells]] for line in stored]
    assert sorted(heads) == sorted([float(cell) for cell in row.split(",")] for row in ROWS)
    assert len({line.split(",")[cells] for line in stored}) == len(ROWS), "each has an id of its own"


def test_workshop_client_gets_plain_numbers_5_times_a_second(edge: EdgeCompute) -> None:
    edge.ask(FEATURE_CELLS)  # the first answer waits for a cold start
    began = time.monotonic()
    for asked in range(ASKED_A_SECOND * SECONDS):
        time.sleep(max(0.0, began + asked / ASKED_A_SECOND - time.monotonic()))
        status, body = edge.ask(FEATURE_CELLS)
        assert status == 200
        assert TARGET.minimum <= float(body) <= TARGET.maximum


@pytest.mark.parametrize(
    ("features", "says"),
    [("1,2,3", '"malformed"'), (f"{FEATURE_CELLS},1", '"malformed"'), ("", '"malformed"'), ("x", '"malformed"')],
)
def test_workshop_client_with_a_bad_request_gets_the_reason(edge: EdgeCompute, features: str, says: str) -> None:
    status, body = edge.ask(features)
    assert status == 400
    assert says in body


def test_open_stack_names_its_open_api_in_its_outputs(open_stack: Stack, stack: tuple[Laptop, Stack]) -> None:
    laptop, closed = stack
    assert "ANYBODY" in deployment.get_outputs(laptop, open_stack.name)["ApiAccess"]
    assert "ANYBODY" not in deployment.get_outputs(laptop, closed.name)["ApiAccess"]


def test_unsigned_request_is_denied_by_default(stack: tuple[Laptop, Stack]) -> None:
    _, closed = stack
    client = EdgeCompute(closed.api_url)
    status, _ = client.ask(FEATURE_CELLS)
    client.close()
    assert status == 403


def test_open_api_leaves_other_services_closed(open_stack: Stack) -> None:
    """The topic still wants credentials."""
    stranger = boto3.Session(aws_access_key_id="AKIASTRANGER", aws_secret_access_key="stranger").client("sns")
    with pytest.raises(stranger.exceptions.ClientError) as refused:
        stranger.publish(TopicArn=open_stack.topic_arn, Message=ROWS[0])
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
