"""Stored objects are measured once each, whatever dies, repeats or fails on the way."""

from __future__ import annotations

import gzip
import io
import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest

from feature_schema import TARGET, Sample, get_schema_hash, to_row
from monitor import state_store
from monitor.answers import answers_key
from monitor.measure import MonitorContext, measure_objects
from monitor.serving_lookup import load_serving
from monitor.settings import Settings
from monitor.state_store import STATE_KEY, StateChangedError
from rounds import Endpoint, Model, Store
from tests.factories.samples import EXPECTED_ERROR, make_sample
from tests.unit.fake_aws import BUCKET, ENDPOINT, NOW, Cloud, ProcessDied, Steps, make_client_error

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

    from monitor.monitor_state import State

LIVE, TRIAL = "xgboost-20261123T051100Z", "xgboost-20261123T063900Z"
ENVIRONMENT = {
    "BUCKET_NAME": BUCKET,
    "TABLE_NAME": "dwell-rounds",
    "ENDPOINT_NAME": ENDPOINT,
    "ERROR_RATIO": "1.25",
    "LATE_AFTER_SECONDS": "900",
    "LEDGER_DAYS": "3",
    "MINUTE_SECONDS": "60",
}


@dataclass
class FakeRuntime:
    """An endpoint whose live model answers every row with one value."""

    error: ClientError | None = None
    requests: list[int] = field(default_factory=list)
    schema_hash: str = field(default_factory=get_schema_hash)

    def invoke_endpoint(self, **parameters: Any) -> dict[str, Any]:
        rows = parameters["Body"].decode().splitlines()
        self.requests.append(len(rows))
        if self.error is not None:
            raise self.error
        body = {"model": LIVE, "schema_hash": self.schema_hash, "predictions": [TARGET.minimum] * len(rows)}
        return {"Body": io.BytesIO(json.dumps(body).encode())}


class Monitor:
    """The function's context on fakes of AWS, with a live model."""

    def __init__(self) -> None:
        self.cloud, self.runtime = Cloud(), FakeRuntime()
        table, s3, _, _ = self.cloud.clients()
        self.store = Store(table)
        runtime = cast("SageMakerRuntimeClient", self.runtime)
        self.context = MonitorContext(Settings.read(ENVIRONMENT), self.store, s3, runtime)
        self.store.create(make_model(LIVE))
        self.store.create(Endpoint(name=ENDPOINT, updated_at=NOW, serving_model=LIVE, status="InService"))

    def put_object(self, key: str, *samples: dict[str, Any]) -> None:
        """Store an object of these samples, each received 5 s after it was recorded."""
        rows = []
        for sample in samples:
            parsed = Sample.model_validate_json(json.dumps(sample))
            rows.append(to_row(parsed, received_at=parsed.recorded_at + timedelta(seconds=5)))
        self.cloud.s3.store(key, gzip.compress("\n".join(rows).encode()), NOW)

    def measure(self, *keys: str) -> int:
        """How many objects the function measures."""
        return len(measure_objects(keys, self.context))

    def state(self) -> State:
        """The stored state."""
        return state_store.load(self.context.s3, BUCKET).state


def make_model(name: str, **changes: Any) -> Model:
    fields = {
        "round": "20261123T051100Z-no-model",
        "candidate": "xgboost",
        "algorithm": "xgboost",
        "trained_on": "all",
        "test_set": "20261123T051100Z-no-model",
        "expected_error": EXPECTED_ERROR,
        "created_at": NOW - timedelta(hours=2),
        "live_since": NOW - timedelta(hours=1),
    }
    return Model.model_validate({"name": name, **fields, **changes})


def make_echo(number: int, model: str = LIVE) -> dict[str, Any]:
    prediction = {TARGET.name: TARGET.minimum, "expected_error": EXPECTED_ERROR, "model": model}
    return make_sample(sample_id=f"echo-{number}", robot_id=f"robot-{number}", prediction=prediction)


def make_silent(number: int) -> dict[str, Any]:
    return make_sample(sample_id=f"silent-{number}", robot_id=f"robot-{number}")


def count_rows(state: State) -> int:
    assert state.live is not None
    return sum(bin_.rows for bin_ in state.live.minutes.values())


def test_object_is_measured_once() -> None:
    monitor = Monitor()
    monitor.put_object("samples/a.gz", make_echo(1), make_silent(2))
    assert monitor.measure("samples/a.gz") == 1
    first = monitor.state()
    assert count_rows(first) == 2
    assert monitor.measure("samples/a.gz", "samples/a.gz") == 0
    assert monitor.state() == first


def test_batch_of_objects_is_stored_once() -> None:
    monitor = Monitor()
    for name in "abc":
        monitor.put_object(f"samples/{name}.gz", make_echo(ord(name)))
    assert monitor.measure(*(f"samples/{name}.gz" for name in "abc")) == 3
    assert count_rows(monitor.state()) == 3
    assert [version.key for version in monitor.cloud.s3.versions].count(STATE_KEY) == 1


def test_endpoint_is_asked_once_an_object() -> None:
    monitor = Monitor()
    monitor.put_object("samples/a.gz", *(make_silent(number) for number in range(5)))
    before = monitor.cloud.steps.count
    monitor.measure("samples/a.gz")
    assert monitor.runtime.requests == [5]
    # the state is lost; a repetition reads the answers of then, also if nothing serves any more
    monitor.cloud.s3.versions = [version for version in monitor.cloud.s3.versions if version.key != STATE_KEY]
    monitor.runtime.error = make_client_error("InvokeEndpoint", "ValidationError", "no endpoint")
    monitor.measure("samples/a.gz")
    assert monitor.runtime.requests == [5]
    assert count_rows(monitor.state()) == 5
    assert monitor.cloud.steps.count > before


@pytest.mark.parametrize("trouble", ["error", "another schema"])
def test_failing_endpoint_costs_a_measure_only(trouble: str) -> None:
    monitor = Monitor()
    if trouble == "error":
        monitor.runtime.error = make_client_error("InvokeEndpoint", "ServiceUnavailable", "try later")
    else:
        monitor.runtime.schema_hash = "another"
    monitor.put_object("samples/a.gz", make_echo(1), make_silent(2))
    (measures,) = measure_objects(["samples/a.gz"], monitor.context)
    assert (measures.measured, measures.unmeasured) == (1, 1)
    assert json.loads(monitor.cloud.s3.content(answers_key("samples/a.gz"))) == {}


def test_second_writer_is_noticed_and_its_retry_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monitor = Monitor()
    monitor.put_object("samples/a.gz", make_echo(1))
    monitor.put_object("samples/b.gz", make_echo(2))
    stale = state_store.load(monitor.context.s3, BUCKET)
    monitor.measure("samples/a.gz")
    with monkeypatch.context() as patch:
        patch.setattr(state_store, "load", lambda *_: stale)
        with pytest.raises(StateChangedError):
            monitor.measure("samples/b.gz")
    monitor.measure("samples/b.gz")
    assert count_rows(monitor.state()) == 2


def test_attempt_that_dies_at_any_request_is_repeated() -> None:
    def make() -> Monitor:
        monitor = Monitor()
        monitor.put_object("samples/a.gz", make_echo(1), make_silent(2))
        monitor.cloud.count_requests_in(Steps())
        return monitor

    undisturbed = make()
    undisturbed.measure("samples/a.gz")
    requests, expected = undisturbed.cloud.steps.count, undisturbed.state()
    for fatal in range(1, requests + 1):
        for is_effective in (False, True):
            monitor = make()
            monitor.cloud.count_requests_in(Steps(fatal=fatal, effective=is_effective))
            with pytest.raises(ProcessDied):
                monitor.measure("samples/a.gz")
            monitor.cloud.count_requests_in(Steps())
            monitor.measure("samples/a.gz")
            assert monitor.state() == expected, (fatal, is_effective)


# --- which models may answer ------------------------------------------------------------------------------------------


def test_live_model_and_trial_are_believed_since_they_could_answer() -> None:
    monitor = Monitor()
    monitor.store.create(make_model(TRIAL, live_since=None, expected_error=2 * EXPECTED_ERROR))
    since = NOW - timedelta(minutes=3)
    monitor.store.update(
        Endpoint,
        ENDPOINT,
        lambda endpoint: endpoint.model_copy(update={"deploying_model": TRIAL, "deploying_since": since}),
    )
    serving = load_serving(monitor.store, ENDPOINT)
    assert (serving.live, serving.on_trial) == (LIVE, TRIAL)
    assert serving.models[LIVE].since == (NOW - timedelta(hours=1)).timestamp()
    assert serving.models[TRIAL].since == since.timestamp()
    assert serving.models[TRIAL].expected_error == 2 * EXPECTED_ERROR


def test_nothing_is_believed_before_the_first_model_and_during_a_pause() -> None:
    monitor = Monitor()
    assert load_serving(monitor.store, "another-endpoint").models == {}
    monitor.store.update(Endpoint, ENDPOINT, lambda endpoint: endpoint.model_copy(update={"pause": "paused"}))
    serving = load_serving(monitor.store, ENDPOINT)
    assert (serving.live, serving.models) == (None, {})


def test_robot_cannot_change_a_promise() -> None:
    monitor = Monitor()
    liar = make_echo(1)
    liar["prediction"]["expected_error"] = TARGET.maximum - TARGET.minimum
    monitor.put_object("samples/a.gz", liar)
    monitor.measure("samples/a.gz")
    state = monitor.state()
    assert state.live is not None
    assert state.live.expected_error == EXPECTED_ERROR
