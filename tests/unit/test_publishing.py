"""Files of samples: every form becomes lines, checked before and resumable after an interruption."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path  # noqa: TC003 (fixtures of pytest)
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dwell.fleet.ledger import Ledger
from dwell.fleet.publisher import PublishError
from dwell.operations import publishing, samples_file
from dwell.operations.publishing import RefusedLinesError, check, note_of, publish
from dwell.operations.samples_file import SamplesFileError
from feature_schema import FEATURES, TARGET, parse_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dwell.fleet.packing import Message

NOW = datetime(2026, 11, 23, 6, 39, tzinfo=UTC)
NAMES = [TARGET.name, *(feature.name for feature in FEATURES)]


def values(number: int) -> list[int]:
    return [int(TARGET.minimum) + number, *(int(feature.minimum) for feature in FEATURES)]


def workshop_file(folder: Path, rows: int) -> Path:
    path = folder / "rows.csv"
    path.write_text("".join(",".join(map(str, values(number))) + "\n" for number in range(rows)))
    return path


class FakePublisher:
    """Confirms messages, until told to refuse."""

    def __init__(self, *, refuse_after: int | None = None) -> None:
        self.ledger = Ledger()
        self.lines: list[str] = []
        self.refuse_after = refuse_after

    def publish(self, messages: Sequence[Message]) -> int:
        confirmed = 0
        for message in messages:
            if self.refuse_after is not None and len(self.lines) >= self.refuse_after:
                self.ledger.fail(message, "Throttling")
                continue
            self.lines += [line.text for line in message.lines]
            confirmed += len(message.lines)
        return confirmed

    def ids(self) -> list[str]:
        return [json.loads(line)["sample_id"] for line in self.lines]


def send(path: Path, publisher: FakePublisher, **options: Any) -> publishing.Published:
    options = {"refused": "stop", "on_progress": lambda _: None, **options}
    return publish(path, publisher, checked=check(path), **options)  # type: ignore[arg-type] # a fake


def test_workshop_rows_become_samples_in_the_order_of_the_file(tmp_path: Path) -> None:
    publisher = FakePublisher()
    done = send(workshop_file(tmp_path, 250), publisher)
    samples = [
        parse_line(line.encode(), message_id="m", position=0, received_at=datetime.now(UTC)) for line in publisher.lines
    ]
    assert (done.lines, done.published, done.skipped) == (250, 250, 0)
    assert [sample.target for sample in samples] == [TARGET.minimum + number for number in range(250)]
    times = [sample.recorded_at for sample in samples]
    assert times == sorted(set(times))
    assert len(set(publisher.ids())) == 250


def test_columns_are_found_by_name(tmp_path: Path) -> None:
    path = tmp_path / "named.csv"
    names = [*reversed(NAMES), "sample_id", "fc_id"]
    path.write_text(",".join(names) + "\n" + ",".join(map(str, [*reversed(values(7)), "own-id", "fc-9"])) + "\n")
    publisher = FakePublisher()
    send(path, publisher)
    (line,) = publisher.lines
    sample = parse_line(line.encode(), message_id="m", position=0, received_at=datetime.now(UTC))
    assert (sample.sample_id, sample.fc_id, sample.robot_id) == ("own-id", "fc-9", "unknown")
    assert sample.target == TARGET.minimum + 7


def test_parquet_is_read_by_name(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    rows = [dict(zip(NAMES, values(number), strict=True)) for number in range(3)]
    pq.write_table(pa.Table.from_pylist(rows), path)
    publisher = FakePublisher()
    assert send(path, publisher).published == 3


def test_json_lines_stay_as_they_are(tmp_path: Path) -> None:
    sample = {
        "sample_id": "a", "robot_id": "r", "fc_id": "f", "recorded_at": "2026-11-23T06:39:00Z", "schema_version": 1,
        TARGET.name: values(0)[0], "features": dict(zip(NAMES[1:], values(0)[1:], strict=True)),
    }  # fmt: skip
    path = tmp_path / "samples.ndjson"
    path.write_text(json.dumps(sample) + "\n")
    publisher = FakePublisher()
    send(path, publisher)
    assert publisher.lines == [json.dumps(sample)]


def test_a_large_file_is_not_in_the_future(tmp_path: Path) -> None:
    # more rows, a millisecond apart, than a clock may be ahead
    path = workshop_file(tmp_path, 10)
    lines = list(samples_file.read(path, content="c", ends_at=NOW, count=1_000_000))
    first = datetime.fromisoformat(json.loads(lines[0].text)["recorded_at"])
    assert first == NOW - timedelta(milliseconds=999_999)
    assert check(path).refused == {}


def test_the_same_file_is_the_same_samples(tmp_path: Path) -> None:
    path = workshop_file(tmp_path, 5)
    first, second = FakePublisher(), FakePublisher()
    send(path, first)
    note_of(path).unlink()
    send(path, second)
    assert first.ids() == second.ids()


def test_an_interrupted_file_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a publication that SNS stops confirming
    monkeypatch.setattr(publishing, "CHUNK", 100)
    path = workshop_file(tmp_path, 450)
    broken = FakePublisher(refuse_after=250)
    with pytest.raises(PublishError, match="run it again"):
        send(path, broken)
    # when it is run again
    again = FakePublisher()
    done = send(path, again)
    # then it starts after the last chunk that was confirmed whole, and every sample is sent
    assert done.resumed_at == 200
    assert len(again.lines) == 250
    assert len(set(broken.ids()) | set(again.ids())) == 450
    # and a third time sends nothing
    third = FakePublisher()
    assert send(path, third).published == 0
    assert third.lines == []


def test_a_changed_file_starts_anew(tmp_path: Path) -> None:
    path = workshop_file(tmp_path, 5)
    send(path, FakePublisher())
    workshop_file(tmp_path, 6)
    publisher = FakePublisher()
    assert send(path, publisher).published == 6


def test_a_line_that_would_be_refused_stops_before_anything_is_sent(tmp_path: Path) -> None:
    path = workshop_file(tmp_path, 3)
    path.write_text(path.read_text() + ",".join(["-5", *map(str, values(0)[1:])]) + "\n")
    publisher = FakePublisher()
    with pytest.raises(RefusedLinesError, match=f"out_of_range:{TARGET.name}") as stopped:
        send(path, publisher)
    assert "line 4" in str(stopped.value)
    assert publisher.lines == []


@pytest.mark.parametrize(("refused", "sent", "skipped"), [("skip", 3, 1), ("send", 4, 0)])
def test_refused_lines_can_be_skipped_or_sent(tmp_path: Path, refused: str, sent: int, skipped: int) -> None:
    path = workshop_file(tmp_path, 3)
    path.write_text(path.read_text() + ",".join(["no number", *map(str, values(0)[1:])]) + "\n")
    publisher = FakePublisher()
    done = send(path, publisher, refused=refused)
    assert (len(publisher.lines), done.skipped) == (sent, skipped)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("samples.txt", b"", "must end with"),
        ("rows.csv", b"1,2,3\n", "line 1: 3 cells"),
        ("rows.csv", b"\xff\xfe\n", "line 1"),
        ("rows.parquet", b"PAR1 or not", "rows.parquet"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SamplesFileError, match=message):
        check(path)


def test_an_empty_file_is_published_at_once(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.touch()
    assert send(path, FakePublisher()).lines == 0


def test_a_foreign_note_is_not_overwritten(tmp_path: Path) -> None:
    path = workshop_file(tmp_path, 1)
    note_of(path).write_text("{}")
    with pytest.raises(SamplesFileError, match="not a note of ours"):
        send(path, FakePublisher())
