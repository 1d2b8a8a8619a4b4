"""Reads and writes records of the table. Every write is conditional, so a repeated event changes nothing twice.

Records are never deleted, except by the table's time to live, so a revision is never used twice.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, Key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_dynamodb.service_resource import Table

    from rounds.records import Record

_MAX_ATTEMPTS = 5
"""A record has two or three writers at most; losing this often in a row means that something else is wrong."""


class ContentionError(RuntimeError):
    """Other writers kept changing the record. The event may be retried."""


class Store:
    """The table (``kind`` HASH, ``name`` RANGE). Errors of DynamoDB pass through as botocore's ``ClientError``."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get[R: Record](self, kind: type[R], name: str) -> R | None:
        """Read a record, strongly consistent; None if there is none."""
        response = self._table.get_item(Key={"kind": kind.kind, "name": name}, ConsistentRead=True)
        return _to_record(kind, response["Item"]) if "Item" in response else None

    def newest[R: Record](self, kind: type[R], *, limit: int) -> list[R]:
        """Return up to ``limit`` records by name in descending order: newest first, where names begin with a time."""
        records: list[R] = []
        start: dict[str, Any] = {}
        while len(records) < limit:
            page = self._table.query(
                KeyConditionExpression=Key("kind").eq(kind.kind),
                ScanIndexForward=False,
                ConsistentRead=True,
                Limit=limit - len(records),
                **start,
            )
            records += [_to_record(kind, item) for item in page["Items"]]
            if "LastEvaluatedKey" not in page:
                break
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
        return records

    def create(self, record: Record) -> bool:
        """Write a new record. Returns False, and changes nothing, if one of that kind and name exists."""
        return self._put(record, Attr("kind").not_exists())

    def replace(self, previous: Record, record: Record) -> bool:
        """Overwrite ``previous``. Returns False, and changes nothing, if the record changed since it was read."""
        updated = record.model_copy(update={"revision": previous.revision + 1})
        return self._put(updated, Attr("revision").eq(previous.revision))

    def update[R: Record](self, kind: type[R], name: str, change: Callable[[R], R | None]) -> R | None:
        """Read a record, apply ``change`` and write the result; repeated if another writer was faster.

        ``change`` returns the new record, or None for no change. Returns what was written, or None if nothing was:
        there is no such record, or no change. Raises ``ContentionError``.
        """
        for _ in range(_MAX_ATTEMPTS):
            previous = self.get(kind, name)
            changed = None if previous is None else change(previous)
            if previous is None or changed is None:
                return None
            if self.replace(previous, changed):
                return changed
        raise ContentionError(f"other writers changed the {kind.kind} {name} during each of {_MAX_ATTEMPTS} attempts")

    def _put(self, record: Record, condition: Any) -> bool:
        client = self._table.meta.client
        try:
            self._table.put_item(Item=_to_item(record), ConditionExpression=condition)
        except client.exceptions.ConditionalCheckFailedException:
            return False
        return True


def _to_item(record: Record) -> dict[str, Any]:
    """Convert to an item for boto3's table resource, which takes numbers as ``Decimal`` only. Nulls are left out."""
    item = json.loads(record.model_dump_json(), parse_float=Decimal)
    return {"kind": record.kind, **{name: value for name, value in item.items() if value is not None}}


def _to_record[R: Record](kind: type[R], item: Mapping[str, Any]) -> R:
    text = json.dumps(dict(item), default=_to_number)
    return kind.model_validate_json(text)


def _to_number(value: object) -> int | float:
    if not isinstance(value, Decimal):
        raise TypeError(f"an item of the table contains a {type(value).__name__}, which no record writes")
    return int(value) if value == value.to_integral_value() else float(value)
