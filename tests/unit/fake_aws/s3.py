"""S3: one versioned bucket."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tests.unit.fake_aws.requests import NOW, Pages, Steps, make_client_error, validate_request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

BUCKET = "dwell-data"


@dataclass(slots=True)
class Version:
    key: str
    content: bytes
    at: datetime
    number: str
    latest: bool = True


class _NoKeyError(ClientError):
    pass


def _compute_etag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


@dataclass(slots=True)
class FakeS3:
    """A versioned bucket."""

    steps: Steps
    versions: list[Version] = field(default_factory=list)
    now: datetime = NOW
    listed: list[str] = field(default_factory=list)
    exceptions: Any = field(default_factory=lambda: SimpleNamespace(NoSuchKey=_NoKeyError))

    def store(self, key: str, content: bytes, at: datetime) -> Version:
        for version in self.versions:
            if version.key == key:
                version.latest = False
        version = Version(key, content, at.replace(microsecond=0), f"v{len(self.versions) + 1}")
        self.versions.append(version)
        return version

    def content(self, key: str) -> bytes:
        return next(version.content for version in self.versions if version.key == key and version.latest)

    def put_object(self, **parameters: Any) -> dict[str, Any]:
        validate_request("s3", "PutObject", parameters)
        assert parameters["Bucket"] == BUCKET

        def put() -> dict[str, Any]:
            existing = self._find_etag(parameters["Key"])
            if ("IfMatch" in parameters and existing != parameters["IfMatch"]) or (
                "IfNoneMatch" in parameters and existing is not None
            ):
                raise make_client_error("PutObject", "PreconditionFailed", "At least one precondition did not hold")
            version = self.store(parameters["Key"], parameters["Body"], self.now)
            return {"VersionId": version.number, "ETag": _compute_etag(version.content)}

        return self.steps.take(put)

    def _find_etag(self, key: str) -> str | None:
        contents = [version.content for version in self.versions if version.key == key and version.latest]
        return _compute_etag(contents[0]) if contents else None

    def get_object(self, **parameters: Any) -> dict[str, Any]:
        validate_request("s3", "GetObject", parameters)

        def get() -> dict[str, Any]:
            for version in self.versions:
                if version.key == parameters["Key"] and version.latest:
                    return {
                        "ContentLength": len(version.content),
                        "Body": io.BytesIO(version.content),
                        "ETag": _compute_etag(version.content),
                    }
            raise _NoKeyError({"Error": {"Code": "NoSuchKey", "Message": "absent"}}, "GetObject")

        return self.steps.take(get)

    def get_paginator(self, operation: str) -> Pages:
        assert operation == "list_object_versions"
        return Pages(self._list)

    def _list(self, **parameters: Any) -> Iterator[dict[str, Any]]:
        validate_request("s3", "ListObjectVersions", parameters)
        self.listed.append(parameters["Prefix"])
        found = sorted(
            (version for version in self.versions if version.key.startswith(parameters["Prefix"])),
            key=lambda version: version.key,
        )
        if not found:
            self.steps.take(lambda: None)
            yield {}
        for start in range(0, len(found), 2):
            page = self.steps.take(lambda start=start: found[start : start + 2])  # type: ignore[misc]
            yield {
                "Versions": [
                    {
                        "Key": version.key,
                        "VersionId": version.number,
                        "IsLatest": version.latest,
                        "Size": len(version.content),
                        "LastModified": version.at,
                    }
                    for version in page
                ]
            }
