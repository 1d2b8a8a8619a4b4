"""Filters, order and pages of the List operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local_aws.sagemaker.errors import invalid

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_PAGE_SIZE = 10


def page(summaries: Iterable[dict[str, Any]], request: dict[str, Any], *, kind: str, member: str) -> dict[str, Any]:
    """A page of ``summaries`` (with ``<kind>Name``, ``CreationTime``, perhaps ``<kind>Status``) in ``member``."""
    matches = [summary for summary in summaries if _matches(summary, request, kind)]
    by = f"{kind}Name" if request.get("SortBy") == "Name" else "CreationTime"
    matches.sort(key=lambda summary: summary[by], reverse=request.get("SortOrder", "Descending") == "Descending")
    try:
        start = int(request.get("NextToken") or 0)
    except ValueError as error:
        raise invalid("NextToken is invalid.") from error
    end = start + int(request.get("MaxResults") or DEFAULT_PAGE_SIZE)
    more = {"NextToken": str(end)} if end < len(matches) else {}
    return {member: matches[start:end], **more}


def _matches(summary: dict[str, Any], request: dict[str, Any], kind: str) -> bool:
    contains, status = request.get("NameContains"), request.get("StatusEquals")
    after, before = request.get("CreationTimeAfter"), request.get("CreationTimeBefore")
    return (
        (not contains or contains.lower() in summary[f"{kind}Name"].lower())
        and (not status or summary.get(f"{kind}Status") == status)
        and (after is None or summary["CreationTime"] > after)
        and (before is None or summary["CreationTime"] < before)
    )
