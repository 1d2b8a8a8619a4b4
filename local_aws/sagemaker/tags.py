"""Tags of resources, by ARN."""

from __future__ import annotations

from typing import Any

from local_aws.sagemaker.errors import broken_constraint, invalid

MAX_TAGS = 50
"""https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_AddTags.html"""


class Tags:
    """The tags of every resource, from its creation to its deletion."""

    def __init__(self) -> None:
        self._by_arn: dict[str, dict[str, str]] = {}

    def create(self, arn: str, raw: Any) -> None:
        """Store the ``Tags`` of the request that creates ``arn``."""
        self._by_arn[arn] = parse_tags(raw)

    def remove(self, arn: str) -> None:
        """Remove the tags of a deleted resource."""
        self._by_arn.pop(arn, None)

    def get(self, arn: str) -> dict[str, str]:
        """The tags of a resource, by key."""
        return dict(self._by_arn.get(arn, {}))

    def add(self, request: dict[str, Any]) -> dict[str, Any]:
        """AddTags."""
        tags = self._existing(request)
        updated = tags | parse_tags(request.get("Tags"))
        if len(updated) > MAX_TAGS:
            raise invalid(f"A resource has {MAX_TAGS} tags at most.")
        tags.update(updated)
        return {"Tags": format_tags(tags)}

    def list(self, request: dict[str, Any]) -> dict[str, Any]:
        """ListTags."""
        return {"Tags": format_tags(self._existing(request))}

    def delete(self, request: dict[str, Any]) -> dict[str, Any]:
        """DeleteTags."""
        tags = self._existing(request)
        for key in request.get("TagKeys") or []:
            tags.pop(key, None)
        return {}

    def _existing(self, request: dict[str, Any]) -> dict[str, str]:
        arn = request.get("ResourceArn")
        if not isinstance(arn, str):
            raise broken_constraint(arn, "resourceArn", "Member must not be null")
        if arn not in self._by_arn:
            raise invalid(f"Could not find the resource {arn}.")
        return self._by_arn[arn]


def parse_tags(raw: Any) -> dict[str, str]:
    """A mapping from ``[{"Key", "Value"}, ...]``. Raises ``ApiError``."""
    tags: dict[str, str] = {}
    for tag in raw or []:
        if not isinstance(tag, dict) or not isinstance(tag.get("Key"), str) or not isinstance(tag.get("Value"), str):
            raise invalid("Each tag needs a Key and a Value.")
        if tag["Key"] in tags:
            raise invalid(f"Duplicate tag keys found: {tag['Key']}.")
        tags[tag["Key"]] = tag["Value"]
    return tags


def format_tags(tags: dict[str, str]) -> list[dict[str, str]]:
    """``[{"Key", "Value"}, ...]`` from a mapping."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]
