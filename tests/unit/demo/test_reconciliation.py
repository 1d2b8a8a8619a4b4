"""Reconciliation: what was published against what arrived."""

from __future__ import annotations

from dwell.demo.reconciliation import reconcile
from dwell.messaging.publish_log import BrokenLine, PublishLog


def a_ledger() -> PublishLog:
    return PublishLog(
        published_ids={"a", "b", "c"},
        broken={"x": BrokenLine("malformed", '{"sample_id": "x"'), "y": BrokenLine("malformed", "y,")},
        duplicates=1,
    )


def both_broken() -> list[dict[str, str]]:
    return [{"reason": "malformed", "raw": '{"sample_id": "x"'}, {"reason": "malformed", "raw": "y,"}]


def test_everything_arrived() -> None:
    samples = reconcile(a_ledger(), ["a", "b", "c"], both_broken(), failed=0)
    assert (samples.published, samples.stored, samples.quarantined, samples.lost) == (5, 3, 2, 0)
    assert (samples.duplicates, samples.unexpected) == (0, 0)


def test_a_sample_that_is_nowhere_is_lost() -> None:
    samples = reconcile(a_ledger(), ["a", "c"], both_broken(), failed=0)
    assert samples.lost == 1
    assert samples.published == samples.stored + samples.quarantined + samples.lost


def test_a_broken_line_that_is_nowhere_is_lost() -> None:
    assert reconcile(a_ledger(), ["a", "b", "c"], both_broken()[:1], failed=0).lost == 1


def test_valid_sample_in_quarantine_counts_as_lost() -> None:
    quarantined = [*both_broken(), {"reason": "malformed", "raw": '{"sample_id": "b"}'}]
    assert reconcile(a_ledger(), ["a", "c"], quarantined, failed=0).lost == 1


def test_a_row_twice_is_a_duplicate_and_no_gain() -> None:
    samples = reconcile(a_ledger(), ["a", "b", "c", "c", "a"], both_broken(), failed=0)
    assert (samples.duplicates, samples.stored, samples.lost) == (2, 3, 0)


def test_row_that_was_not_published_is_unexpected() -> None:
    assert reconcile(a_ledger(), ["a", "b", "c", "z"], both_broken(), failed=0).unexpected == 1


def test_an_unconfirmed_sample_may_have_arrived() -> None:
    ledger = a_ledger()
    ledger.unconfirmed_ids.add("u")
    samples = reconcile(ledger, ["a", "b", "c", "u"], both_broken(), failed=0)
    assert (samples.unexpected, samples.lost, samples.published) == (0, 0, 5)
