"""The fleet at work: what is due happens, is predicted if the planner can, is published, and is in the books."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.exceptions import NoCredentialsError
from rich.console import Console
from typer.testing import CliRunner

from dwell.commands import fleet as cli
from dwell.console.exit_status import FAILED, UNUSABLE
from dwell.messaging.batching import MAX_LINES_PER_MESSAGE
from dwell.messaging.publish_log import PublishLog
from dwell.messaging.publisher import Publisher, PublishError
from dwell.simulator.fleet_runner import Fleet, FleetSettings, Snapshot
from dwell.simulator.live_error import ErrorTally
from dwell.simulator.planner import Planner, PlannerError
from feature_schema import (
    TARGET,
    InvalidInputError,
    Sample,
    build_prediction,
    derive_csv_sample_id,
    get_actual_value,
    parse_lines,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mypy_boto3_sns import SNSClient

pytestmark = pytest.mark.usefixtures("robots")
TOPIC = "arn:aws:sns:us-east-1:000000000000:samples"


class FakeTopic:
    """Keeps what it is given, message by message. ``error`` is raised instead, if there is one."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str]] = []
        self.error: Exception | None = None

    def publish(self, *, TopicArn: str, Message: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        assert TopicArn == TOPIC
        if self.error is not None:
            raise self.error
        self.messages.append((f"id-{len(self.messages)}", Message))
        return {"MessageId": self.messages[-1][0]}

    def publish_batch(self, *, TopicArn: str, PublishBatchRequestEntries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803 - boto3's names
        return {
            "Successful": [
                {"Id": entry["Id"], **self.publish(TopicArn=TopicArn, Message=entry["Message"])}
                for entry in PublishBatchRequestEntries
            ]
        }

    def lines(self) -> list[tuple[bytes, Sample | InvalidInputError]]:
        """Every line as the validator will see it."""
        now = datetime.now(UTC)
        return [
            line
            for message_id, text in self.messages
            for line in parse_lines(text.encode(), message_id=message_id, received_at=now)
        ]

    def samples(self) -> list[Sample]:
        return [response for _, response in self.lines() if isinstance(response, Sample)]


class FakePlanner:
    """Predicts 14 s for everything, as ``model`` or as the fallback; or fails."""

    def __init__(self, model: str | None = "m-1") -> None:
        self.model = model
        self.failing = False
        self.requests = 0
        self.failures: Counter[str] = Counter()
        self.sizes: list[tuple[int, bool]] = []

    def request_predictions(self, instances: list[dict[str, int]], *, single: bool = False) -> list[dict[str, Any]]:
        self.requests += 1
        self.sizes.append((len(instances), single))
        if self.failing:
            self.failures["http_500"] += 1
            raise PlannerError("http_500")
        return [
            build_prediction(14_000.0, model=self.model, expected_error=2_000.0 if self.model else None)
            for _ in instances
        ]


class AtOnce(Executor):
    """Answers every question while it is asked."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except PlannerError as error:
            future.set_exception(error)
        return future


class Never(Executor):
    """Answers no question."""

    def submit(self, _function: Callable[..., Any], /, *_args: Any, **_kwargs: Any) -> Future[Any]:
        return Future()


def fleet_of(topic: FakeTopic, planner: FakePlanner | None = None, **settings: Any) -> Fleet:
    publisher = Publisher(cast("SNSClient", topic), TOPIC, threads=1)
    return Fleet(FleetSettings(**{"seed": 7, **settings}), publisher, cast("Planner", planner) if planner else None)


def work(fleet: Fleet, seconds: int, askers: Executor | None = None, *, start: int = 0) -> None:
    """Ten ticks a second, without waiting."""
    for tick in range(start * 10, (start + seconds) * 10):
        fleet.tick(askers or AtOnce(), tick / 10, (tick + 1) / 10)


def test_samples_have_the_rate_and_are_all_logged() -> None:
    topic = FakeTopic()
    fleet = fleet_of(topic, rate=330)

    work(fleet, 3)
    fleet.finish()

    samples = topic.samples()
    assert len(samples) == len({sample.sample_id for sample in samples}) == 990
    assert fleet.publish_log.published_ids == {sample.sample_id for sample in samples}
    assert fleet.snapshot().published == sum(second.published for second in fleet.snapshot().seconds) == 990
    assert all(sample.prediction is None for sample in samples)
    assert fleet.snapshot().unpredicted == 990


def test_messages_are_packed_and_no_sample_waits_long() -> None:
    topic = FakeTopic()
    fleet = fleet_of(topic, rate=200)

    work(fleet, 2)

    sizes = [text.count("\n") + 1 for _, text in topic.messages]
    assert max(sizes) == MAX_LINES_PER_MESSAGE
    assert sum(sizes) >= 360  # what is younger than a second may wait


def test_everything_mixed_reconciles_line_by_line() -> None:
    # Given broken samples, duplicates, workshop rows and single messages, and a planner
    topic = FakeTopic()
    fleet = fleet_of(topic, FakePlanner(), rate=400, broken=0.05, duplicates=0.05, rows=0.3, single=0.1)

    work(fleet, 5)
    fleet.finish()

    # Then every line that arrived is in the ledger, and the other way round
    arrived = topic.lines()
    ids = Counter(response.sample_id for _, response in arrived if isinstance(response, Sample))
    refusals = {raw.decode(): response.reason for raw, response in arrived if isinstance(response, InvalidInputError)}
    ledger = fleet.publish_log
    assert set(ids) == ledger.published_ids
    assert sum(ids.values()) - len(ids) == ledger.duplicates > 30
    assert refusals == {broken.raw: broken.reason for broken in ledger.broken.values()}
    assert len(refusals) > 50
    assert len(ids) + len(refusals) == 2_000
    assert derive_csv_sample_id(*_first_row(topic)) in ledger.published_ids
    # and a duplicate is in a later message than its sample
    observed: set[str] = set()
    for message_id, text in topic.messages:
        here = [
            response.sample_id
            for _, response in parse_lines(text.encode(), message_id=message_id, received_at=datetime.now(UTC))
            if isinstance(response, Sample)
        ]
        assert len(here) == len(set(here))
        observed.update(here)
    assert fleet.snapshot().published == len(arrived)


def _first_row(topic: FakeTopic) -> tuple[str, int]:
    return next((message_id, 0) for message_id, text in topic.messages if text[0].isdigit())


def test_live_error_equals_the_validators_measurement() -> None:
    topic, planner = FakeTopic(), FakePlanner()
    fleet = fleet_of(topic, planner, rate=400, predicted=0.5, broken=0.02)

    work(fleet, 4)
    fleet.finish()

    echoed = [sample for sample in topic.samples() if sample.prediction is not None]
    squares = sum((get_actual_value(sample) - 14_000.0) ** 2 for sample in echoed)
    snapshot = fleet.snapshot()
    tally = snapshot.by_world["initial", "m-1"]
    assert snapshot.model == tally.samples == len(echoed)
    assert tally.squared_error == pytest.approx(squares)
    assert tally.promise == pytest.approx(2_000)
    assert tally.error is not None
    assert tally.noise_floor is not None
    assert tally.error > 2 * tally.noise_floor
    assert tally.noise_floor == pytest.approx(snapshot.noise_floors["initial"], rel=0.1)
    assert len(echoed) == pytest.approx(0.5 * 1_600, rel=0.1)
    assert planner.requests >= 5 * 4
    assert {single for _, single in planner.sizes} == {True, False}
    assert all(size == 1 for size, single in planner.sizes if single)


@pytest.mark.parametrize(("predicted", "rate"), [(1.0, 400), (1.0, 2_000), (0.5, 1), (0.0, 100)])
def test_predicted_share_is_as_configured(predicted: float, rate: int) -> None:
    planner = FakePlanner()
    fleet = fleet_of(FakeTopic(), planner, rate=rate, predicted=predicted, request_rate=8)

    work(fleet, 10)
    fleet.finish()

    assert fleet.snapshot().model == pytest.approx(predicted * rate * 10, rel=0.05, abs=1)


def test_answers_of_the_fallback_are_no_models() -> None:
    fleet = fleet_of(FakeTopic(), FakePlanner(model=None))

    work(fleet, 1)

    snapshot = fleet.snapshot()
    assert snapshot.fallback > 100
    assert snapshot.model == 0
    assert snapshot.by_world == {}
    assert snapshot.recent() == ErrorTally()


def test_a_failing_api_costs_predictions_and_no_sample() -> None:
    topic, planner = FakeTopic(), FakePlanner()
    planner.failing = True
    fleet = fleet_of(topic, planner, rate=400)

    work(fleet, 2)
    fleet.finish()

    assert len(topic.samples()) == 800
    assert all(sample.prediction is None for sample in topic.samples())
    assert fleet.snapshot().failures["http_500"] == planner.requests > 5


def test_an_api_that_does_not_answer_holds_up_few_robots() -> None:
    topic = FakeTopic()
    fleet = fleet_of(topic, FakePlanner(), rate=400)

    work(fleet, 4, Never())

    assert fleet.snapshot().failures["busy"] > 0
    assert len(topic.samples()) > 1_000


def test_drift_takes_effect_at_the_next_tick() -> None:
    topic, planner = FakeTopic(), FakePlanner()
    fleet = fleet_of(topic, planner, rate=400)

    work(fleet, 2)
    fleet.drift("new-gripper")
    work(fleet, 2, start=2)
    fleet.drift("slow-fc")
    work(fleet, 1, start=4)

    snapshot = fleet.snapshot()
    assert [(drift.name, drift.label, drift.number) for drift in snapshot.drifts] == [
        ("new-gripper", "new-gripper", 800),
        ("slow-fc", "new-gripper+slow-fc", 1_600),
    ]
    assert snapshot.world == "new-gripper+slow-fc"
    assert set(snapshot.noise_floors) == {"initial", "new-gripper", "new-gripper+slow-fc"}
    before, after = (snapshot.world_error(label).error for label in ("initial", "new-gripper"))
    assert before is not None
    assert after is not None
    assert after > 1.2 * before


def test_recent_error_covers_full_seconds_only() -> None:
    fleet = fleet_of(FakeTopic(), FakePlanner(), rate=400)
    work(fleet, 1)
    snapshot = fleet.snapshot()

    full = sum((second.model for second in snapshot.seconds[:-1]), ErrorTally())

    assert snapshot.recent(60) == full
    assert len(fleet.snapshot(last=1).seconds) == 1


def test_a_snapshot_does_not_change_afterwards() -> None:
    fleet = fleet_of(FakeTopic(), FakePlanner())
    work(fleet, 1)
    snapshot = fleet.snapshot()
    model, samples = snapshot.model, sum(second.model.samples for second in snapshot.seconds)

    work(fleet, 1, start=1)

    assert (snapshot.model, sum(second.model.samples for second in snapshot.seconds)) == (model, samples)


def test_background_fleet_stops_and_publishes_the_remainder() -> None:
    topic = FakeTopic()
    fleet = fleet_of(topic, FakePlanner(), rate=2_000)

    with fleet.working():
        while fleet.snapshot().published < 500:
            fleet.check()
            fleet.stop.wait(0.01)

    assert fleet.publish_log.published_ids == {sample.sample_id for sample in topic.samples()}
    assert len(topic.samples()) == fleet.robots.taken
    assert fleet.snapshot().elapsed == fleet.snapshot().elapsed


def test_missing_topic_ends_the_run_with_its_error() -> None:
    topic = FakeTopic()
    topic.error = NoCredentialsError()
    fleet = fleet_of(topic, rate=2_000)

    with pytest.raises(PublishError, match="credentials"):
        fleet.run()


def test_check_raises_the_error_of_the_background_run() -> None:
    topic = FakeTopic()
    topic.error = NoCredentialsError()
    fleet = fleet_of(topic, rate=2_000)

    with pytest.raises(PublishError, match="credentials"), fleet.working():
        _check_until_it_ends(fleet)


def _check_until_it_ends(fleet: Fleet) -> None:
    while True:
        fleet.check()
        fleet.stop.wait(0.01)


def test_the_fleet_ends_by_itself_after_its_time() -> None:
    topic = FakeTopic()
    fleet = fleet_of(topic, rate=1_000)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(fleet.run, 0.25).result(timeout=60)

    assert len(topic.samples()) == fleet.robots.taken > 0


@pytest.mark.parametrize("wrong", [{"broken": 1.1}, {"predicted": -0.1}, {"rate": 0}, {"request_rate": -1}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"share|rates"):
        FleetSettings(**wrong)  # type: ignore[arg-type]  # which field it is varies


# --- the command line ---


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> FakeTopic:
    """The command's SNS, in memory."""
    fake = FakeTopic()
    monkeypatch.setattr(cli, "create_sns_client", lambda _: fake)
    return fake


def dwell(*arguments: str) -> Any:
    return CliRunner().invoke(cli.app, list(arguments))


def test_run_publishes_and_sums_up(topic: FakeTopic, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cli, "create_planner", lambda _: FakePlanner())
    book = tmp_path / "ledger.ndjson"

    result = dwell(
        *("run", "--topic", TOPIC, "--api", "http://api", "--seconds", "0.8", "--rate", "1000", "--seed", "3"),
        *("--broken", "0.1", "--duplicates", "0.1", "--rows", "0.2", "--drift", "new-gripper", "--ledger", str(book)),
        "--json",
    )

    assert result.exit_code == 0, result.output
    output = json.loads(result.stdout)
    assert output["seed"] == 3
    assert output["published"] == len(topic.lines()) > 100
    assert output["broken"] > 0
    assert [drift["name"] for drift in output["drifts"]] == ["new-gripper"]
    assert output["predictions"]["model"] > 0
    assert PublishLog.load(book).published_ids == {sample.sample_id for sample in topic.samples()}


def test_run_shows_a_table_without_an_api(topic: FakeTopic) -> None:
    result = dwell("run", "--topic", TOPIC, "--seconds", "0.3", "--rate", "500")

    assert result.exit_code == 0, result.output
    assert "published" in result.stdout
    assert topic.samples()


def test_the_summary_is_for_people_and_breaks_no_name() -> None:
    model = "k-nearest-neighbours-recent-20261123T063900Z"
    snapshot = Snapshot(
        elapsed=90, published=12_345, messages=1, broken=0, duplicates=1_000, model=4_000, fallback=0, unpredicted=0,
        requests=2_000, failures=Counter(), publish_failures=Counter({"throttled": 2}), world="slow-fc", drifts=(),
        noise_floors={"slow-fc": 1_850.0}, by_world={("slow-fc", model): ErrorTally(1, 1_900.0**2, 1_600.0**2)},
        seconds=(),
    )  # fmt: skip
    console = Console(width=80, force_terminal=True, color_system=None, file=io.StringIO())
    console.print(cli._render(snapshot, console), soft_wrap=True)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert "published           12,345 lines in 1 message" in lines
    assert "messages refused    2 throttled" in lines
    assert f"slow-fc  {model}  1,900     1,600" in lines
    assert max(len(line) for line in lines) <= 80


def test_run_fails_if_the_api_is_over_its_error_budget(topic: FakeTopic, monkeypatch: pytest.MonkeyPatch) -> None:
    planner = FakePlanner()
    planner.failing = True
    monkeypatch.setattr(cli, "create_planner", lambda _: planner)

    result = dwell("run", "--topic", TOPIC, "--api", "http://api", "--seconds", "0.8", "--rate", "500")

    assert result.exit_code == FAILED
    assert "http_500" in result.stdout
    assert topic.samples()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run"], "give --topic ARN"),
        (["run", "--topic", TOPIC, "--drift", "earthquake"], "there is no drift 'earthquake'"),
        (["run", "--topic", TOPIC, "--api", "nowhere"], "is not the URL"),
        (["write", "-", "--drift", "earthquake"], "there is no drift 'earthquake'"),
    ],
)
def test_options_that_make_no_sense_get_a_sentence(
    arguments: list[str], sentence: str, topic: FakeTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "us-east-1")

    result = dwell(*arguments)

    assert result.exit_code == UNUSABLE
    assert sentence in " ".join(result.stderr.split())
    assert not topic.messages


def test_run_with_an_invalid_topic_exits_with_2() -> None:
    result = dwell("run", "--topic", "samples")

    assert result.exit_code == UNUSABLE
    assert "not the ARN" in result.stderr


def test_run_with_an_unwritable_ledger_exits_at_once(topic: FakeTopic, tmp_path: Path) -> None:
    done = dwell("run", "--topic", TOPIC, "--seconds", "60", "--ledger", str(tmp_path / "nowhere" / "ledger"))
    assert (done.exit_code, topic.messages) == (2, [])
    assert "the ledger cannot be written to" in done.stderr


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_write_writes_what_the_validator_accepts(form: str, tmp_path: Path) -> None:
    file = tmp_path / "samples"

    result = dwell("write", str(file), "--samples", "120", "--format", form, "--seed", "5", "--drift", "slow-fc")

    assert result.exit_code == 0, result.output
    answers = parse_lines(file.read_bytes(), message_id="m", received_at=datetime.now(UTC))
    assert [type(response) for _, response in answers] == [Sample] * 120
    assert TARGET.name in file.read_text() or form == "csv"


def written(*arguments: str) -> tuple[list[dict[str, Any]], str]:
    """The samples of a file, and what was told of them."""
    result = dwell("write", "-", *arguments)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()], result.stderr


def test_a_written_file_is_in_order_of_time_and_ends_now(monkeypatch: pytest.MonkeyPatch) -> None:
    # given a file that is written in parts
    monkeypatch.setattr(cli, "_MAX_BUFFERED_SAMPLES", 50)
    started_at = datetime.now(UTC)
    # when
    samples, _ = written("--samples", "120")
    # then each moment has one sample, as what decides which samples are tested on needs it
    times = [datetime.fromisoformat(sample["recorded_at"]) for sample in samples]
    assert {later - earlier for earlier, later in pairwise(times)} == {timedelta(milliseconds=1)}
    assert started_at - timedelta(milliseconds=1) <= times[-1] <= datetime.now(UTC)


def test_written_ids_differ_unless_the_seed_is_given() -> None:
    first, said = written("--samples", "20")
    other, _ = written("--samples", "20", "--drift", "slow-fc")
    assert not {one["sample_id"] for one in first} & {one["sample_id"] for one in other}
    # and it can be made again
    (seed,) = re.findall(r"of seed (\d+);", said)
    again, _ = written("--samples", "20", "--seed", seed)
    assert [{**one, "recorded_at": ""} for one in again] == [{**one, "recorded_at": ""} for one in first]


def test_write_to_a_missing_folder_reports_the_error(tmp_path: Path) -> None:
    result = dwell("write", str(tmp_path / "no" / "folder"))

    assert result.exit_code == FAILED
    assert "cannot write" in result.stderr


def test_write_can_write_to_standard_output() -> None:
    result = dwell("write", "-", "--samples", "2")

    assert len(result.stdout.splitlines()) == 2


def test_drifts_are_listed() -> None:
    result = dwell("drifts")

    assert result.exit_code == 0
    assert "new-gripper (default)" in result.stdout
