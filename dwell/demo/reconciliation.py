"""Was anything lost? What was published against what lies in the bucket, sample by sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dwell.demo.report import Samples

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dwell.messaging.publish_log import Ledger


def reconcile(ledger: Ledger, stored_ids: Iterable[str], quarantined: list[dict[str, Any]], *, failed: int) -> Samples:
    """Compare the robots' ledger with the bucket.

    ``stored_ids``: the ``sample_id`` of every stored row, duplicates included. ``quarantined``: the lines in
    quarantine; a broken line is known by its raw text, since its id may be what is broken. Samples whose publication
    SNS never confirmed are expected neither here nor there, and are not counted as unexpected.
    """
    rows = list(stored_ids)
    stored = set(rows)
    refused = {line["raw"] for line in quarantined if "raw" in line}
    quarantined_ids = {identity for identity, broken in ledger.broken.items() if broken.raw in refused}
    published = ledger.published_ids | ledger.broken.keys()
    arrived = (ledger.published_ids & stored) | quarantined_ids
    return Samples(
        published=len(published),
        stored=len(ledger.published_ids & stored),
        quarantined=len(quarantined_ids),
        duplicates=len(rows) - len(stored),
        lost=len(published - arrived),
        unexpected=len(stored - ledger.published_ids - ledger.unconfirmed_ids),
        failed=failed,
    )
