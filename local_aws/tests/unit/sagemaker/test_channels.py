"""Channels and manifests become downloads."""

from __future__ import annotations

import pytest

from local_aws.sagemaker import channels
from local_aws.sagemaker.errors import ApiError, JobError


@pytest.mark.parametrize(
    ("prefix", "key", "path"),
    [
        ("data/", "data/a/b.csv", "a/b.csv"),
        ("data", "data/a/b.csv", "a/b.csv"),
        ("data/a", "data/apple/b.csv", "apple/b.csv"),
        ("data/one.json", "data/one.json", "one.json"),
        ("", "top.csv", "top.csv"),
    ],
)
def test_path_of_key_follows_its_prefix(prefix: str, key: str, path: str) -> None:
    assert channels.download_of_key(channels.Location("bucket", prefix), key).path == path


def test_manifest_lists_objects_below_its_prefix() -> None:
    # given a manifest whose prefix is in another bucket
    manifest = channels.Location("bucket", "manifest.json")
    # when it is parsed
    downloads = channels.downloads_of_manifest(b'[{"prefix": "s3://other/some/"}, "a/1.csv", "2.csv"]', manifest)
    # then each object has that prefix, and a path without it
    assert [(str(download.location), download.path) for download in downloads] == [
        ("s3://other/some/a/1.csv", "a/1.csv"),
        ("s3://other/some/2.csv", "2.csv"),
    ]


@pytest.mark.parametrize(
    "document",
    [
        b"{",
        b"[]",
        b'["a"]',
        b'[{"prefix": "http://x/"}, "a"]',
        b'[{"prefix": "s3://b/"}, 1]',
        b'[{"prefix": "s3://b/"}, ""]',
    ],
)
def test_invalid_manifest_is_refused_by_name(document: bytes) -> None:
    with pytest.raises(JobError, match="manifest s3://bucket/m"):
        channels.downloads_of_manifest(document, channels.Location("bucket", "m"))


def test_key_outside_of_channel_folder_is_refused() -> None:
    with pytest.raises(JobError, match="leads out"):
        channels.downloads_of_manifest(b'[{"prefix": "s3://b/"}, "../../secret"]', channels.Location("bucket", "m"))


@pytest.mark.parametrize(
    "change",
    [
        {"S3DataType": "AugmentedManifestFile"},
        {"S3DataDistributionType": "ShardedByS3Key"},
        {"S3Uri": "file:///tmp"},
    ],
)
def test_unsupported_channel_is_refused(change: dict[str, str]) -> None:
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/key"} | change
    with pytest.raises(ApiError):
        channels.parse_channel({"ChannelName": "samples", "DataSource": {"S3DataSource": source}})
