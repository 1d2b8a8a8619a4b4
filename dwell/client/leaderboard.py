"""The leaderboard API (``GET /leaderboard``): models, rounds and decisions, typed as the function sends them.

The types describe JSON objects, so that ``--json`` prints exactly what the API sent. Statuses are those of the records
in ``rounds``.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict

from dwell.client.signed_api import NO_RESPONSE_ERRORS
from dwell.console.errors import ReportedError
from rounds import ENDPOINT_TRANSITIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dwell.client.signed_api import SignedApi
    from rounds.records import DecisionOutcome, DeploymentStatus, ModelStatus, PauseState, RoundStatus

CONFIRMING_READS = 30
"""Consecutive reads, a second apart, that must all say that no deployment of a model is under way. The API's state is
not read in one instant, and a change of the endpoint is recorded a few seconds after it has begun."""

_RETRYABLE_CLIENT_ERRORS = {408, 429}


class EndpointState(TypedDict):
    """The endpoint: the model that serves, the one that shall, and the one that serves after a pause."""

    name: str
    model: str | None
    wanted: str | None
    status: str
    pause: PauseState | None
    resumes: str | None


class RankedModel(TypedDict):
    """A model with its rank within its test set. Errors are root mean squares in the target's unit."""

    rank: int | None
    model: str
    live: bool
    status: ModelStatus | Literal["deployed"]
    algorithm: str
    candidate: str
    entrant: str | None
    trained_on: str
    round: str
    dataset: dict[str, Any] | None
    test_set: str
    test_rmse: float | None
    baseline_rmse: float | None
    expected_error: float | None
    live_error: float | None
    live_samples: int
    live_since: str | None
    error: str | None


class ListedCandidate(TypedDict):
    """A candidate of a round; ``rmse`` is null if its training failed."""

    name: str
    rmse: float | None


class CandidateList(TypedDict):
    """Anything with the candidates of a round."""

    candidates: list[ListedCandidate]


class ListedRound(CandidateList):
    """A round with its candidates and its result. Times are ISO 8601 in UTC."""

    round: str
    cause: str
    job: str
    status: RoundStatus
    reason: str | None
    entrant: str | None
    started_at: str
    dataset: dict[str, Any] | None
    baseline_rmse: float | None
    champion_rmse: float | None
    promoted: str | None
    seconds: float | None
    deployment: DeploymentStatus | Literal["awaiting_resume", "passed_over"] | None
    """``awaiting_resume`` and ``passed_over`` are set by ``retraining_requests.wait``, never by the API."""
    deployment_reason: str | None
    submitted: NotRequired[str | None]
    sentence: NotRequired[str]


class ListedDecision(TypedDict):
    """A decision of the retraining function."""

    decision: str
    cause: str
    trigger: str
    outcome: DecisionOutcome
    reason: str
    round: str
    decided_at: str
    facts: dict[str, Any]
    sentence: NotRequired[str]


class Leaderboard(TypedDict):
    """The whole response: models best first, rounds and decisions newest first."""

    endpoint: EndpointState | None
    leaderboard: list[RankedModel]
    rounds: list[ListedRound]
    decisions: list[ListedDecision]


class LeaderboardError(ReportedError):
    """The API did not return the leaderboard; the message contains its response.

    ``is_final`` says that a retry would get the same response.
    """

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final


def read_leaderboard(api: SignedApi, *, limit: int = 20) -> Leaderboard:
    """Read at most ``limit`` models, rounds and decisions each.

    Raises ``LeaderboardError``, and one of ``NO_RESPONSE_ERRORS`` if there is no response.
    """
    response = api.get(f"/leaderboard?limit={limit}")
    if response.status_code != 200:
        is_final = 400 <= response.status_code < 500 and response.status_code not in _RETRYABLE_CLIENT_ERRORS
        raise LeaderboardError(
            f"GET /leaderboard returned {response.status_code}: {response.text[:300]}", is_final=is_final
        )
    try:
        leaderboard: Leaderboard = json.loads(response.content)
    except ValueError as error:
        raise LeaderboardError(f"GET /leaderboard returned something other than JSON: {response.text[:300]}") from error
    return leaderboard


def poll_leaderboard(
    read: Callable[[], Leaderboard],
    *,
    seconds: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Leaderboard]:
    """Call ``read`` every second for ``seconds``, at least once, and yield what it returns.

    A failed read is skipped, since the next one may succeed. Raises the last read's error when the time is over, and a
    ``LeaderboardError`` that is final at once.
    """
    deadline = clock() + seconds
    while True:
        failure: Exception | None = None
        try:
            leaderboard = read()
        except (LeaderboardError, *NO_RESPONSE_ERRORS) as error:
            if isinstance(error, LeaderboardError) and error.is_final:
                raise
            failure = error
        else:
            yield leaderboard
        if clock() >= deadline:
            if failure is not None:
                raise failure
            return
        sleep(1)


def is_passed_over(endpoint: EndpointState | None, model: str) -> bool:
    """Whether the endpoint neither serves ``model`` nor is going to, and is not changing. False without an endpoint."""
    if not endpoint or endpoint.get("status") in ENDPOINT_TRANSITIONS:
        return False
    return model not in {endpoint.get("model"), endpoint.get("wanted"), endpoint.get("resumes")}


def best_rmse(round_: CandidateList) -> float | None:
    """The lowest test error among a round's candidates; ``None`` if all failed."""
    return min((candidate["rmse"] for candidate in round_["candidates"] if candidate["rmse"] is not None), default=None)
