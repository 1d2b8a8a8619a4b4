"""Somebody with another problem: one file changes, and the whole loop predicts something else.

The data are Gapminder's, as the package plotly ships them: 142 countries, every five years from 1952 to 2007.
"""

from __future__ import annotations

import gzip
import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pandas as pd
import plotly.data
import pytest
from botocore.credentials import Credentials

from dwell.api import Api
from tests.another_domain.checkout import Deployed, copy, exports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.another_domain.checkout import Checkout

HERE = Path(__file__).parent
pytestmark = pytest.mark.timeout(900)

TARGET = "life_expectancy"
FEATURES = ("year", "population", "gdp_per_person", "latitude", "longitude")
BASELINE = 57.3
NEW = 142 * 3
"""Rows of the last three years there are: a quarter of all, which is the test set."""


def countries() -> pd.DataFrame:
    """Target and features of all countries and years, oldest first."""
    named = {
        "lifeExp": TARGET,
        "pop": "population",
        "gdpPercap": "gdp_per_person",
        "centroid_lat": "latitude",
        "centroid_lon": "longitude",
    }
    found = plotly.data.gapminder(centroids=True).rename(columns=named).sort_values("year", kind="stable")
    return found[[TARGET, *FEATURES]].reset_index(drop=True)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return copy(tmp_path_factory.mktemp("checkout"), HERE / "schema.py", tmp_path_factory.mktemp("tmp"))


@pytest.fixture(scope="module")
def deployed(checkout: Checkout) -> Iterator[Deployed]:
    """Built and deployed as in the README."""
    try:
        checkout.dwell("local", "up", "--port", "0")
        yield Deployed(checkout, exports(checkout.dwell("local", "env")))
    finally:
        checkout.dwell("local", "down")
        assert list(checkout.temporary.iterdir()) == []


class Stack:
    """What a client of the deployed stack sees of it."""

    def __init__(self, deployed: Deployed) -> None:
        self.deployed = deployed
        aws = deployed.aws
        session = boto3.Session(aws["AWS_ACCESS_KEY_ID"], aws["AWS_SECRET_ACCESS_KEY"], region_name=aws["AWS_REGION"])
        (stack,) = session.client("cloudformation", endpoint_url=aws["AWS_ENDPOINT_URL"]).describe_stacks()["Stacks"]
        outputs = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}
        self.bucket = outputs["DataBucketName"]
        self._s3 = session.client("s3", endpoint_url=aws["AWS_ENDPOINT_URL"])
        self._api = Api(
            f"{aws['AWS_ENDPOINT_URL']}/_aws/execute-api/{outputs['ApiId']}/$default",
            credentials=Credentials(aws["AWS_ACCESS_KEY_ID"], aws["AWS_SECRET_ACCESS_KEY"]),
            region=aws["AWS_REGION"],
            timeout=20,
        )

    def rows(self) -> list[str]:
        """Every stored row."""
        listed = self._s3.list_objects_v2(Bucket=self.bucket, Prefix="samples/").get("Contents", [])
        bodies = [self._s3.get_object(Bucket=self.bucket, Key=one["Key"])["Body"].read() for one in listed]
        return [line for body in bodies for line in gzip.decompress(body).decode().splitlines()]

    def ask(self, body: dict[str, Any]) -> tuple[int, Any]:
        """``POST /predictions``."""
        response = self._api.post("/predictions", json.dumps(body).encode())
        return response.status_code, json.loads(response.content)

    def ask_plainly(self, features: str) -> tuple[int, str]:
        """``GET /liveinference``."""
        response = self._api.get(f"/liveinference?features={features}")
        return response.status_code, response.text


@pytest.fixture(scope="module")
def stack(deployed: Deployed) -> Stack:
    return Stack(deployed)


@pytest.fixture(scope="module")
def published(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """All but the countries of the year 2007, published from a file and stored."""
    table = countries()
    file = tmp_path_factory.mktemp("data") / "countries.csv"
    table.to_csv(file, index=False)
    assert stack.deployed.told("publish", str(file), "--check")["refused"] == {}
    assert stack.deployed.told("publish", str(file))["published"] == len(table)
    eventually(lambda: len(stack.rows()), lambda count: count >= len(table))
    return table


@pytest.fixture(scope="module")
def round_(stack: Stack, published: pd.DataFrame) -> dict[str, Any]:
    """A round of training, from an operator's word to a model that serves."""
    told = stack.deployed.told("retrain", "--reason", "another domain", "--wait", "--patience", "300")
    ended: dict[str, Any] = told["round"]
    return ended


def eventually[T](look: Callable[[], T], until: Callable[[T], bool], seconds: float = 60) -> T:
    end = time.monotonic() + seconds
    while not until(seen := look()) and time.monotonic() < end:
        time.sleep(0.5)
    assert until(seen), seen
    return seen


def features_of(row: Any) -> dict[str, Any]:
    return {name: row[name] for name in FEATURES}


def error(predicted: list[float], happened: list[float]) -> float:
    return float((sum((one - two) ** 2 for one, two in zip(predicted, happened, strict=True)) / len(happened)) ** 0.5)


# --- one file ------------------------------------------------------------------------------------------------------


def test_the_projects_own_unit_tests_hold_under_another_schema(checkout: Checkout) -> None:
    done = checkout.python("-m", "pytest", "tests/unit", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout[-5_000:]
    counted = {what: int(count) for count, what in re.findall(r"(\d+) (passed|skipped|failed)", done.stdout)}
    assert counted["passed"] > 10 * counted["skipped"], "what tells of robots is a small part"
    assert set(re.findall(r"^SKIPPED .*?: (.*?)[ ,]", done.stdout, re.MULTILINE)) == {"the"}


@pytest.mark.parametrize("command", ["run", "fleet run --stack dwell", "fleet drifts"])
def test_robots_do_not_work_in_another_domain(checkout: Checkout, command: str) -> None:
    said = " ".join(checkout.dwell(*command.split(), status=2).split())
    assert f"something else ({TARGET}); publish samples of your own with `dwell publish`" in said


def test_the_table_has_the_other_columns(checkout: Checkout) -> None:
    ddl = checkout.dwell("table", "--bucket", "a-bucket")
    columns = re.findall(r"^  `(\w+)` (\w+) COMMENT", ddl, re.MULTILINE)
    assert columns[: len(FEATURES) + 1] == [
        (TARGET, "double"),
        ("year", "bigint"),
        ("population", "bigint"),
        ("gdp_per_person", "double"),
        ("latitude", "double"),
        ("longitude", "double"),
    ]


# --- the loop ------------------------------------------------------------------------------------------------------


def test_without_a_model_the_answer_is_the_schemas_baseline(stack: Stack, published: pd.DataFrame) -> None:
    if stack.deployed.told("leaderboard"):
        pytest.fail("this test looks at what is before the first round")
    status, answer = stack.ask({"features": features_of(published.iloc[0].to_dict() | {"year": 1952})})
    assert status == 200
    assert answer == {TARGET: BASELINE, "expected_error": None, "model": None, "source": "fallback"}
