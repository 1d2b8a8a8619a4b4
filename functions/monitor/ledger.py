"""What has been measured already: the keys of stored objects, and the ids of recent samples.

SNS, Firehose and S3 events each deliver at least once. An object's key is looked up in a ledger of the last days, and a
sample's id in a bounded filter, so that what comes twice counts once.
"""

from __future__ import annotations

import base64
import hashlib

from msgspec import Struct

FILTER_BITS = 2**21
"""256 KiB. With 8 bits an id and 5 hashes, 2 % of new ids are taken for known: they cost a measure, never a sample."""
MAX_FILTER_IDS = FILTER_BITS // 8
HASHES = 5
_KEY_BYTES = 9


class Ledger(Struct, frozen=True):
    """The day (since 1970) on which each object was measured, by a short digest of its key, in that order."""

    days: dict[str, int] = {}


def key_digest(key: str) -> str:
    """12 characters for an object's key: two of a million keys share one once in 10^10 ledgers."""
    return base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest()[:_KEY_BYTES]).decode()


def has_key(ledger: Ledger, key: str) -> bool:
    """Whether the object has been measured."""
    return key_digest(key) in ledger.days


def add_key(ledger: Ledger, key: str, day: int, keep_days: int) -> Ledger:
    """Note the object as measured on ``day``; days older than ``keep_days`` are forgotten."""
    days = {digest: known for digest, known in ledger.days.items() if known > day - keep_days}
    days[key_digest(key)] = day
    return Ledger(days)


class RecentIds(Struct, frozen=True):
    """Two Bloom filters in turn: ``current`` takes ids until it is full, then it becomes ``previous``."""

    current: bytes = b""
    previous: bytes = b""
    count: int = 0


def add_ids(recent: RecentIds, sample_ids: list[str]) -> tuple[RecentIds, list[bool]]:
    """Add ids in order; for each, whether it was known, as the second of two equal ones in the list is."""
    current = bytearray(recent.current or bytes(FILTER_BITS // 8))
    previous, count = recent.previous, recent.count
    known = []
    for sample_id in sample_ids:
        bits = _bits(sample_id)
        if _has(current, bits) or (previous and _has(previous, bits)):
            known.append(True)
            continue
        known.append(False)
        if count >= MAX_FILTER_IDS:
            previous, current, count = bytes(current), bytearray(FILTER_BITS // 8), 0
        for bit in bits:
            current[bit >> 3] |= 1 << (bit & 7)
        count += 1
    return RecentIds(bytes(current), previous, count), known


def _bits(sample_id: str) -> list[int]:
    digest = int.from_bytes(hashlib.blake2b(sample_id.encode(), digest_size=16).digest())
    return [(digest >> (24 * index)) % FILTER_BITS for index in range(HASHES)]


def _has(bitmap: bytes | bytearray, bits: list[int]) -> bool:
    return all(bitmap[bit >> 3] & 1 << (bit & 7) for bit in bits)
