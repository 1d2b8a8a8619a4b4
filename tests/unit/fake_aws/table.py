"""DynamoDB: the table of rounds."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable

    from boto3.dynamodb.conditions import ConditionBase

    from tests.unit.fake_aws.requests import Steps


class _ConditionFailedError(ClientError):
    pass


def _holds(condition: ConditionBase, item: dict[str, Any] | None) -> bool:
    expression = condition.get_expression()
    operator, values = expression["operator"], expression["values"]
    if operator == "AND":
        return all(_holds(value, item) for value in values)
    present = item is not None and values[0].name in item
    if operator == "attribute_not_exists":
        return not present
    assert operator == "="
    return present and item is not None and item[values[0].name] == values[1]


@dataclass(slots=True)
class FakeTable:
    """A table with keys ``kind`` and ``name``; items go through DynamoDB's own types, and pages are short."""

    steps: Steps
    items: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    before_put: Callable[[dict[str, Any]], None] | None = None
    """Called before each write: what another writer does meanwhile."""
    meta: Any = field(
        default_factory=lambda: SimpleNamespace(
            client=SimpleNamespace(exceptions=SimpleNamespace(ConditionalCheckFailedException=_ConditionFailedError))
        )
    )

    def get_item(self, **given: Any) -> dict[str, Any]:
        assert given["ConsistentRead"]
        item = self.steps.take(lambda: self.items.get((given["Key"]["kind"], given["Key"]["name"])))
        return {} if item is None else {"Item": dict(item)}

    def put_item(self, **given: Any) -> dict[str, Any]:
        packed = {name: TypeSerializer().serialize(value) for name, value in given["Item"].items()}
        item = {name: TypeDeserializer().deserialize(value) for name, value in packed.items()}
        if self.before_put is not None:
            self.before_put(item)

        def put() -> dict[str, Any]:
            key = (item["kind"], item["name"])
            if not _holds(given["ConditionExpression"], self.items.get(key)):
                raise _ConditionFailedError(
                    {"Error": {"Code": "ConditionalCheckFailedException", "Message": "The conditional request failed"}},
                    "PutItem",
                )
            self.items[key] = item
            return {}

        return self.steps.take(put)

    def query(self, **given: Any) -> dict[str, Any]:
        assert given["ConsistentRead"]
        assert not given["ScanIndexForward"]
        keys = sorted(self.items, reverse=True)
        found = [self.items[key] for key in keys if _holds(given["KeyConditionExpression"], self.items[key])]
        if "ExclusiveStartKey" in given:
            found = [item for item in found if item["name"] < given["ExclusiveStartKey"]["name"]]
        size = min(given["Limit"], 3)
        page = self.steps.take(lambda: found[:size])
        answer: dict[str, Any] = {"Items": page}
        if len(found) > size:
            answer["LastEvaluatedKey"] = {"kind": page[-1]["kind"], "name": page[-1]["name"]}
        return answer

    def kind(self, kind: str) -> dict[str, dict[str, Any]]:
        return {name: item for (of, name), item in self.items.items() if of == kind}
