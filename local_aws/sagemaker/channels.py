"""The objects of a channel in S3, and their paths in the job's folder.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_S3DataSource.html
"""

from __future__ import annotations

import json
import posixpath
import re
from dataclasses import dataclass
from typing import Any

from local_aws.sagemaker.errors import JobError, broken_constraint, invalid

_CHANNEL_NAME = "[A-Za-z0-9\\.\\-_]+"


@dataclass(frozen=True, slots=True)
class Location:
    """A bucket and a key, or a prefix of keys."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Channel:
    """One input of a job: a manifest of objects, or all objects with the prefix ``location``."""

    name: str
    location: Location
    is_manifest: bool


@dataclass(frozen=True, slots=True)
class Download:
    """One object, and its path inside the channel's folder."""

    location: Location
    path: str


def parse_location(uri: object, member: str = "s3Uri") -> Location:
    """Parse ``s3://bucket/key``. Raises ``ApiError``."""
    match = re.fullmatch(r"s3://([^/]+)/?(.*)", uri if isinstance(uri, str) else "", re.DOTALL)
    if not match:
        raise broken_constraint(
            uri, member, "Member must satisfy regular expression pattern: (https|s3)://([^/]+)/?(.*)"
        )
    return Location(match[1], match[2])


def parse_channel(raw: dict[str, Any]) -> Channel:
    """Parse an element of ``InputDataConfig``. Raises ``ApiError`` if it is invalid or not emulated."""
    name = raw.get("ChannelName")
    if not isinstance(name, str) or not re.fullmatch(_CHANNEL_NAME, name) or len(name) > 64:
        raise broken_constraint(
            name, "inputDataConfig.channelName", f"Member must satisfy regular expression pattern: {_CHANNEL_NAME}"
        )
    source = raw.get("DataSource", {}).get("S3DataSource")
    if not isinstance(source, dict):
        raise invalid(f"Channel {name} needs a DataSource.S3DataSource.")
    kind = source.get("S3DataType")
    if kind not in ("S3Prefix", "ManifestFile"):
        raise _not_emulated(name, "S3DataType", kind, "S3Prefix or ManifestFile")
    distribution = source.get("S3DataDistributionType", "FullyReplicated")
    if distribution != "FullyReplicated":
        raise _not_emulated(name, "S3DataDistributionType", distribution, "FullyReplicated")
    if raw.get("InputMode", "File") != "File":
        raise _not_emulated(name, "InputMode", raw["InputMode"], "File")
    if raw.get("CompressionType", "None") != "None":
        raise _not_emulated(name, "CompressionType", raw["CompressionType"], "None")
    return Channel(name, parse_location(source.get("S3Uri"), "inputDataConfig.s3Uri"), kind == "ManifestFile")


def _not_emulated(name: str, member: str, value: object, supported: str) -> Exception:
    return invalid(f"Channel {name}: {member} {value} is not emulated; use {supported}.")


def download_of_key(prefix: Location, key: str) -> Download:
    """The download of a key with the prefix: its path follows the prefix as a folder, or the prefix's last slash."""
    if key.startswith(prefix.key.rstrip("/") + "/"):
        path = key[len(prefix.key.rstrip("/")) + 1 :]
    else:
        path = key[prefix.key.rfind("/") + 1 :]
    return Download(Location(prefix.bucket, key), _inside(path, key))


def downloads_of_manifest(document: bytes, manifest: Location) -> list[Download]:
    """The downloads of a manifest: ``[{"prefix": "s3://bucket/some/"}, "key-a", ...]``. Raises ``JobError``."""
    try:
        entries = json.loads(document)
    except ValueError as error:
        raise JobError(f"ClientError: The manifest {manifest} is not JSON: {error}") from error
    if not isinstance(entries, list) or not entries or not isinstance(entries[0], dict) or "prefix" not in entries[0]:
        raise JobError(f'ClientError: The manifest {manifest} must be a list that begins with {{"prefix": "s3://..."}}')
    if not all(isinstance(entry, str) and entry for entry in entries[1:]):
        raise JobError(f"ClientError: The manifest {manifest} contains something that is not a key")
    match = re.fullmatch(r"s3://([^/]+)/(.*)", str(entries[0]["prefix"]))
    if not match:
        raise JobError(
            f"ClientError: The manifest {manifest} has the prefix {entries[0]['prefix']}, which is not in S3"
        )
    return [Download(Location(match[1], match[2] + entry), _inside(entry, entry)) for entry in entries[1:]]


def _inside(path: str, key: str) -> str:
    normal = posixpath.normpath(path.lstrip("/"))
    if normal in (".", "..") or normal.startswith("../"):
        raise JobError(f"ClientError: Data download failed: the key {key} leads out of its channel's folder")
    return normal
