"""Packing, publishing and the ledger: nothing is lost from the books, whatever the topic does."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from hypothesis import given
from hypothesis import strategies as st

from dwell.messaging.batching import MAX_LINES_PER_MESSAGE, MAX_MESSAGE_BYTES, Batcher, Message
from dwell.messaging.line import Line, LineKind
from dwell.messaging.publish_log import BrokenLine, PublishLog
from dwell.messaging.publisher import InvalidTopicError, Publisher, PublishError, create_sns_client, group_messages
from feature_schema import derive_csv_sample_id

if TYPE_CHECKING:
    from pathlib import Path

    from mypy_boto3_sns import SNSClient

TOPIC = "arn:aws:sns:us-east-1:000000000000:samples"


class FakeTopic:
    """Takes what SNS takes, and refuses what SNS refuses; errors can be injected by a mark in the message."""

    def __init__(self, *, errors: dict[str, Exception] | None = None, refused_entries: set[str] | None = None) -> None:
        self.taken: dict[str, str] = {}
        self.requests: list[int] = []
        self._errors = errors or {}
        self._refused_entries = refused_entries or set()
        self._lock = threading.Lock()

    def publish(self, *, TopicArn: str, Message: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        assert TopicArn == TOPIC
        for mark, error in self._errors.items():
            if mark in Message:
                raise error
        with self._lock:
            self.requests.append(1)
            return {"MessageId": self._take(Message)}

    def publish_batch(self, *, TopicArn: str, PublishBatchRequestEntries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803 - boto3's names
        assert TopicArn == TOPIC
        entries = PublishBatchRequestEntries
        assert len(entries) <= 10
        assert sum(len(entry["Message"].encode()) for entry in entries) <= 262_144
        for mark, error in self._errors.items():
            if any(mark in entry["Message"] for entry in entries):
                raise error
        response: dict[str, Any] = {"Successful": [], "Failed": []}
        with self._lock:
            self.requests.append(len(entries))
            for entry in entries:
                if entry["Message"] in self._refused_entries:
                    response["Failed"].append({"Id": entry["Id"], "Code": "InternalFailure", "SenderFault": False})
                else:
                    response["Successful"].append({"Id": entry["Id"], "MessageId": self._take(entry["Message"])})
        return response

    def _take(self, text: str) -> str:
        message_id = f"id-{len(self.taken)}"
        self.taken[message_id] = text
        return message_id


def publisher_to(topic: FakeTopic) -> Publisher:
    return Publisher(cast("SNSClient", topic), TOPIC, threads=2)


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "Publish")


def sample(name: str, text: str = "") -> Line:
    return Line(text or f'{{"sample_id":"{name}"}}', LineKind.SAMPLE, name)


def row(text: str = "1,2,3") -> Line:
    return Line(text, LineKind.ROW)


def broken(name: str) -> Line:
    return Line(f"{name} is broken", LineKind.BROKEN, name, "malformed")


# --- packing ---


def test_messages_are_full_before_they_leave() -> None:
    packer = Batcher()

    full = packer.add(sample(f"s{number}") for number in range(2 * MAX_LINES_PER_MESSAGE + 1))

    assert [len(message.lines) for message in full] == [MAX_LINES_PER_MESSAGE, MAX_LINES_PER_MESSAGE]
    assert [len(message.lines) for message in packer.flush()] == [1]
    assert packer.flush() == []


@given(
    sizes=st.lists(st.integers(1, 100), max_size=60),
    max_lines=st.integers(1, 9),
    max_bytes=st.integers(200, 400),
    letter=st.sampled_from(["x", "é"]),
)
def test_batcher_keeps_limits_order_and_all_lines(
    sizes: list[int], max_lines: int, max_bytes: int, letter: str
) -> None:
    packer = Batcher(max_lines=max_lines, max_bytes=max_bytes)
    lines = [sample(str(number), letter * size) for number, size in enumerate(sizes)]

    messages = packer.add(lines) + packer.flush()

    assert [line for message in messages for line in message.lines] == lines
    assert all(1 <= len(message.lines) <= max_lines and message.size <= max_bytes for message in messages)


def test_a_message_may_be_filled_to_the_last_byte() -> None:
    packer = Batcher(max_bytes=11)

    packer.add([sample("a", "12345"), sample("b", "12345")])

    assert [message.text for message in packer.flush()] == ["12345\n12345"]


def test_rows_travel_apart_from_json() -> None:
    packer = Batcher()

    packer.add([sample("a"), row(), broken("b"), row()])

    assert [[line.kind for line in message.lines] for message in packer.flush()] == [
        [LineKind.SAMPLE, LineKind.BROKEN],
        [LineKind.ROW, LineKind.ROW],
    ]


def test_a_line_that_fits_into_no_message_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        Batcher(max_bytes=10).add([sample("a", "x" * 11)])


@pytest.mark.parametrize(("max_lines", "max_bytes"), [(0, 100), (1, 0), (1, MAX_MESSAGE_BYTES + 1)])
def test_impossible_limits_are_refused(max_lines: int, max_bytes: int) -> None:
    with pytest.raises(ValueError, match="and at most 262144 bytes"):
        Batcher(max_lines=max_lines, max_bytes=max_bytes)


@given(sizes=st.lists(st.integers(1, MAX_MESSAGE_BYTES), max_size=40))
def test_a_batch_is_what_sns_takes_in_one_request(sizes: list[int]) -> None:
    messages = [Message((sample(str(number), "x" * size),)) for number, size in enumerate(sizes)]

    groups = group_messages(messages)

    assert [message for group in groups for message in group] == messages
    assert all(
        1 <= len(group) <= 10 and sum(message.size for message in group) <= MAX_MESSAGE_BYTES for group in groups
    )


# --- publishing ---


def test_log_has_the_final_id_of_every_line() -> None:
    topic = FakeTopic()
    messages = [Message((sample("a"), broken("b"), sample("c"))), Message((row("1,2"), row("3,4")))]

    with publisher_to(topic) as publisher:
        confirmed = publisher.publish(messages)

    (rows_id,) = [message_id for message_id, text in topic.taken.items() if text == "1,2\n3,4"]
    assert confirmed == 5
    assert sorted(topic.taken.values()) == sorted(message.text for message in messages)
    assert publisher.publish_log == PublishLog(
        published_ids={"a", "c", derive_csv_sample_id(rows_id, 0), derive_csv_sample_id(rows_id, 1)},
        broken={"b": BrokenLine("malformed", "b is broken")},
        messages=2,
    )


def test_small_messages_share_a_request() -> None:
    topic = FakeTopic()
    small = [Message((sample(f"s{number}"),)) for number in range(12)]
    large = [Message((sample(name, name * 200_000),)) for name in "ab"]

    with publisher_to(topic) as publisher:
        publisher.publish(small)
        assert sorted(topic.requests) == [2, 10]
        publisher.publish(large)

    assert sorted(topic.requests) == [1, 1, 2, 10]


def test_failed_batch_entry_is_published_alone() -> None:
    messages = [Message((sample(name),)) for name in "abc"]
    topic = FakeTopic(refused_entries={messages[1].text})

    with publisher_to(topic) as publisher:
        confirmed = publisher.publish(messages)

    assert confirmed == 3
    assert topic.requests == [3, 1]
    assert sorted(topic.taken.values()) == sorted(message.text for message in messages)
    assert publisher.publish_log.published_ids == {"a", "b", "c"}
    assert not publisher.publish_log.failures


def test_repeated_sample_counts_as_duplicate() -> None:
    with publisher_to(FakeTopic()) as publisher:
        publisher.publish([Message((sample("a"), sample("b")))])
        publisher.publish([Message((sample("a"),))])

    assert publisher.publish_log.published_ids == {"a", "b"}
    assert publisher.publish_log.duplicates == 1


def test_unconfirmed_samples_are_logged_as_unconfirmed() -> None:
    topic = FakeTopic(errors={"bad": EndpointConnectionError(endpoint_url="http://127.0.0.1")})
    large = "x" * 200_000  # keeps the messages out of one batch

    with publisher_to(topic) as publisher:
        confirmed = publisher.publish(
            [Message((sample("a", large),)), Message((sample("b", f"bad{large}"), broken("c"), row()))]
        )
        assert confirmed == 1
        assert publisher.publish_log.unconfirmed_ids == {"b", "c"}
        # and when they do arrive later, they are published after all, not duplicates
        publisher.publish([Message((sample("b"), broken("c")))])

    ledger = publisher.publish_log
    assert ledger.failures == Counter({"EndpointConnectionError": 1})
    assert (ledger.published_ids, set(ledger.broken), ledger.unconfirmed_ids) == ({"a", "b"}, {"c"}, set())
    assert (ledger.unconfirmed_rows, ledger.duplicates) == (1, 0)


@pytest.mark.parametrize("error", [refused("NotFound"), refused("AuthorizationError"), NoCredentialsError()])
def test_a_hopeless_error_ends_the_work_at_once(error: Exception) -> None:
    with publisher_to(FakeTopic(errors={"a": error})) as publisher, pytest.raises(PublishError, match=TOPIC):
        publisher.publish([Message((sample("a"),))])

    assert publisher.publish_log.unconfirmed_ids == {"a"}


def test_publisher_gives_up_after_many_failures() -> None:
    publisher = publisher_to(FakeTopic(errors={"a": refused("Throttled")}))

    with publisher, pytest.raises(PublishError, match="Throttled"):  # noqa: PT012 - it is the last of many that raises
        for number in range(100):
            publisher.publish([Message((sample(f"a{number}"),))])

    assert publisher.publish_log.failures == Counter({"Throttled": 20})


@pytest.mark.parametrize(
    "arn", ["samples", "arn:aws:sns:us-east-1:0:samples", f"{TOPIC}.fifo", f"{TOPIC}:subscription"]
)
def test_what_is_no_standard_topic_is_refused(arn: str) -> None:
    with pytest.raises(InvalidTopicError, match="not the ARN of a standard SNS topic"):
        create_sns_client(arn)


def test_the_client_is_in_the_topics_region() -> None:
    assert create_sns_client("arn:aws:sns:eu-west-1:123456789012:samples").meta.region_name == "eu-west-1"


# --- the ledger ---


def ledger() -> PublishLog:
    return PublishLog(
        published_ids={"a", "b"},
        broken={"c": BrokenLine("missing:duration", 'c "\\ü')},
        duplicates=2,
        messages=3,
        unconfirmed_ids={"d"},
        unconfirmed_rows=4,
        failures=Counter({"Throttled": 1}),
    )


def test_a_ledger_is_read_as_it_was_written(tmp_path: Path) -> None:
    ledger().save(tmp_path / "ledger.ndjson")

    assert PublishLog.load(tmp_path / "ledger.ndjson") == ledger()


@pytest.mark.parametrize("text", ["", "{}", "[]", "no json", '{"messages":1}\n{"published":"a"}'])
def test_another_file_is_no_ledger(tmp_path: Path, text: str) -> None:
    (tmp_path / "ledger.ndjson").write_text(text)

    with pytest.raises(ValueError, match="not a log"):
        PublishLog.load(tmp_path / "ledger.ndjson")


def test_ledgers_add_up() -> None:
    book = ledger()

    book.merge(
        PublishLog(published_ids={"b", "d", "e"}, broken={"f": BrokenLine("malformed", "f")}, duplicates=1, messages=5)
    )

    assert book == PublishLog(
        published_ids={"a", "b", "d", "e"},
        broken={"c": BrokenLine("missing:duration", 'c "\\ü'), "f": BrokenLine("malformed", "f")},
        duplicates=4,  # "b" is in both books
        messages=8,
        unconfirmed_ids=set(),  # "d" did arrive
        unconfirmed_rows=4,
        failures=Counter({"Throttled": 1}),
    )
