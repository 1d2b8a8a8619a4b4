"""Records in the table. Every write is conditional, so that a repeated or reordered event changes nothing twice.

Records are never deleted (the table's time to live aside), so a revision is never used twice."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, Key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_dynamodb.service_resource import Table

    from rounds.records import Record

_ATTEMPTS = 5
"""A record has two or three writers at most; losing this often in a row means that something else is wrong."""


class ContentionError(RuntimeError):
    """Others kept changing the record. The event may be tried again."""


class Store:
    """The table (``kind`` HASH, ``name`` RANGE). Errors of DynamoDB pass through as botocore's ``ClientError``."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get[R: Record](self, kind: type[R], name: str) -> R | None:
        """The record as of now, or nothing."""
        answer = self._table.get_item(Key={"kind": kind.kind, "name": name}, ConsistentRead=True)
        return _record(kind, answer["Item"]) if "Item" in answer else None

    def newest[R: Record](self, kind: type[R], *, limit: int) -> list[R]:
        """Up to ``limit`` records in the reverse order of their names: the newest, where names begin with a time."""
        found: list[R] = []
        start: dict[str, Any] = {}
        while len(found) < limit:
            page = self._table.query(
                KeyConditionExpression=Key("kind").eq(kind.kind),
                ScanIndexForward=False,
                ConsistentRead=True,
                Limit=limit - len(found),
                **start,
            )
            found += [_record(kind, item) for item in page["Items"]]
            if "LastEvaluatedKey" not in page:
                break
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
        return found

    def create(self, record: Record) -> bool:
        """Write a record that is not there yet; False, and nothing changed, if it is."""
        return self._put(record, Attr("kind").not_exists())

    def replace(self, seen: Record, record: Record) -> bool:
        """Write ``record`` over ``seen``; False, and nothing changed, if somebody has changed it since."""
        changed = record.model_copy(update={"revision": seen.revision + 1})
        return self._put(changed, Attr("revision").eq(seen.revision))

    def update[R: Record](self, kind: type[R], name: str, alter: Callable[[R], R | None]) -> R | None:
        """Read, ``alter`` and write back, again if another writer was faster.

        ``alter`` answers the new record, or None for no change. The answer is what was written, or None if nothing
        was: no such record, or no change. Raises ``ContentionError``.
        """
        for _ in range(_ATTEMPTS):
            seen = self.get(kind, name)
            altered = None if seen is None else alter(seen)
            if seen is None or altered is None:
                return None
            if self.replace(seen, altered):
                return altered
        raise ContentionError(f"the {kind.kind} {name} was changed {_ATTEMPTS} times meanwhile")

    def _put(self, record: Record, condition: Any) -> bool:
        client = self._table.meta.client
        try:
            self._table.put_item(Item=_item(record), ConditionExpression=condition)
        except client.exceptions.ConditionalCheckFailedException:
            return False
        return True


def _item(record: Record) -> dict[str, Any]:
    """A record as boto3's table resource takes it: no floats, which DynamoDB's numbers are not."""
    item = json.loads(record.model_dump_json(), parse_float=Decimal)
    return {"kind": record.kind, **{name: value for name, value in item.items() if value is not None}}


def _record[R: Record](kind: type[R], item: Mapping[str, Any]) -> R:
    plain = json.dumps(dict(item), default=_number)
    return kind.model_validate_json(plain)


def _number(value: object) -> int | float:
    if not isinstance(value, Decimal):
        raise TypeError(f"the table holds a {type(value).__name__}, and a record never wrote one")
    return int(value) if value == value.to_integral_value() else float(value)
