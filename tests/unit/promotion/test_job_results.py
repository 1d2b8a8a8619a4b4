"""Results of a job: read whole, bounded, and refused with a reason when they are not what was agreed."""

from __future__ import annotations

import gzip
import json
import os
import tarfile

import pytest

from promotion import job_results
from promotion.job_results import ResultsError, fetch, output_uri, read
from tests.unit.fake_aws import BUCKET, Cloud
from tests.unit.promotion.factories import make_archive, make_tournament

TEXT = make_tournament().model_dump_json().encode()


@pytest.mark.parametrize("name", ["tournament.json", "./tournament.json"])
def test_result_is_found_among_other_files(name: str) -> None:
    assert read(make_archive(("log.txt", b"x" * 1_000), (name, TEXT), ("more.txt", b""))) == make_tournament()


@pytest.mark.parametrize(
    ("archive", "reason"),
    [
        (b"", "no readable"),
        (b"not an archive", "no readable"),
        (make_archive(("tournament.json", TEXT))[:-40], "no readable"),
        (gzip.compress(b"no tar"), "no readable"),
        (make_archive(("other.json", TEXT)), "has no tournament.json"),
        (make_archive(("deep/tournament.json", TEXT)), "has no tournament.json"),
        (make_archive(("tournament.json", b""), kind=tarfile.SYMTYPE), "has no tournament.json"),
        (make_archive(("tournament.json", b"{")), "breaks its contract at the top"),
        (make_archive(("tournament.json", b"[]")), "breaks its contract at the top"),
        (
            make_archive(("tournament.json", json.dumps({**json.loads(TEXT), "candidates": [{}]}).encode())),
            "breaks its contract at candidates.0.name",
        ),
    ],
    ids=range(10),
)
def test_invalid_result_is_refused_with_a_reason(archive: bytes, reason: str) -> None:
    with pytest.raises(ResultsError, match=reason):
        read(archive)


def test_sizes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ResultsError, match=r"tournament\.json has"):
        read(make_archive(("tournament.json", b" " * (job_results.MAX_RESULT_BYTES + 1))))
    bomb = make_archive(("zeros", b"\0" * (job_results.MAX_UNPACKED_BYTES + 1)), ("tournament.json", TEXT))
    assert len(bomb) < 200_000
    with pytest.raises(ResultsError, match="unpacks to more than"):
        read(bomb)

    monkeypatch.setattr(job_results, "MAX_ARCHIVE_BYTES", 1_000)
    cloud = Cloud()
    cloud.s3.store("o.tar.gz", make_archive(("tournament.json", TEXT), ("noise", os.urandom(2_000))), cloud.time)
    with pytest.raises(ResultsError, match="at most 1000"):
        fetch(cloud.clients()[1], f"s3://{BUCKET}/o.tar.gz", round_name=make_tournament().round)


def test_results_are_fetched_from_sagemakers_path() -> None:
    cloud = Cloud()
    cloud.s3.store("training/job/output/output.tar.gz", make_archive(("tournament.json", TEXT)), cloud.time)
    for path in ("s3://dwell-data/training/", "s3://dwell-data/training"):
        uri = output_uri(path, "job")
        assert fetch(cloud.clients()[1], uri, round_name=make_tournament().round) == make_tournament()
    with pytest.raises(ResultsError, match=r"the job left no training/other/output/output\.tar\.gz"):
        fetch(cloud.clients()[1], output_uri("s3://dwell-data/training/", "other"), round_name=make_tournament().round)
    with pytest.raises(ResultsError, match="results of the round"):
        fetch(cloud.clients()[1], output_uri("s3://dwell-data/training/", "job"), round_name="another")
