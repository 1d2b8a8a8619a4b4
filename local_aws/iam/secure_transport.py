"""Plain HTTP to 127.0.0.1 counts as secure transport: nothing leaves this machine.

A bucket policy that denies requests without TLS, as every template should have, would else deny all of them here.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from local_aws import hooks

if TYPE_CHECKING:
    from collections.abc import Callable


def install() -> None:
    """Replace what ministack notes about a request's origin for the condition ``aws:SecureTransport``."""
    pin: Callable[[str, bool], None] = hooks.find(
        "ministack.core.iam_evaluator", "pin_request_origin", arguments=("source_ip", "secure_transport")
    )

    def pin_local(source_ip: str, secure_transport: bool) -> None:
        pin(source_ip, secure_transport or ipaddress.ip_address(source_ip).is_loopback)

    hooks.replace("ministack.app", "pin_request_origin", pin_local, arguments=("source_ip", "secure_transport"))
