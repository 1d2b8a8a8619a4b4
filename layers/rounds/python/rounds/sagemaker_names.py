"""Names of the resources that Dwell creates in SageMaker, and SageMaker's error for a missing resource."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

_MAX_NAME_LENGTH = 63
"""In characters; for training jobs, models, endpoint configurations and endpoints alike:
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html
"""
_ROUND_NAME = re.compile(r"\d{8}T\d{6}Z-[a-z0-9]+(-[a-z0-9]+)*")
_NOT_FOUND = re.compile(r"could not find|not found|does not exist", re.IGNORECASE)


def build_job_name(stack: str, round_name: str) -> str:
    """Return the name of a round's training job, ``<stack>-<round>``.

    Raises ``ValueError`` if it is longer than the 63 characters that SageMaker accepts.
    """
    name = f"{stack}-{round_name}"
    if len(name) > _MAX_NAME_LENGTH:
        raise ValueError(
            f"the training job {name} has {len(name)} characters, at most {_MAX_NAME_LENGTH}: shorten the stack's name"
        )
    return name


def parse_round_name(stack: str, job: str) -> str | None:
    """Return the round of a training job, or None if the job does not belong to this stack."""
    prefix, round_name = job[: len(stack) + 1], job[len(stack) + 1 :]
    return round_name if prefix == f"{stack}-" and _ROUND_NAME.fullmatch(round_name) else None


def build_resource_name(stack: str, model: str) -> str:
    """Return the name that a model and its endpoint configuration share in SageMaker, ``<stack>-<model>``.

    A name of more than 63 characters is cut, and ends in a hash of the full name instead.
    """
    name = f"{stack}-{model}"
    if len(name) <= _MAX_NAME_LENGTH:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: _MAX_NAME_LENGTH - 9].rstrip('-')}-{digest}"


def is_not_found(error: ClientError) -> bool:
    """Tell whether SageMaker reports that the requested resource does not exist.

    Describe calls answer with ``ResourceNotFound`` or, mostly, with a ``ValidationException``, which only the message
    distinguishes from an invalid request ("Could not find endpoint ...", "Requested resource not found.").
    """
    details = error.response.get("Error", {})
    code = details.get("Code", "")
    if code in {"ResourceNotFound", "ResourceNotFoundException"}:
        return True
    return code == "ValidationException" and bool(_NOT_FOUND.search(details.get("Message", "")))
