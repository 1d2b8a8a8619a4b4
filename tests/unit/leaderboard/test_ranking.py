"""The leaderboard: best first among those who met the same test set, with what they do live."""

from __future__ import annotations

import io
import json
import math
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools import Logger
from hypothesis import given
from hypothesis import strategies as st

from leaderboard import formatting, handler
from leaderboard.leaderboard_state import Surroundings
from leaderboard.query import BadQueryError, limit
from leaderboard.ranking import rank
from rounds import Decision, Endpoint, Model, Round, Store
from tests.unit.fake_aws import ENDPOINT, NOW, STACK, Cloud

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.conftest import Context

FIRST = "20261123T051100Z-no-model"
SECOND = "20261123T063900Z-model-error"
OLD = "xgboost-20261123T051100Z"
NEW = "xgboost-recent-20261123T063900Z"


def a_round(name: str, errors: dict[str, float | None], **changes: Any) -> Round:
    known = {
        "name": name,
        "cause": name[17:],
        "trigger": "alarm",
        "event": "e",
        "started_at": NOW - timedelta(hours=1),
        "job": f"dwell-{name}",
        "status": "kept",
        "dataset": {
            "manifest": "m",
            "objects": 1,
            "bytes": 1,
            "cut_off": NOW,
            "schema_hash": "h",
            "train": 60,
            "test": 20,
        },
        "baseline_rmse": 5_000.0,
        "candidates": [
            {
                "name": candidate,
                "algorithm": candidate.removesuffix("-recent"),
                "trained_on": "recent" if candidate.endswith("-recent") else "all",
                "model": f"{candidate}-{name[:16]}",
                "rmse": error,
                "expected_error": error,
                "error": None if error is not None else "Boom",
            }
            for candidate, error in errors.items()
        ],
    }
    return Round.model_validate({**known, **changes})


STORY = [
    a_round(
        FIRST,
        {"linear": 2_500.0, "xgboost": 1_830.0, "k-nearest-neighbours": 2_100.0},
        status="promoted",
        promoted=OLD,
        deployment="live",
        deployed_at=NOW - timedelta(hours=2),
    ),
    a_round(
        SECOND,
        {"xgboost-recent": 1_900.0, "xgboost": 2_300.0, "linear": None},
        status="promoted",
        champion=OLD,
        champion_rmse=4_100.0,
        promoted=NEW,
        deployment="live",
        deployed_at=NOW - timedelta(minutes=20),
    ),
]
"""Two rounds with a drift between them."""


class TestRanking:
    def test_models_of_the_newest_test_set_come_first_and_the_lowest_error_first(self) -> None:
        ranked = rank(STORY, live=NEW)
        assert [(one.rank, one.model, one.test_rmse) for one in ranked] == [
            (1, NEW, 1_900),
            (2, "xgboost-20261123T063900Z", 2_300),
            (3, OLD, 4_100),  # the old champion on the new world, not its 1,830 of old
            (None, "linear-20261123T063900Z", None),
            (4, "k-nearest-neighbours-20261123T051100Z", 2_100),
            (5, "linear-20261123T051100Z", 2_500),
        ]
        assert [one.status for one in ranked] == ["live", "candidate", "retired", "failed", "candidate", "candidate"]
        old = ranked[2]
        assert (old.round, old.test_set, old.live_since) == (FIRST, SECOND, NOW - timedelta(hours=2))

    def test_candidates_of_an_entry_carry_the_entrants_name_even_as_a_later_rounds_champion(self) -> None:
        entry = STORY[0].model_copy(update={"entrant": "Zoë"})
        ranked = rank([entry, STORY[1]], live=NEW)
        assert [(one.model, one.entrant) for one in ranked[:3]] == [
            (NEW, None),
            ("xgboost-20261123T063900Z", None),
            (OLD, "Zoë"),
        ]

    def test_rounds_without_results_do_not_count(self) -> None:
        running = a_round("20261123T080000Z-manual", {}, status="started", candidates=[])
        failed = a_round("20261123T090000Z-manual", {}, status="failed", candidates=[])
        assert rank([*STORY, running, failed], live=NEW) == rank(STORY, live=NEW)
        assert rank([], live=None) == []

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
    def test_a_promoted_model_that_does_not_answer_says_why(self, deployment: str | None, status: str) -> None:
        why = "an alarm went off" if status in {"failed", "rolled_back", "rejected"} else None
        changed = STORY[1].model_copy(update={"deployment": deployment, "deployment_reason": why})
        ranked = rank([STORY[0], changed], live=OLD, coming=[NEW, None])
        assert {one.model: (one.status, one.error) for one in ranked}[NEW] == (status, why)
        assert {one.model: one.live for one in ranked}[OLD]

    def test_a_winner_that_waited_while_an_operator_wanted_another_is_a_candidate_again(self) -> None:
        waited = STORY[1].model_copy(update={"deployment": None})
        (found,) = [one for one in rank([STORY[0], waited], live=OLD, coming=[OLD, None]) if one.model == NEW]
        assert (found.status, found.error) == ("candidate", None)

    @pytest.mark.parametrize(
        ("deployment", "live", "status"),
        [
            (None, OLD, "candidate"),
            ("live", NEW, "live"),
            ("live", OLD, "retired"),
            ("failed", OLD, "failed"),
            ("rolled_back", OLD, "rolled_back"),
        ],
    )
    def test_a_winner_that_an_operator_had_deployed_tells_what_became_of_it(
        self, deployment: str | None, live: str, status: str
    ) -> None:
        # given a round that kept what was live
        at = NOW - timedelta(minutes=20)
        why = "an alarm went off" if status in {"failed", "rolled_back"} else None
        told = {"deployment": deployment, "deployment_reason": why, "deployed_at": at}
        kept = STORY[1].model_copy(update={"status": "kept", "promoted": None, "winner": "xgboost-recent", **told})
        # then its winner stands as if the round had promoted it, and nobody else does
        found = {one.model: one for one in rank([STORY[0], kept], live=live)}
        since = at if deployment == "live" else None
        assert (found[NEW].status, found[NEW].error, found[NEW].live_since) == (status, why, since)
        other = found["xgboost-20261123T063900Z"]
        assert (other.status, other.error, other.live_since) == ("candidate", None, None)

    @given(st.permutations(STORY))
    def test_the_order_of_rounds_does_not_matter(self, rounds: list[Round]) -> None:
        assert rank(rounds, live=NEW) == rank(STORY, live=NEW)

    @given(st.dictionaries(st.from_regex(r"[a-z]{1,9}", fullmatch=True), st.floats(0, 1e9), min_size=1))
    def test_lower_is_better(self, errors: dict[str, float]) -> None:
        ranked = rank([a_round(FIRST, dict(errors))], live=None)
        found = [one.test_rmse for one in ranked]
        assert found == sorted(errors.values())
        assert [one.rank for one in ranked] == list(range(1, len(errors) + 1))


class TestQuery:
    @pytest.mark.parametrize(
        ("parameters", "expected"),
        [(None, 20), ({}, 20), ({"limit": "1"}, 1), ({"limit": "100"}, 100), ({"other": "x"}, 20)],
    )
    def test_a_limit_is_optional(self, parameters: dict[str, str] | None, expected: int) -> None:
        assert limit({"queryStringParameters": parameters}) == expected

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("0", "out_of_range:limit"),
            ("101", "out_of_range:limit"),
            ("-1", "out_of_range:limit"),
            ("", "wrong_type:limit"),
            ("5.0", "wrong_type:limit"),
            ("five", "wrong_type:limit"),
            ("5,6", "wrong_type:limit"),
            ("9" * 5_000, "wrong_type:limit"),
            ("٣", "wrong_type:limit"),
        ],
    )
    def test_another_limit_is_refused_with_a_reason(self, text: str, reason: str) -> None:
        with pytest.raises(BadQueryError) as refused:
            limit({"queryStringParameters": {"limit": text}})
        assert refused.value.reason == reason

    @given(st.text())
    def test_any_text_is_a_limit_or_refused(self, text: str) -> None:
        with suppress(BadQueryError):
            assert 1 <= limit({"queryStringParameters": {"limit": text}}) <= 100


class TestHandler:
    @pytest.fixture
    def cloud(self, monkeypatch: pytest.MonkeyPatch) -> Cloud:
        cloud = Cloud()
        table, _, _, cloudwatch = cloud.clients()
        around = Surroundings(Store(table), cloudwatch, STACK, ENDPOINT, [f"{STACK}-ModelError"], cloud.clock)
        monkeypatch.setattr(handler, "surroundings", lambda: around)
        monkeypatch.setattr(handler, "logger", Logger(service=STACK, stream=io.StringIO()))
        return cloud

    def fill(self, cloud: Cloud) -> None:
        store = Store(cloud.clients()[0])
        store.create(STORY[0])
        store.create(STORY[1].model_copy(update={"entrant": "Team A"}))
        store.create(Endpoint(name=ENDPOINT, serving_model=NEW, status="InService", updated_at=NOW))
        for minute in range(9):
            store.create(
                Decision(
                    name=f"2026-11-23T06:3{minute}:00.000Z#e",
                    cause="model-error",
                    trigger="alarm",
                    outcome="refuse",
                    reason="cool_down",
                    round="r",
                    decided_at=NOW,
                    facts={"new_samples": 12},
                    expires_at=1,
                )
            )
        for model, squared, predicted in ((NEW, 3.61e6, 1), (NEW, 3.61e6, 1), (OLD, 16e6, 1)):
            at = NOW - timedelta(minutes=10)
            cloud.cloudwatch.count("SquaredError", at, squared, service=STACK, model=model)
            cloud.cloudwatch.count("PredictedSamples", at, predicted, service=STACK, model=model)

    def get(self, event: dict[str, Any], context: Context) -> tuple[int, dict[str, Any]]:
        answer = handler.handler(event, context)  # type: ignore[arg-type]  # a context as far as it is used
        assert isinstance(answer, dict)
        assert answer["headers"]["content-type"] == "application/json"
        body: dict[str, Any] = json.loads(answer["body"], parse_constant=pytest.fail)
        return answer["statusCode"], body

    def test_it_tells_everything(self, cloud: Cloud, event: Callable[[str], dict[str, Any]], context: Context) -> None:
        self.fill(cloud)
        status, board = self.get(event("api-leaderboard"), context)
        assert status == 200
        assert board["endpoint"] == {
            "name": ENDPOINT, "model": NEW, "wanted": None, "status": "InService", "pause": None, "resumes": None
        }  # fmt: skip

        assert len(board["leaderboard"]) == 5  # as the event asks
        best, _, old, *_ = board["leaderboard"]
        assert (best["model"], best["rank"], best["live"], best["round"]) == (NEW, 1, True, SECOND)
        assert (best["algorithm"], best["trained_on"]) == ("xgboost", "recent")
        assert (best["entrant"], old["entrant"]) == ("Team A", None)
        assert (best["test_rmse"], best["expected_error"]) == (1_900, 1_900)
        assert (best["dataset"]["train"], best["dataset"]["test"]) == (60, 20)
        assert math.isclose(best["live_error"], 1_900)
        assert best["live_samples"] == 2
        assert (old["model"], old["live"], old["live_error"]) == (OLD, False, 4_000)
        assert len(cloud.cloudwatch.requests) == 1
        assert len(cloud.cloudwatch.requests[0]["MetricDataQueries"]) == 4

        assert [one["round"] for one in board["rounds"]] == [SECOND, FIRST]
        assert board["rounds"][0]["candidates"][0]["rmse"] == 1_900
        assert board["rounds"][0]["champion_rmse"] == 4_100
        assert board["rounds"][0]["entrant"] == "Team A"
        assert len(board["decisions"]) == 5
        assert board["decisions"][0]["decision"].startswith("2026-11-23T06:38")
        assert board["decisions"][0]["facts"] == {"new_samples": 12}
        # codes for scripts, and the sentences of the page for people
        assert [one["sentence"] for one in board["rounds"]] == [
            formatting.ended(Round.model_validate(one | {"name": one["round"]})) for one in board["rounds"]
        ]
        assert {one["sentence"] for one in board["decisions"]} == {"the last round ended too recently"}

    def test_an_empty_table_is_an_empty_leaderboard(
        self, cloud: Cloud, event: Callable[[str], dict[str, Any]], context: Context
    ) -> None:
        assert self.get(event("api-leaderboard"), context) == (
            200,
            {"endpoint": None, "leaderboard": [], "rounds": [], "decisions": []},
        )
        assert cloud.cloudwatch.requests == []

    def test_a_bad_limit_is_answered_with_its_reason(
        self, cloud: Cloud, event: Callable[[str], dict[str, Any]], context: Context
    ) -> None:
        given_event = event("api-leaderboard")
        given_event["queryStringParameters"] = {"limit": "many"}
        status, body = self.get(given_event, context)
        assert (status, body["reason"], body["field"]) == (400, "wrong_type:limit", "limit")
        assert cloud.steps.count == 0

    def test_a_champion_that_outlived_a_hundred_rounds_is_still_there(
        self, cloud: Cloud, event: Callable[[str], dict[str, Any]], context: Context
    ) -> None:
        store = Store(cloud.clients()[0])
        store.create(STORY[0])
        store.create(
            Model(
                name=OLD,
                round=FIRST,
                candidate="xgboost",
                algorithm="xgboost",
                trained_on="all",
                test_set=FIRST,
                status="live",
                created_at=NOW,
            )
        )
        store.create(Endpoint(name=ENDPOINT, serving_model=OLD, status="InService", updated_at=NOW))
        for number in range(101):
            name = f"20261124T{number // 60:02}{number % 60:02}00Z-model-error"
            store.create(a_round(name, {"linear": 9_000.0}, champion=OLD, champion_rmse=2_000.0))
        _, board = self.get(event("api-leaderboard"), context)
        assert (board["leaderboard"][0]["model"], board["leaderboard"][0]["live"]) == (OLD, True)
