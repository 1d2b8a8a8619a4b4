"""The quarantine: surveyed, and put back once the schema accepts a line."""

from __future__ import annotations

import base64
import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from dwell.fleet.ledger import Ledger
from dwell.fleet.packing import Message  # noqa: TC001 (a fake's signature)
from dwell.fleet.publisher import PublishError
from dwell.operations import quarantine
from feature_schema import FEATURES, TARGET, csv_sample_id

RECEIVED = "2026-11-23T06:39:00.000Z"
GOOD_ROW = ",".join(str(int(field.minimum)) for field in (TARGET, *FEATURES))


class FakeS3:
    """A bucket that remembers."""

    def __init__(self, objects: dict[str, list[dict[str, Any]]]) -> None:
        self.objects = {key: "".join(json.dumps(entry) + "\n" for entry in found) for key, found in objects.items()}

    def get_paginator(self, _operation: str) -> FakeS3:
        return self

    def paginate(self, *, Bucket: str, Prefix: str, StartAfter: str) -> list[dict[str, Any]]:  # noqa: N803
        assert Bucket == "bucket"
        return [{"Contents": [{"Key": k} for k in sorted(self.objects) if k.startswith(Prefix) and k > StartAfter]}]

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: ARG002, N803
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


class FakePublisher:
    """Confirms messages, or none."""

    def __init__(self, *, confirms: bool = True) -> None:
        self.ledger = Ledger()
        self.lines: list[dict[str, Any]] = []
        self.confirms = confirms

    def publish(self, messages: list[Message]) -> int:
        if not self.confirms:
            return 0
        self.lines += [json.loads(line.text) for message in messages for line in message.lines]
        return sum(len(message.lines) for message in messages)


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


def replay(s3: FakeS3, publisher: FakePublisher, *, dry_run: bool = False) -> quarantine.Replay:
    return quarantine.replay(s3, "bucket", publisher, dry_run=dry_run)  # type: ignore[arg-type] # fakes


def test_a_survey_counts_by_reason_with_examples() -> None:
    found = quarantine.survey(a_bucket(), "bucket", examples=1)  # type: ignore[arg-type] # a fake
    assert (found.lines, found.objects) == (5, 3)
    assert found.reasons == {"malformed": 3, "too_strict": 2}
    assert [line.line for line in found.examples["too_strict"]] == [GOOD_ROW.encode()]


def test_a_survey_can_start_later() -> None:
    since = datetime(2026, 11, 23, tzinfo=UTC)
    found = quarantine.survey(a_bucket(), "bucket", since=since)  # type: ignore[arg-type] # a fake
    assert found.lines == 4


def test_what_is_accepted_by_now_goes_back_once_and_the_rest_stays() -> None:
    s3, publisher = a_bucket(), FakePublisher()
    done = replay(s3, publisher)
    assert (done.replayed, done.objects) == (2, 2)
    assert done.still_refused == {"malformed": 3}
    # under the ids that the first delivery would have given them
    assert [line["sample_id"] for line in publisher.lines] == [csv_sample_id("m", 3), csv_sample_id("m", 4)]
    assert len(s3.under("quarantine/")) == 3
    assert [one["position"] for one in s3.under("replayed/")] == [3, 4]
    # a second time does nothing
    again = FakePublisher()
    assert replay(s3, again).replayed == 0
    assert again.lines == []


def test_an_unconfirmed_replay_leaves_everything_where_it_was() -> None:
    s3 = a_bucket()
    before = dict(s3.objects)
    with pytest.raises(PublishError, match="run it again"):
        replay(s3, FakePublisher(confirms=False))
    assert s3.objects == before


def test_a_dry_run_changes_nothing() -> None:
    s3, publisher = a_bucket(), FakePublisher()
    before = dict(s3.objects)
    assert replay(s3, publisher, dry_run=True).replayed == 2
    assert s3.objects == before
    assert publisher.lines == []
