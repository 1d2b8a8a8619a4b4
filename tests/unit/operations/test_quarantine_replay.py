"""The quarantine: surveyed, and put back once the schema accepts a line."""

from __future__ import annotations

import base64
import io
import json
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from dwell.commands import replay as cli
from dwell.commands.app import app
from dwell.messaging.publisher import PublishError
from dwell.operations import quarantine_replay as quarantine
from dwell.operations.quarantine_replay import DamagedObjectError, Selection
from dwell.template import read_template
from feature_schema import FEATURES, TARGET, InvalidInputError, derive_csv_sample_id, parse_line
from tests.unit.operations.factories import FakePublisher
from validator.quarantine import build_object
from validator.transform import RejectedLine

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
RECEIVED = "2026-11-23T06:39:00.000Z"
GOOD_ROW = ",".join(str(int(field.minimum)) for field in (TARGET, *FEATURES))


class FakeS3:
    """A bucket that remembers."""

    def __init__(self, objects: dict[str, list[dict[str, Any]]]) -> None:
        self.objects = {key: "".join(json.dumps(entry) + "\n" for entry in found) for key, found in objects.items()}
        self.written: dict[str, datetime] = {}
        self.read: list[str] = []

    def get_paginator(self, _operation: str) -> FakeS3:
        return self

    def paginate(self, *, Bucket: str, Prefix: str, StartAfter: str) -> list[dict[str, Any]]:  # noqa: N803
        assert Bucket == "bucket"
        found = [key for key in sorted(self.objects) if key.startswith(Prefix) and key > StartAfter]
        written = [{"LastModified": self.written[key]} if key in self.written else {} for key in found]
        return [{"Contents": [{"Key": key, **at} for key, at in zip(found, written, strict=True)]}]

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: ARG002, N803
        self.read.append(Key)
        return {"Body": io.BytesIO(self.objects[Key].encode())}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, ContentType: str) -> None:  # noqa: ARG002, N803
        self.objects[Key] = Body.decode()

    def delete_object(self, *, Bucket: str, Key: str) -> None:  # noqa: ARG002, N803
        del self.objects[Key]

    def under(self, prefix: str) -> list[dict[str, Any]]:
        return [
            json.loads(line)
            for key, body in self.objects.items()
            if key.startswith(prefix)
            for line in body.splitlines()
        ]


def entry(raw: str, reason: str = "malformed", position: int = 0, received_at: str = RECEIVED) -> dict[str, Any]:
    return {
        "reason": reason, "detail": "", "raw": raw, "message_id": "m", "position": position, "received_at": received_at,
    }  # fmt: skip


def a_bucket() -> FakeS3:
    binary = {**entry(""), "raw_base64": base64.b64encode(b"\xff").decode()}
    del binary["raw"]
    return FakeS3(
        {
            "quarantine/date=2026-11-22/hour=06/a.ndjson": [entry("{", received_at="2026-11-22T06:39:00.000Z")],
            "quarantine/date=2026-11-23/hour=06/b.ndjson": [entry(GOOD_ROW, "too_strict", 3), entry("{"), binary],
            "quarantine/date=2026-11-23/hour=07/c.ndjson": [entry(GOOD_ROW, "too_strict", 4)],
        }
    )


def replay(s3: FakeS3, publisher: FakePublisher, **options: Any) -> quarantine.ReplayResult:
    return quarantine.replay(s3, "bucket", publisher, **{"now": NOW, **options})  # type: ignore[arg-type] # fakes


def survey(s3: FakeS3, **options: Any) -> quarantine.Survey:
    return quarantine.survey(s3, "bucket", now=NOW, **options)  # type: ignore[arg-type] # a fake


def test_a_survey_counts_by_reason_with_examples() -> None:
    found = survey(a_bucket(), examples=1)
    assert (found.lines, found.objects) == (5, 3)
    assert found.reasons == {"malformed": 3, "too_strict": 2}
    assert [line.line for line in found.examples["too_strict"]] == [GOOD_ROW.encode()]


def test_a_survey_can_start_later() -> None:
    since = datetime(2026, 11, 23, tzinfo=UTC)
    assert survey(a_bucket(), selection=Selection(since=since)).lines == 4


@given(
    first=st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)),  # noqa: DTZ001 (made aware below)
    later=st.timedeltas(timedelta(0), timedelta(hours=8_760)),
    before=st.timedeltas(timedelta(0), timedelta(days=400)),
    stored=st.timedeltas(timedelta(0), timedelta(minutes=15)),
)
def test_survey_since_finds_late_lines_in_older_objects(
    first: datetime, later: timedelta, before: timedelta, stored: timedelta
) -> None:
    # given an object as the validator files it: under its earliest line's hour, after an outage of up to a year
    times = [first.replace(tzinfo=UTC), first.replace(tzinfo=UTC) + later]
    lines = [RejectedLine(b"{", InvalidInputError("malformed"), "m", 0, at) for at in times]
    key, body = build_object(lines)
    s3 = FakeS3({})
    s3.objects[key] = body.decode()
    s3.written[key] = (times[-1] + stored).replace(microsecond=0)
    # then whoever asks for a time up to the last line's sees it
    at = times[-1].replace(microsecond=times[-1].microsecond // 1_000 * 1_000)  # as it is written
    assert survey(s3, selection=Selection(since=at - before)).lines >= 1


def test_what_was_written_before_is_not_even_read() -> None:
    s3 = a_bucket()
    s3.written = dict.fromkeys(s3.objects, datetime(2026, 11, 23, 6, 50, tzinfo=UTC))
    s3.written["quarantine/date=2026-11-23/hour=07/c.ndjson"] = datetime(2026, 11, 23, 7, 1, tzinfo=UTC)
    survey(s3, selection=Selection(since=datetime(2026, 11, 23, 7, tzinfo=UTC)))
    assert s3.read == ["quarantine/date=2026-11-23/hour=07/c.ndjson"]


@pytest.mark.parametrize("year", [1, 2, 999, 2000])
def test_a_survey_can_start_as_early_as_there_is_a_date(year: int) -> None:
    assert survey(a_bucket(), selection=Selection(since=datetime(year, 1, 1, tzinfo=UTC))).lines == 5


def test_the_longest_retention_is_the_templates() -> None:
    maximum = read_template()["Parameters"]["StreamRetentionHours"]["MaxValue"]
    assert timedelta(hours=maximum) == quarantine.MAX_STREAM_RETENTION


def test_survey_of_a_reason_counts_accepted_lines() -> None:
    found = survey(a_bucket(), selection=Selection(reason="too_strict"))
    assert (found.lines, found.objects, found.accepted_now) == (2, 2, {"too_strict": 2})
    assert survey(a_bucket()).accepted_now.total() == 2


def test_replay_publishes_accepted_lines_once() -> None:
    s3, publisher = a_bucket(), FakePublisher()
    done = replay(s3, publisher)
    assert (done.replayed, done.objects) == (2, 2)
    assert done.still_refused == {"malformed": 3}
    # under the ids that the first delivery would have given them
    assert [line["sample_id"] for line in publisher.lines] == [
        derive_csv_sample_id("m", 3),
        derive_csv_sample_id("m", 4),
    ]
    assert len(s3.under("quarantine/")) == 3
    assert [one["position"] for one in s3.under("replayed/")] == [3, 4]
    # a second time does nothing
    again = FakePublisher()
    assert replay(s3, again).replayed == 0
    assert again.lines == []


def test_unconfirmed_replay_changes_nothing() -> None:
    s3 = a_bucket()
    before = dict(s3.objects)
    with pytest.raises(PublishError, match="repeat the command"):
        replay(s3, FakePublisher(confirms=False))
    assert s3.objects == before


def test_what_is_not_chosen_stays() -> None:
    s3, publisher = a_bucket(), FakePublisher()
    at_six = Selection(since=datetime(2026, 11, 23, 7, tzinfo=UTC))
    assert replay(s3, publisher, selection=at_six).replayed == 0
    assert replay(s3, publisher, selection=Selection(reason="malformed")).still_refused == {"malformed": 3}
    assert replay(s3, publisher, selection=Selection(reason="too_strict")).replayed == 2
    assert [one["reason"] for one in s3.under("quarantine/")] == ["malformed"] * 3


def test_replay_accepts_former_future_times() -> None:
    sample = parse_line(GOOD_ROW.encode(), message_id="m", position=0, received_at=NOW).model_dump_json(
        exclude_none=True
    )
    key = "quarantine/date=2026-11-23/hour=06/d.ndjson"
    s3 = FakeS3({key: [entry(sample, "in_the_future", received_at=RECEIVED)]})
    assert replay(s3, FakePublisher(), now=datetime.fromisoformat(RECEIVED)).replayed == 0
    assert replay(s3, FakePublisher(), now=NOW).replayed == 1


def test_an_object_that_somebody_spoilt_is_named() -> None:
    key = "quarantine/date=2026-11-23/hour=06/d.ndjson"
    with pytest.raises(DamagedObjectError, match=key):
        survey(FakeS3({key: [{"reason": "malformed"}]}))


def test_a_dry_run_changes_nothing() -> None:
    s3, publisher = a_bucket(), FakePublisher()
    before = dict(s3.objects)
    assert replay(s3, publisher, dry_run=True).replayed == 2
    assert s3.objects == before
    assert publisher.lines == []


class TestCommand:
    """What ``dwell quarantine`` and ``dwell replay`` print."""

    @pytest.fixture(autouse=True)
    def bucket(self, monkeypatch: pytest.MonkeyPatch) -> FakeS3:
        s3 = a_bucket()
        session = SimpleNamespace(client=lambda _: s3)
        monkeypatch.setattr(cli, "boto3", SimpleNamespace(Session=lambda: session))
        monkeypatch.setattr(cli, "find", lambda _: SimpleNamespace(bucket="bucket", topic_arn="topic"))
        monkeypatch.setattr(cli, "create_sns_client", lambda _: None)
        monkeypatch.setattr(cli, "Publisher", lambda *_: nullcontext(FakePublisher()))
        monkeypatch.setattr(cli, "datetime", SimpleNamespace(now=lambda _: NOW))
        return s3

    def told(self, *arguments: str, status: int = 0, command: str = "quarantine") -> str:
        result = CliRunner().invoke(app, [command, *arguments], env={"COLUMNS": "200"})
        assert result.exit_code == status, result.output
        return result.output + result.stderr

    def test_examples_follow_the_table_and_are_cut(self, bucket: FakeS3) -> None:
        bucket.objects["quarantine/date=2026-11-21/hour=06/a.ndjson"] = json.dumps(entry("x" * 300, "rare")) + "\n"
        lines = self.told("--examples", "1").splitlines()
        assert lines[0] == "Quarantine: 6 lines in 4 objects"
        assert [line for line in lines if line.startswith("Examples")] == [
            f"Examples of {reason}:" for reason in ("malformed", "too_strict", "rare")
        ]
        assert lines[lines.index("Examples of malformed:") - 1] == ""
        assert lines[lines.index("Examples of malformed:") + 1] == "    '{'"
        assert lines[-1] == f"    '{'x' * 198}\N{HORIZONTAL ELLIPSIS}"
        assert json.loads(self.told("--examples", "1", "--json"))["examples"]["rare"][0]["line"] == "x" * 300

    @pytest.mark.parametrize("command", ["quarantine", "replay"])
    def test_unknown_reason_prints_the_existing_ones(self, command: str) -> None:
        output = self.told("--reason", "nonsense", command=command)
        assert output == (
            "Quarantine: no lines with the reason 'nonsense'. Other reasons: malformed (3), too_strict (2).\n"
        )
        output = self.told("--reason", "nonsense", "--since", "2026-11-23T00:00:00Z", command=command)
        assert "no lines received since 2026-11-23T00:00:00Z with" in output
        assert "Other reasons: too_strict (2), malformed (2)." in output

    def test_replay_prints_published_and_refused_counts(self) -> None:
        output = self.told("--dry-run", command="replay")
        assert output == "Would publish 2 lines of 2 objects again; 3 still refused.\n"

    def test_empty_quarantine_prints_no_lines(self, bucket: FakeS3) -> None:
        bucket.objects.clear()
        assert self.told() == "Quarantine: no lines.\n"
        assert "Other reasons: none." in self.told("--reason", "malformed")

    def test_a_time_in_the_future_makes_no_sense(self) -> None:
        assert "is in the future" in self.told("--since", "2026-11-24", status=2)
