"""What unit tests of functions share: events as AWS sends them, a Lambda context, and metrics as they were logged."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from dwell.simulator.physics import UnsupportedSchemaError, require_robot_schema

if TYPE_CHECKING:
    from collections.abc import Callable

# A busy machine is no reason for a test to fail.
settings.register_profile("unit", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unit")

EVENTS = Path(__file__).parents[2] / "events"

SERVICE = "dwell-test"


@dataclass(frozen=True, slots=True)
class Context:
    """A Lambda context with a fixed time left."""

    milliseconds_left: int = 30_000
    function_name: str = "function"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:function"
    aws_request_id: str = "00000000-0000-0000-0000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds_left


@pytest.fixture
def context() -> Context:
    return Context()


@pytest.fixture
def event() -> Callable[[str], dict[str, Any]]:
    """Reads a file of ``events/`` by its name without ending."""

    def read(name: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
        return content

    return read


@pytest.fixture(scope="session")
def robots() -> None:
    """For tests of what tells of robots: the fleet, and the samples in ``events/``. Under another schema they skip."""
    try:
        require_robot_schema()
    except UnsupportedSchemaError as error:
        pytest.skip(str(error))


@pytest.fixture
def lambda_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment that every function has; keys that open nothing, so that a stray call cannot go anywhere."""
    for name, value in {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_EC2_METADATA_DISABLED": "true",
        "POWERTOOLS_SERVICE_NAME": SERVICE,
        "POWERTOOLS_METRICS_NAMESPACE": "Dwell",
        "POWERTOOLS_LOG_LEVEL": "INFO",
    }.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


Metrics = dict[tuple[frozenset[tuple[str, str]], str], float]


@pytest.fixture
def published(capsys: pytest.CaptureFixture[str]) -> Callable[[], Metrics]:
    """Reads what CloudWatch would read from the log: values by dimensions (other than the service) and metric.

    Every metric must be in the namespace, with the service as a dimension and a resolution of one second.
    """

    def read() -> Metrics:
        sums: Metrics = {}
        for line in capsys.readouterr().out.splitlines():
            entry = json.loads(line)
            for directive in entry.get("_aws", {}).get("CloudWatchMetrics", []):
                assert directive["Namespace"] == "Dwell"
                for names in directive["Dimensions"]:
                    dimensions = {name: entry[name] for name in names}
                    assert dimensions.pop("service") == SERVICE
                    for metric in directive["Metrics"]:
                        assert metric["StorageResolution"] == 1
                        key = (frozenset(dimensions.items()), metric["Name"])
                        values = entry[metric["Name"]]
                        sums[key] = sums.get(key, 0.0) + sum(values if isinstance(values, list) else [values])
        return sums

    return read
