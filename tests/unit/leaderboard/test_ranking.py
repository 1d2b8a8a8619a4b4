"""Models are ranked within their test sets, the newest test set first."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.ranking import rank_models
from tests.unit.fake_aws import NOW
from tests.unit.leaderboard.factories import FIRST, NEW, OLD, SECOND, TWO_ROUNDS, make_round

if TYPE_CHECKING:
    from rounds import Round


def test_the_newest_test_set_comes_first_then_the_lowest_error() -> None:
    ranked = rank_models(TWO_ROUNDS, live_model=NEW)
    assert [(model.rank, model.model, model.test_rmse) for model in ranked] == [
        (1, NEW, 1_900),
        (2, "xgboost-20261123T063900Z", 2_300),
        (3, OLD, 4_100),  # the old champion on the new test set, not its 1,830 on the old one
        (None, "linear-20261123T063900Z", None),
        (4, "k-nearest-neighbours-20261123T051100Z", 2_100),
        (5, "linear-20261123T051100Z", 2_500),
    ]
    assert [model.status for model in ranked] == ["live", "candidate", "retired", "failed", "candidate", "candidate"]
    old = ranked[2]
    assert (old.round, old.test_set, old.live_since) == (FIRST, SECOND, NOW - timedelta(hours=2))


def test_candidates_carry_the_entrants_name_also_as_champion() -> None:
    entered = TWO_ROUNDS[0].model_copy(update={"entrant": "Zoë"})
    ranked = rank_models([entered, TWO_ROUNDS[1]], live_model=NEW)
    assert [(model.model, model.entrant) for model in ranked[:3]] == [
        (NEW, None),
        ("xgboost-20261123T063900Z", None),
        (OLD, "Zoë"),
    ]


def test_rounds_without_results_are_left_out() -> None:
    running = make_round("20261123T080000Z-manual", {}, status="started", candidates=[])
    failed = make_round("20261123T090000Z-manual", {}, status="failed", candidates=[])
    ranked = rank_models([*TWO_ROUNDS, running, failed], live_model=NEW)
    assert ranked == rank_models(TWO_ROUNDS, live_model=NEW)
    assert rank_models([], live_model=None) == []


@pytest.mark.parametrize(
    ("deployment", "status"),
    [
        (None, "deploying"),
        ("failed", "failed"),
        ("rolled_back", "rolled_back"),
        ("awaiting_approval", "awaiting_approval"),
        ("rejected", "rejected"),
        ("live", "retired"),
    ],
)
def test_a_promoted_model_that_is_not_live_has_a_reason(deployment: str | None, status: str) -> None:
    reason = "an alarm went off" if status in {"failed", "rolled_back", "rejected"} else None
    changed = TWO_ROUNDS[1].model_copy(update={"deployment": deployment, "deployment_reason": reason})
    ranked = rank_models([TWO_ROUNDS[0], changed], live_model=OLD, pending_models=[NEW, None])
    assert {model.model: (model.status, model.error) for model in ranked}[NEW] == (status, reason)
    assert {model.model: model.is_live for model in ranked}[OLD]


def test_a_waiting_winner_replaced_by_an_operator_is_a_candidate() -> None:
    waiting = TWO_ROUNDS[1].model_copy(update={"deployment": None})
    ranked = rank_models([TWO_ROUNDS[0], waiting], live_model=OLD, pending_models=[OLD, None])
    (winner,) = [model for model in ranked if model.model == NEW]
    assert (winner.status, winner.error) == ("candidate", None)


@pytest.mark.parametrize(
    ("deployment", "live_model", "status"),
    [
        (None, OLD, "candidate"),
        ("live", NEW, "live"),
        ("live", OLD, "retired"),
        ("failed", OLD, "failed"),
        ("rolled_back", OLD, "rolled_back"),
    ],
)
def test_a_winner_deployed_by_an_operator_has_its_status(deployment: str | None, live_model: str, status: str) -> None:
    # given a round that kept the champion, and whose winner an operator deployed
    deployed_at = NOW - timedelta(minutes=20)
    reason = "an alarm went off" if status in {"failed", "rolled_back"} else None
    kept = TWO_ROUNDS[1].model_copy(
        update={
            "status": "kept",
            "promoted": None,
            "winner": "xgboost-recent",
            "deployment": deployment,
            "deployment_reason": reason,
            "deployed_at": deployed_at,
        }
    )
    # then the winner is shown as if the round had promoted it, and no other candidate is
    ranked = {model.model: model for model in rank_models([TWO_ROUNDS[0], kept], live_model=live_model)}
    live_since = deployed_at if deployment == "live" else None
    assert (ranked[NEW].status, ranked[NEW].error, ranked[NEW].live_since) == (status, reason, live_since)
    other = ranked["xgboost-20261123T063900Z"]
    assert (other.status, other.error, other.live_since) == ("candidate", None, None)


@given(st.permutations(TWO_ROUNDS))
def test_the_order_of_rounds_does_not_matter(rounds: list[Round]) -> None:
    assert rank_models(rounds, live_model=NEW) == rank_models(TWO_ROUNDS, live_model=NEW)


@given(st.dictionaries(st.from_regex(r"[a-z]{1,9}", fullmatch=True), st.floats(0, 1e9), min_size=1))
def test_a_lower_error_has_a_better_rank(errors: dict[str, float]) -> None:
    ranked = rank_models([make_round(FIRST, dict(errors))], live_model=None)
    assert [model.test_rmse for model in ranked] == sorted(errors.values())
    assert [model.rank for model in ranked] == list(range(1, len(errors) + 1))
