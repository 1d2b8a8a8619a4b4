"""Treats plain HTTP from a loopback address as secure transport, because it does not leave this machine.

Otherwise every bucket policy that denies requests without TLS would deny all requests.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-securetransport
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from local_aws import hooks

if TYPE_CHECKING:
    from collections.abc import Callable


def install() -> None:
    """Replace the function that sets a request's ``aws:SecureTransport``."""
    pin: Callable[[str, bool], None] = hooks.find(
        "ministack.core.iam_evaluator", "pin_request_origin", arguments=("source_ip", "secure_transport")
    )

    def pin_local(source_ip: str, secure_transport: bool) -> None:
        pin(source_ip, secure_transport or ipaddress.ip_address(source_ip).is_loopback)

    hooks.replace("ministack.app", "pin_request_origin", pin_local, arguments=("source_ip", "secure_transport"))
