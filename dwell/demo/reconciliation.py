"""Compares the published samples with those in the bucket, sample by sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dwell.demo.report import SampleCounts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dwell.messaging.publish_log import PublishLog


def reconcile(
    log: PublishLog, stored_ids: Iterable[str], quarantined: list[dict[str, Any]], *, failed: int
) -> SampleCounts:
    """Compare the publish log of the robots with the bucket.

    ``stored_ids``: the ``sample_id`` of every stored row, duplicates included. ``quarantined``: the lines in
    quarantine; a broken line is recognized by its raw text, since its id may be corrupted. Samples whose publication
    SNS did not confirm may be stored or not; they count neither as lost nor as unexpected.
    """
    rows = list(stored_ids)
    stored = set(rows)
    refused = {line["raw"] for line in quarantined if "raw" in line}
    quarantined_ids = {identity for identity, broken in log.broken.items() if broken.raw in refused}
    published = log.published_ids | log.broken.keys()
    arrived = (log.published_ids & stored) | quarantined_ids
    return SampleCounts(
        published=len(published),
        stored=len(log.published_ids & stored),
        quarantined=len(quarantined_ids),
        duplicates=len(rows) - len(stored),
        lost=len(published - arrived),
        unexpected=len(stored - log.published_ids - log.unconfirmed_ids),
        failed=failed,
    )
