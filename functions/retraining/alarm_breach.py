"""When an alarm's metric first breached its threshold, from what CloudWatch reports about the alarm's state."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel


class _WireModel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True)


class _Datapoint(_WireModel):
    timestamp: AwareDatetime
    value: float | None = None


class _ReasonData(_WireModel):
    start_date: AwareDatetime | None = None
    period: float | None = None
    threshold: float | None = None
    recent_datapoints: tuple[Any, ...] = ()
    evaluated_datapoints: tuple[_Datapoint, ...] = ()


def find_breach_start(reason_data: str | None, changed_at: datetime, *, evaluation_window: timedelta) -> datetime:
    """The start of the first period above the threshold, at or before ``changed_at``.

    ``reason_data`` is the JSON text that CloudWatch attaches to an alarm's state, and may lack any part. The result is
    the first of these that it allows: the earliest breaching datapoint, the start of the evaluated range, or
    ``changed_at`` less the evaluated time (that of the data, or else ``evaluation_window``).

    Data of an evaluation after the change to ALARM is ignored, so repeated calls for one breach give the same start.
    """
    data = _parse(reason_data)
    breaching = [
        datapoint.timestamp
        for datapoint in data.evaluated_datapoints
        if datapoint.value is not None and data.threshold is not None and datapoint.value > data.threshold
    ]
    start = min(breaching, default=data.start_date)
    if start is not None and start <= changed_at:
        return start
    evaluated = timedelta(seconds=(data.period or 0) * max(1, len(data.recent_datapoints)))
    return changed_at - (evaluated or evaluation_window)


def _parse(reason_data: str | None) -> _ReasonData:
    if not reason_data:
        return _ReasonData()
    try:
        return _ReasonData.model_validate_json(reason_data)
    except ValidationError:
        # Composite alarms and states set by hand carry other data or none; the time of the change still holds.
        return _ReasonData()
