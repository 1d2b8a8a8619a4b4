"""When a breach began, from what CloudWatch says about an alarm's state."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel


class _Wire(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True)


class _Point(_Wire):
    timestamp: AwareDatetime
    value: float | None = None


class _ReasonData(_Wire):
    start_date: AwareDatetime | None = None
    period: float | None = None
    threshold: float | None = None
    recent_datapoints: tuple[Any, ...] = ()
    evaluated_datapoints: tuple[_Point, ...] = ()


def find_breach_start(reason_data: str | None, changed_at: datetime, *, evaluated: timedelta) -> datetime:
    """The start of the first period that broke the threshold, at or before ``changed_at``.

    ``reason_data`` is the JSON text that comes with an alarm's state. What it leaves out is filled in from what it
    has: the breaching points, then the start of the evaluated range, then ``changed_at`` less the evaluated time (of
    the data, or else ``evaluated``). Data about a later evaluation than the change to ALARM does not move the answer:
    every look at the same breach finds the same beginning.
    """
    data = _parse(reason_data)
    breaching = [
        point.timestamp
        for point in data.evaluated_datapoints
        if point.value is not None and data.threshold is not None and point.value > data.threshold
    ]
    known = min(breaching, default=data.start_date)
    if known is not None and known <= changed_at:
        return known
    span = timedelta(seconds=(data.period or 0) * max(1, len(data.recent_datapoints)))
    return changed_at - (span or evaluated)


def _parse(reason_data: str | None) -> _ReasonData:
    if not reason_data:
        return _ReasonData()
    try:
        return _ReasonData.model_validate_json(reason_data)
    except ValidationError:
        # A composite or hand-set alarm state carries other data, or none; the change's own time still stands.
        return _ReasonData()
