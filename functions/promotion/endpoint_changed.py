"""An event of the endpoint: what became of it is recorded, and what waited for that goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from promotion import outcome
from promotion.submission import submit
from rounds import Endpoint, is_not_found

if TYPE_CHECKING:
    from promotion.context import Surroundings
    from promotion.outcome import Change


def endpoint_changed(around: Surroundings) -> Change:
    """Handle a change of the endpoint, whichever it was. Errors of AWS pass through: the event is then tried again."""
    found = outcome.record(around)
    change, pause = found.change, found.seen.pause
    if not found.over:
        return change
    if pause == "paused" and change.status in outcome.SERVES:
        take_down(change.wanted or change.live, around)
    if pause == "resuming" and change.status in {*outcome.SERVES, "Failed"}:
        _resumed(around)  # if it failed it did not, and then the loop has to train what does
    if change.wanted is not None:
        submit(change.wanted, around)
    return change


def take_down(resumes: str | None, around: Surroundings) -> None:
    """Delete the endpoint, which is paused and does not change; who answers after the pause is noted first.

    Errors of AWS pass through.
    """
    around.store.update(
        Endpoint,
        around.settings.endpoint,
        lambda one: (
            one.model_copy(update={"model_after_resume": resumes})
            if resumes and one.model_after_resume is None
            else None
        ),
    )
    try:
        around.sagemaker.delete_endpoint(EndpointName=around.settings.endpoint)
    except ClientError as error:
        if not is_not_found(error):  # somebody was faster
            raise


def _resumed(around: Surroundings) -> None:
    around.store.update(
        Endpoint,
        around.settings.endpoint,
        lambda one: (
            one.model_copy(update={"pause": None, "model_after_resume": None}) if one.pause == "resuming" else None
        ),
    )
