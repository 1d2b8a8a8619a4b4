"""What all fakes share: requests are counted, can end the process, and must be what botocore would send."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOW = datetime(2026, 11, 23, 6, 39, 5, 250_000, tzinfo=UTC)


class ProcessDied(BaseException):
    """The function's process is gone. No handler of errors gets hold of that."""


@dataclass(slots=True)
class Steps:
    """Counts requests to AWS, and ends the process just before or just after one of them took effect."""

    count: int = 0
    fatal: int | None = None
    effective: bool = True
    """Whether the fatal request still takes effect."""

    def take[Answer](self, do: Callable[[], Answer]) -> Answer:
        self.count += 1
        if self.count != self.fatal:
            return do()
        if self.effective:
            with suppress(ClientError):  # a refusal is an answer too, and nobody is left to hear it
                do()
        raise ProcessDied


@cache
def _service(name: str) -> Any:
    return botocore.session.get_session().get_service_model(name)


def validate_request(service: str, operation: str, parameters: dict[str, Any]) -> None:
    """Refuse what boto3 would refuse to send."""
    report = ParamValidator().validate(parameters, _service(service).operation_model(operation).input_shape)
    assert not report.has_errors(), report.generate_report()


def make_client_error(operation: str, code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


@dataclass(frozen=True, slots=True)
class Pages:
    """A paginator."""

    pages: Callable[..., Iterator[dict[str, Any]]]

    def paginate(self, **parameters: Any) -> Iterator[dict[str, Any]]:
        return self.pages(**parameters)
