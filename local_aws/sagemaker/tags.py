"""Tags of resources, by ARN."""

from __future__ import annotations

from typing import Any

from local_aws.sagemaker.errors import broken_constraint, invalid

MOST = 50


class Tags:
    """Every resource's tags. An ARN is known here from when its resource is made to when that is deleted."""

    def __init__(self) -> None:
        self._of: dict[str, dict[str, str]] = {}

    def create(self, arn: str, raw: Any) -> None:
        """Keep the ``Tags`` of a request that makes ``arn``."""
        self._of[arn] = pairs(raw)

    def forget(self, arn: str) -> None:
        """Its resource is deleted."""
        self._of.pop(arn, None)

    def of(self, arn: str) -> dict[str, str]:
        """Tags of one resource by key."""
        return dict(self._of.get(arn, {}))

    def add(self, request: dict[str, Any]) -> dict[str, Any]:
        """AddTags."""
        tags = self._known(request)
        together = tags | pairs(request.get("Tags"))
        if len(together) > MOST:
            raise invalid(f"A resource has {MOST} tags at most.")
        tags.update(together)
        return {"Tags": listed(tags)}

    def list(self, request: dict[str, Any]) -> dict[str, Any]:
        """ListTags."""
        return {"Tags": listed(self._known(request))}

    def delete(self, request: dict[str, Any]) -> dict[str, Any]:
        """DeleteTags."""
        tags = self._known(request)
        for key in request.get("TagKeys") or []:
            tags.pop(key, None)
        return {}

    def _known(self, request: dict[str, Any]) -> dict[str, str]:
        arn = request.get("ResourceArn")
        if not isinstance(arn, str):
            raise broken_constraint(arn, "resourceArn", "Member must not be null")
        if arn not in self._of:
            raise invalid(f"Could not find the resource {arn}.")
        return self._of[arn]


def pairs(raw: Any) -> dict[str, str]:
    """``[{"Key", "Value"}, ...]`` as a mapping. Raises ``ApiError``."""
    tags: dict[str, str] = {}
    for each in raw or []:
        if not isinstance(each, dict) or not isinstance(each.get("Key"), str) or not isinstance(each.get("Value"), str):
            raise invalid("Each tag needs a Key and a Value.")
        if each["Key"] in tags:
            raise invalid(f"Duplicate tag keys found: {each['Key']}.")
        tags[each["Key"]] = each["Value"]
    return tags


def listed(tags: dict[str, str]) -> list[dict[str, str]]:
    """A mapping as ``[{"Key", "Value"}, ...]``."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]
