"""What every List operation has in common: filters by name and time, order, pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local_aws.sagemaker.errors import invalid

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_PAGE = 10


def page(summaries: Iterable[dict[str, Any]], request: dict[str, Any], *, kind: str, answer: str) -> dict[str, Any]:
    """One page of ``summaries`` (``<kind>Name``, ``CreationTime``, perhaps a status) under the member ``answer``."""
    chosen = [each for each in summaries if _wanted(each, request, kind)]
    by = f"{kind}Name" if request.get("SortBy") == "Name" else "CreationTime"
    chosen.sort(key=lambda each: each[by], reverse=request.get("SortOrder", "Descending") == "Descending")
    try:
        start = int(request.get("NextToken") or 0)
    except ValueError as error:
        raise invalid("NextToken is none that this operation gave.") from error
    end = start + int(request.get("MaxResults") or DEFAULT_PAGE)
    more = {"NextToken": str(end)} if end < len(chosen) else {}
    return {answer: chosen[start:end], **more}


def _wanted(summary: dict[str, Any], request: dict[str, Any], kind: str) -> bool:
    contains, status = request.get("NameContains"), request.get("StatusEquals")
    after, before = request.get("CreationTimeAfter"), request.get("CreationTimeBefore")
    return (
        (not contains or contains.lower() in summary[f"{kind}Name"].lower())
        and (not status or summary.get(f"{kind}Status") == status)
        and (after is None or summary["CreationTime"] > after)
        and (before is None or summary["CreationTime"] < before)
    )
