"""Serves CloudWatch's operations in its three protocols: CBOR, JSON, and query (forms answered in XML)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from local_aws import hooks
from local_aws.cloudwatch.operations import Timestamp
from local_aws.cloudwatch.queries import QueryError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    type Response = tuple[int, dict[str, str], bytes]
    type Operation = Callable[[dict[str, Any], dict[str, Any], bool, bool], Response]

MODULE = "ministack.services.cloudwatch"
ARGUMENTS = ("params", "cbor_data", "is_cbor", "is_json")

_MEMBER = re.compile(r"(?:member|entry)\.(\d+)")


class RefusedError(Exception):
    """An operation's error: the API's error code, the message and the HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


def serve(action: str, function: str, respond: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Replace ministack's ``function`` for ``action``: ``respond`` maps request members to response members."""
    error: Callable[..., Response] = hooks.find(
        MODULE, "_error", arguments=("code", "message", "status", "use_json", "use_cbor")
    )
    as_cbor: Callable[..., Response] = hooks.find(MODULE, "_cbor_ok", arguments=("data",))
    as_json: Callable[..., Response] = hooks.find(MODULE, "_json_ok", arguments=("data",))
    as_xml: Callable[..., Response] = hooks.find(MODULE, "_xml", arguments=("status", "root_tag", "inner"))

    cbor_time = hooks.find(MODULE, "_cbor_timestamp", arguments=("value",))

    def operation(params: dict[str, Any], cbor_data: dict[str, Any], is_cbor: bool, is_json: bool) -> Response:
        try:
            result = respond(cbor_data if is_cbor or is_json else nested(params))
        except QueryError as refusal:
            return error("ValidationError", str(refusal), 400, use_json=is_json, use_cbor=is_cbor)
        except RefusedError as refusal:
            return error(refusal.code, str(refusal), refusal.status, use_json=is_json, use_cbor=is_cbor)
        if is_cbor:
            return as_cbor(_with_times(result, cbor_time))
        if is_json:
            return as_json(_with_times(result, float))
        return as_xml(200, f"{action}Response", f"<{action}Result>{xml(result)}</{action}Result>")

    hooks.replace(MODULE, function, operation, arguments=ARGUMENTS)


def nested(params: Mapping[str, Any]) -> dict[str, Any]:
    """Members from a form's fields: ``Metrics.member.1.Id=m1`` is ``{"Metrics": [{"Id": "m1"}]}``."""
    root: dict[str, Any] = {}
    for key, values in params.items():
        value = values[0] if isinstance(values, list) else values
        *path, last = _MEMBER.sub(r"#\1", key).split(".")
        node = root
        for part in path:
            node = node.setdefault(part, {})
        node[last] = value
    members = _with_lists(root)
    return members if isinstance(members, dict) else {}


def _with_lists(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if node and all(key.startswith("#") for key in node):
        return [_with_lists(node[key]) for key in sorted(node, key=lambda key: int(key[1:]))]
    return {key: _with_lists(value) for key, value in node.items()}


def xml(value: object) -> str:
    """Response members in the XML of the query protocol."""
    if isinstance(value, dict):
        return "".join(f"<{name}>{xml(member)}</{name}>" for name, member in value.items() if member is not None)
    if isinstance(value, list):
        return "".join(f"<member>{xml(member)}</member>" for member in value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Timestamp):
        return datetime.fromtimestamp(value, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return escape(str(value))


def _with_times(value: Any, write: Callable[[float], Any]) -> Any:
    if isinstance(value, Timestamp):
        return write(float(value))
    if isinstance(value, dict):
        return {name: _with_times(member, write) for name, member in value.items()}
    if isinstance(value, list):
        return [_with_times(member, write) for member in value]
    return value
