"""A file is published once, however often it is interrupted: the journal knows what SNS took."""

from __future__ import annotations

import fcntl
import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path  # noqa: TC003 (fixtures of pytest)
from typing import TYPE_CHECKING, Any, Self

import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from dwell.commands.app import app
from dwell.messaging.publisher import PublishError
from dwell.messaging.record_encoder import FileOrigin
from dwell.messaging.samples_file import SamplesFileError
from dwell.operations import file_publisher as publishing
from dwell.operations.file_publisher import RateLimit
from dwell.operations.file_validation import validate_file
from dwell.operations.publish_journal import Journal, JournalError, Publication
from feature_schema import FEATURES, TARGET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dwell.messaging.batching import Message

NOW = datetime(2026, 11, 23, 6, 39, tzinfo=UTC)


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages of about five samples, two at once, and no waiting for another attempt."""
    monkeypatch.setattr(publishing, "MAX_MESSAGE_BYTES", 2_500)
    monkeypatch.setattr(publishing, "_MESSAGES_PER_WINDOW", 2)
    monkeypatch.setattr(publishing, "_RETRY_DELAYS_SECONDS", (0.0, 0.0))


def workshop_file(folder: Path, rows: int) -> Path:
    path = folder / "rows.csv"
    features = ",".join(str(int(feature.minimum)) for feature in FEATURES)
    path.write_text("".join(f"{int(TARGET.minimum) + number},{features}\n" for number in range(rows)))
    return path


def error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "Publish")


class FakeTopic:
    """Takes messages; ``answer`` may say that the n-th attempt goes wrong."""

    def __init__(self, answer: Callable[[int], Exception | None] = lambda _: None) -> None:
        self.attempts = 0
        self.taken: list[Message] = []
        self._answer = answer

    def send(self, messages: Sequence[Message]) -> Iterator[tuple[Message, str | Exception]]:
        for message in messages:
            self.attempts += 1
            refused = self._answer(self.attempts)
            if refused is None:
                self.taken.append(message)
            yield message, refused or f"message-{self.attempts}"

    @property
    def samples(self) -> list[dict[str, Any]]:
        return [json.loads(line.text) for message in self.taken for line in message.lines]

    @property
    def ids(self) -> list[str]:
        return [sample["sample_id"] for sample in self.samples]


def publish(
    path: Path, topic: FakeTopic, *, skip_bad: bool = False, stop: threading.Event | None = None, arn: str = "topic",
    restart: bool = False, now: datetime = NOW, checked: Callable[[], object] = lambda: None,
) -> int:  # fmt: skip
    result = validate_file(path, now=NOW, on_progress=lambda _: None)
    checked()
    state = path.with_suffix(".journal")
    with Journal(state, Publication(result.digest, result.records, arn), now=now, restart=restart) as journal:
        return publishing.publish_file(
            path,
            FileOrigin(result.digest, result.records, journal.started_at),
            journal,
            topic,
            skipped=result.bad if skip_bad else frozenset(),
            rate_limit=RateLimit(0),
            stop=stop or threading.Event(),
            on_progress=lambda _: None,
        )


def test_publish_sends_all_records_in_order_in_few_messages(tmp_path: Path) -> None:
    topic = FakeTopic()
    assert publish(workshop_file(tmp_path, 100), topic) == len(topic.taken) < 30
    assert [sample[TARGET.name] for sample in topic.samples] == [int(TARGET.minimum) + number for number in range(100)]
    assert max(message.size for message in topic.taken) <= 2_500
    assert len(set(topic.ids)) == 100


def test_publishing_again_publishes_nothing(tmp_path: Path) -> None:
    path = workshop_file(tmp_path, 20)
    publish(path, FakeTopic())
    again = FakeTopic()
    assert publish(path, again) == 0
    assert again.attempts == 0


def test_repeated_publish_sends_only_unconfirmed_records(tmp_path: Path) -> None:
    # given a topic that refuses a message in the middle of two that go at once
    path = workshop_file(tmp_path, 100)
    first = FakeTopic(lambda attempt: error("AuthorizationError") if attempt == 5 else None)
    with pytest.raises(PublishError, match="AuthorizationError"):
        publish(path, first)
    # when it is published again, an hour later
    second = FakeTopic()
    publish(path, second, now=NOW + timedelta(hours=1))
    # then the one after it, which SNS took, is not sent again; and everything is there, as if in one go
    assert not set(first.ids) & set(second.ids)
    full = FakeTopic()
    publish(path, full, restart=True)
    by_id = {sample["sample_id"]: sample for sample in [*first.samples, *second.samples]}
    assert by_id == {sample["sample_id"]: sample for sample in full.samples}
    assert len(by_id) == 100


def test_a_message_that_is_refused_once_is_sent_again(tmp_path: Path) -> None:
    topic = FakeTopic(lambda attempt: error("Throttling") if attempt == 2 else None)
    publish(workshop_file(tmp_path, 50), topic)
    assert len(set(topic.ids)) == len(topic.ids) == 50
    assert topic.attempts == len(topic.taken) + 1


def test_a_signal_stops_it_between_two_steps(tmp_path: Path) -> None:
    path = workshop_file(tmp_path, 100)
    stop = threading.Event()

    def stopping(attempt: int) -> None:
        if attempt == 3:
            stop.set()

    first, second = FakeTopic(stopping), FakeTopic()
    assert publish(path, first, stop=stop) == 4
    publish(path, second)
    assert sorted(first.ids + second.ids) == sorted(set(first.ids) | set(second.ids))
    assert len(first.ids + second.ids) == 100


def test_journal_of_a_crashed_process_is_readable(tmp_path: Path) -> None:
    # given a journal whose last line is cut off
    path = workshop_file(tmp_path, 100)
    first = FakeTopic()
    publish(path, first)
    journal = path.with_suffix(".journal")
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(lines[:4]) + lines[4][:10])
    # when it is published again
    second = FakeTopic()
    publish(path, second)
    # then what the whole lines tell is not sent again, and the journal is whole
    output = [line.text for message in first.taken[:3] for line in message.lines]
    assert [line.text for message in second.taken for line in message.lines] == [
        line.text for message in first.taken for line in message.lines if line.text not in output
    ]
    third = FakeTopic()
    assert publish(path, third) == 0


@pytest.mark.parametrize("cut", [1, 30])
def test_journal_with_incomplete_first_line_starts_over(tmp_path: Path, cut: int) -> None:
    path = workshop_file(tmp_path, 5)
    publish(path, FakeTopic())
    journal = path.with_suffix(".journal")
    journal.write_text(journal.read_text()[:cut])
    topic = FakeTopic()
    publish(path, topic)
    assert len(topic.ids) == 5


def test_bad_samples_are_left_out_and_can_follow_later(tmp_path: Path) -> None:
    path = workshop_file(tmp_path, 6)
    rows = path.read_text().splitlines()
    rows[2] = "not a row"
    path.write_text("\n".join(rows))
    first, second = FakeTopic(), FakeTopic()
    publish(path, first, skip_bad=True)
    assert len(first.ids) == 5
    assert publish(path, second) == 1
    assert [line.text for message in second.taken for line in message.lines] == ["not a row"]


def test_another_file_or_topic_has_another_journal(tmp_path: Path) -> None:
    path = workshop_file(tmp_path, 5)
    publish(path, FakeTopic())
    with pytest.raises(JournalError, match="another topic"):
        publish(path, FakeTopic(), arn="elsewhere")
    workshop_file(tmp_path, 6)
    with pytest.raises(JournalError, match=r"another content .* lines were added, publish them alone.* count twice"):
        publish(path, FakeTopic())
    topic = FakeTopic()
    publish(path, topic, restart=True)
    assert len(topic.ids) == 6


@pytest.mark.parametrize("more", [1, 100])
def test_file_that_grows_while_published_raises(tmp_path: Path, more: int) -> None:
    path = workshop_file(tmp_path, 20)
    topic = FakeTopic()
    with pytest.raises(SamplesFileError, match=r"changed while it was published: .* had 20 samples"):
        publish(path, topic, checked=lambda: workshop_file(tmp_path, 20 + more))
    # then nothing was published that had not been checked
    assert {sample[TARGET.name] for sample in topic.samples} <= {int(TARGET.minimum) + one for one in range(20)}


@pytest.mark.parametrize("content", [b"{}", b"{}\n", b"my diary", b"\xff\xfe", b'{"digest": "x"}\n{"records": 1}\n'])
def test_a_file_that_is_no_journal_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = workshop_file(tmp_path, 1)
    journal = path.with_suffix(".journal")
    journal.write_bytes(content)
    with pytest.raises(JournalError, match="is not the journal"):
        publish(path, FakeTopic())
    assert journal.read_bytes() == content


def test_where_nothing_was_taken_there_is_no_journal(tmp_path: Path) -> None:
    path = workshop_file(tmp_path, 5)
    with pytest.raises(PublishError, match="NotFound"):
        publish(path, FakeTopic(lambda _: error("NotFound")))
    assert list(tmp_path.iterdir()) == [path]


def test_journal_removed_before_the_lock_is_not_written(tmp_path: Path) -> None:
    # given a journal that is removed between the moment it is opened and the moment it is locked
    path = tmp_path / "journal"
    late = Journal(path, Publication("digest", 1, "topic"), now=NOW)
    lock = fcntl.flock

    def removing(file: Any, how: int) -> None:
        path.unlink()
        lock(file, how)

    # then nobody takes it for one
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fcntl, "flock", removing)
        with pytest.raises(JournalError, match="was in use"), late:
            pass
    assert not path.exists()


def command(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["publish", *arguments])


def test_publish_with_an_invalid_topic_leaves_no_journal(tmp_path: Path) -> None:
    path = workshop_file(tmp_path, 5)
    done = command(str(path), "--topic", "foo")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("'foo' is not the ARN of a standard SNS topic")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == [path]


def test_publish_reports_an_invalid_journal_location_first(tmp_path: Path) -> None:
    path = workshop_file(tmp_path, 1)
    path.write_text("not samples at all")
    for index in (tmp_path / "nowhere" / "journal", tmp_path):
        done = command(str(path), "--state", str(index), "--topic", "arn:aws:sns:us-east-1:000000000000:topic")
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr.startswith(f"no journal can be kept at {index}: ")


def test_the_reason_comes_before_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a topic that takes the first message and no other
    class Topic(FakeTopic):
        def __init__(self, *_: object) -> None:
            super().__init__(lambda attempt: None if attempt == 1 else error("ExpiredToken"))

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            """Nothing is open."""

    path = workshop_file(tmp_path, 20)
    monkeypatch.setattr("dwell.commands.publish.Publisher", Topic)
    monkeypatch.setattr("dwell.commands.publish.create_sns_client", str)
    # when a file is published
    done = command(str(path), "--topic", "arn:aws:sns:us-east-1:000000000000:topic")
    # then what went wrong is told first, and there is something to go on with
    assert done.exit_code == 1
    reason, todo = done.stderr.splitlines()
    assert "ExpiredToken" in reason
    assert todo.endswith("of 20 samples are not published yet; repeat the command to continue")
    assert len(list(tmp_path.iterdir())) == 2


def test_one_at_a_time(tmp_path: Path) -> None:
    subject = Publication("digest", 1, "topic")
    with (
        Journal(tmp_path / "journal", subject, now=NOW),
        pytest.raises(JournalError, match="in use"),
        Journal(tmp_path / "journal", subject, now=NOW),
    ):
        pass


def test_the_pace_is_kept_on_average() -> None:
    time = 100.0
    pace = RateLimit(1_000, clock=lambda: time)
    assert [pace.wait(500), pace.wait(500)] == [0, 0.5]
    time += 0.75
    assert pace.wait(500) == 0.25
    assert RateLimit(0, clock=lambda: time).wait(10**9) == 0
