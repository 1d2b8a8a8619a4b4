"""Names of resources and their ARNs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from local_aws.sagemaker.errors import broken_constraint

PATTERN = "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"


@dataclass(frozen=True, slots=True)
class Scope:
    """The account and region of a request."""

    account: str
    region: str

    def arn(self, kind: str, name: str) -> str:
        """The ARN of a resource of a kind such as ``training-job``; the name is in lower case."""
        return f"arn:aws:sagemaker:{self.region}:{self.account}:{kind}/{name.lower()}"


def parse_name(request: dict[str, Any], field: str) -> str:
    """The resource name in ``request[field]``. Raises ``ApiError`` if it is invalid."""
    value = request.get(field)
    member = field[0].lower() + field[1:]
    if value is None:
        raise broken_constraint(None, member, "Member must not be null")
    if not isinstance(value, str) or len(value) > 63:
        raise broken_constraint(value, member, "Member must have length less than or equal to 63")
    if not re.fullmatch(PATTERN, value):
        raise broken_constraint(value, member, f"Member must satisfy regular expression pattern: {PATTERN}")
    return value
