"""Names of what Dwell makes in SageMaker, and how SageMaker says that something is not there."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

_LONGEST = 63
_ROUND = re.compile(r"\d{8}T\d{6}Z-[a-z0-9]+(-[a-z0-9]+)*")
_ABSENT = re.compile(r"could not find|not found|does not exist", re.IGNORECASE)


def build_job_name(stack: str, round_name: str) -> str:
    """The name of a round's training job: ``<stack>-<round>``. Raises ``ValueError`` if SageMaker would refuse it."""
    name = f"{stack}-{round_name}"
    if len(name) > _LONGEST:
        raise ValueError(
            f"the training job {name} has {len(name)} characters, at most {_LONGEST}: shorten the stack's name"
        )
    return name


def parse_round_name(stack: str, job: str) -> str | None:
    """The round of a training job, or nothing if it is not one of this stack's."""
    prefix, rest = job[: len(stack) + 1], job[len(stack) + 1 :]
    return rest if prefix == f"{stack}-" and _ROUND.fullmatch(rest) else None


def build_resource_name(stack: str, model: str) -> str:
    """The one name of a model and of its endpoint configuration in SageMaker.

    ``<stack>-<model>``; where that is too long for SageMaker, its end gives way to a hash of the whole.
    """
    name = f"{stack}-{model}"
    if len(name) <= _LONGEST:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: _LONGEST - 9].rstrip('-')}-{digest}"


def is_not_found(error: ClientError) -> bool:
    """Whether SageMaker says that what was asked for is not there.

    Describe calls answer with ``ResourceNotFound`` or, mostly, with a ``ValidationException`` that only its sentence
    tells from a bad request ("Could not find endpoint ...", "Requested resource not found.").
    """
    details = error.response.get("Error", {})
    code = details.get("Code", "")
    if code in {"ResourceNotFound", "ResourceNotFoundException"}:
        return True
    return code == "ValidationException" and bool(_ABSENT.search(details.get("Message", "")))
