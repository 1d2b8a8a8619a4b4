"""The memory of the loop: what is written is read again, no write is lost unseen, and sums reach far back cheaply."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rounds import (
    Candidate,
    Champion,
    Comparison,
    ContentionError,
    Dataset,
    Decision,
    Endpoint,
    InFlightRound,
    MetricQuery,
    Model,
    Record,
    Round,
    RoundLock,
    Store,
    build_job_name,
    build_resource_name,
    format_iso,
    format_name_stamp,
    get_metric_series,
    get_metric_sums,
    is_not_found,
    parse_round_name,
)
from rounds.metrics import choose_period
from tests.unit.fake_aws import NOW, Cloud, make_client_error

if TYPE_CHECKING:
    from tests.unit.fake_aws import FakeCloudWatch

moments = st.datetimes(
    min_value=datetime(2020, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(2040, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
).map(lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000))
numbers = st.floats(min_value=0, max_value=1e12, allow_nan=False, allow_subnormal=False).filter(
    lambda value: value == 0 or value > 1e-100
)
names = st.text(min_size=1, max_size=30)


def store_of(cloud: Cloud) -> Store:
    return Store(cloud.clients()[0])


def a_round(name: str = "20261123T063900Z-model-error", **more: Any) -> Round:
    return Round.model_validate(
        {
            "name": name,
            "cause": "model-error",
            "trigger": "alarm",
            "event": "e",
            "started_at": NOW,
            "job": f"dwell-{name}",
            **more,
        }
    )


class TestRecords:
    @given(
        rmse=numbers,
        seconds=numbers,
        started=moments,
        hyperparameters=st.dictionaries(
            names, st.one_of(numbers, st.integers(-(10**15), 10**15), names, st.booleans(), st.none()), max_size=5
        ),
        samples=st.integers(0, 10**12),
    )
    def test_a_round_comes_back_as_it_was_written(
        self, rmse: float, seconds: float, started: datetime, hyperparameters: dict[str, Any], samples: int
    ) -> None:
        store = store_of(Cloud())
        dataset = Dataset(
            manifest="m", objects=1, bytes=2, cut_off=started, schema_hash="h", samples=samples, oldest=started
        )
        candidate = Candidate(
            name="xgboost",
            algorithm="xgboost",
            trained_on="all",
            model="m",
            rmse=rmse,
            seconds=seconds,
            hyperparameters=hyperparameters,
        )
        comparison = Comparison(
            against="baseline", mean_gain=-rmse, standard_error=rmse, confidence=0.95, significant=False
        )
        written = a_round(dataset=dataset, candidates=(candidate,), comparison=comparison, baseline_rmse=rmse)
        assert store.create(written)
        assert store.get(Round, written.name) == written

    @pytest.mark.parametrize(
        "record",
        [
            Decision(
                name="t#e",
                cause="no-model",
                trigger="schedule",
                outcome="refuse",
                reason="cool_down",
                round="r",
                decided_at=NOW.replace(microsecond=0),
                facts={"new_samples": 3, "ratio": 1.61, "in_flight": None, "list": [1, 2.5]},
            ),
            Model(
                name="xgboost-20261123T063900Z",
                round="r",
                candidate="xgboost",
                algorithm="xgboost",
                trained_on="recent",
                test_rmse=1830.25,
                test_set="r",
                created_at=NOW,
            ),
            Endpoint(name="dwell", updated_at=NOW),
            RoundLock(flight=InFlightRound(round="r", job="j", event="e", cut_off=NOW, lease_until=NOW)),
        ],
        ids=lambda record: record.kind,
    )
    def test_every_kind_comes_back(self, record: Record) -> None:
        store = store_of(Cloud())
        assert store.create(record)
        assert store.get(type(record), record.name) == record

    def test_what_a_newer_version_wrote_is_ignored(self) -> None:
        cloud = Cloud()
        store = store_of(cloud)
        store.create(a_round())
        cloud.table.items["round", a_round().name]["from_the_future"] = "x"
        assert store.get(Round, a_round().name) == a_round()

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
    def test_an_error_is_a_finite_number(self, value: float) -> None:
        with pytest.raises(ValueError, match="rmse"):
            Champion(model="m", rmse=value)

    @given(moments, moments)
    def test_times_in_names_sort_like_times(self, one: datetime, other: datetime) -> None:
        assert (format_iso(one) < format_iso(other)) == (one < other)
        if format_name_stamp(one) < format_name_stamp(other):
            assert one < other


class TestWhatWillAnswer:
    @pytest.mark.parametrize(
        ("told", "model"),
        [
            ({}, None),
            ({"model": "live"}, "live"),
            ({"model": "live", "wanted": "next", "deploying": "next"}, "next"),
            ({"model": "live", "wanted": "last", "deploying": "next"}, "last"),
            ({"model": "live", "deploying": "next"}, "next"),
            ({"model": "live", "wanted": "next", "status": "Updating"}, "next"),
            # never begun: no event will bring it in
            ({"model": "live", "wanted": "next", "status": "InService"}, "live"),
            ({"wanted": "next"}, None),
            ({"pause": "paused", "resumes": "resting"}, "resting"),
            ({"pause": "paused", "resumes": "noted", "model": "live", "deploying": "next"}, "noted"),
            # down as soon as this change has ended
            ({"pause": "paused", "model": "live", "wanted": "next", "deploying": "next"}, "next"),
            ({"pause": "resuming", "resumes": "resting"}, "resting"),
            ({"pause": "resuming", "resumes": "resting", "wanted": "last", "deploying": "resting"}, "last"),
        ],
    )
    def test_it_is_the_last_that_was_asked_for_and_can_come(self, told: dict[str, Any], model: str | None) -> None:
        assert Endpoint.model_validate({"name": "dwell", "updated_at": NOW, **told}).next_model == model


class TestStore:
    def test_what_exists_is_not_created_again(self) -> None:
        store = store_of(Cloud())
        assert store.create(a_round(cause="first"))
        assert not store.create(a_round(cause="second"))
        stored = store.get(Round, a_round().name)
        assert stored is not None
        assert stored.cause == "first"

    def test_a_change_that_was_overtaken_is_made_again_on_the_newer_record(self) -> None:
        cloud = Cloud()
        store = store_of(cloud)
        store.create(a_round())
        overtaken: list[dict[str, Any]] = []

        def overtake(item: dict[str, Any]) -> None:
            if not overtaken:
                overtaken.append(item)
                store.update(Round, a_round().name, lambda one: one.model_copy(update={"reason": "other writer"}))

        cloud.table.before_put = overtake
        store.update(Round, a_round().name, lambda one: one.model_copy(update={"status": "kept"}))
        stored = store.get(Round, a_round().name)
        assert stored is not None
        assert (stored.status, stored.reason, stored.revision) == ("kept", "other writer", 2)

    def test_a_record_that_never_rests_is_given_up_on(self) -> None:
        cloud = Cloud()
        store = store_of(cloud)
        store.create(a_round())

        def overtake(_item: dict[str, Any]) -> None:
            cloud.table.items["round", a_round().name]["revision"] += 1

        cloud.table.before_put = overtake
        with pytest.raises(ContentionError, match=a_round().name):
            store.update(Round, a_round().name, lambda one: one.model_copy(update={"status": "kept"}))

    def test_no_change_writes_nothing(self) -> None:
        cloud = Cloud()
        store = store_of(cloud)
        store.create(a_round())
        assert store.update(Round, a_round().name, lambda _: None) is None
        assert store.update(Round, "absent", lambda one: one) is None
        assert cloud.table.items["round", a_round().name]["revision"] == 0

    def test_the_newest_come_first_over_all_pages(self) -> None:
        store = store_of(Cloud())
        for day in range(10, 30):
            store.create(a_round(f"202611{day}T000000Z-manual"))
        store.create(RoundLock())
        newest = [one.name[6:8] for one in store.newest(Round, limit=8)]
        assert newest == ["29", "28", "27", "26", "25", "24", "23", "22"]
        assert len(store.newest(Round, limit=100)) == 20


class TestMetricSum:
    @given(st.timedeltas(timedelta(seconds=1), timedelta(days=455)))
    def test_points_are_few_and_still_kept(self, age: timedelta) -> None:
        length = choose_period(NOW - age, NOW)
        assert age.total_seconds() / length <= 500
        for limit, shortest in ((timedelta(hours=3), 60), (timedelta(days=15), 300), (timedelta(days=63), 3_600)):
            if age >= limit:
                assert length >= shortest

    @given(
        ages=st.lists(st.integers(0, 14 * 86_400), max_size=30),
        since=st.integers(1, 15 * 86_400),
    )
    def test_a_sum_has_everything_since_and_at_most_a_period_more(self, ages: list[int], since: int) -> None:
        cloud = Cloud()
        for age in ages:
            cloud.cloudwatch.count("AcceptedSamples", NOW - timedelta(seconds=age), 1, service="dwell")
        wanted = MetricQuery("AcceptedSamples", (("service", "dwell"),))
        start = NOW - timedelta(seconds=since)
        total = get_metric_sums(cloud.clients()[3], [wanted], since=start, now=NOW)[wanted]
        assert (
            sum(age <= since for age in ages) <= total <= sum(age <= since + choose_period(start, NOW) for age in ages)
        )

    def test_sums_do_not_mix(self) -> None:
        cloud = Cloud()
        cloud.cloudwatch.count("SquaredError", NOW, 9, service="dwell", model="a")
        cloud.cloudwatch.count("SquaredError", NOW, 4, service="dwell", model="b")
        cloud.cloudwatch.count("SquaredError", NOW, 100, service="other", model="a")
        cloud.cloudwatch.count("SquaredError", NOW, 13, service="dwell")
        wanted = [MetricQuery("SquaredError", (("service", "dwell"), ("model", model))) for model in "abc"]
        found = get_metric_sums(cloud.clients()[3], wanted, since=NOW - timedelta(minutes=5), now=NOW)
        assert [found[one] for one in wanted] == [9, 4, 0]
        assert self._requests(cloud.cloudwatch) == 1

    def test_a_sum_ends_where_it_is_told_to(self) -> None:
        cloud = Cloud()
        for minute in range(60):
            cloud.cloudwatch.count("RefusedSamples", NOW - timedelta(minutes=minute), 1, service="dwell")
        wanted = MetricQuery("RefusedSamples", (("service", "dwell"),))
        since, until = NOW - timedelta(minutes=40), NOW - timedelta(minutes=20)
        assert 20 <= get_metric_sums(cloud.clients()[3], [wanted], since=since, until=until, now=NOW)[wanted] <= 22

    def test_counts_are_told_apart_by_period_over_all_pages(self) -> None:
        cloud = Cloud()
        for minute in range(5):
            cloud.cloudwatch.count("RefusedSamples", NOW - timedelta(minutes=minute), minute, service="dwell")
        wanted = MetricQuery("RefusedSamples", (("service", "dwell"),))
        found = get_metric_series(cloud.clients()[3], [wanted], since=NOW - timedelta(minutes=4), until=NOW, period=60)[
            wanted
        ]
        current = NOW.replace(second=0, microsecond=0)
        assert found == {current - timedelta(minutes=minute): minute for minute in range(5)}

    def test_nothing_wanted_nothing_asked(self) -> None:
        cloud = Cloud()
        one = MetricQuery("SquaredError", ())
        assert not get_metric_sums(cloud.clients()[3], [], since=NOW - timedelta(hours=1), now=NOW)
        assert get_metric_sums(cloud.clients()[3], [one], since=NOW + timedelta(seconds=1), now=NOW) == {one: 0}
        assert self._requests(cloud.cloudwatch) == 0

    def test_too_many_sums_for_one_request_are_an_error(self) -> None:
        wanted = [MetricQuery(str(index), ()) for index in range(501)]
        with pytest.raises(ValueError, match="501 metric queries"):
            get_metric_sums(Cloud().clients()[3], wanted, since=NOW - timedelta(hours=1), now=NOW)

    @staticmethod
    def _requests(cloudwatch: FakeCloudWatch) -> int:
        return len(cloudwatch.requests)


class TestNames:
    def test_a_job_names_its_round(self) -> None:
        name = build_job_name("dwell", "20261123T063900Z-model-error")
        assert name == "dwell-20261123T063900Z-model-error"
        assert parse_round_name("dwell", name) == "20261123T063900Z-model-error"

    @pytest.mark.parametrize(
        "job", ["dwell-other-20261123T063900Z-manual", "other-20261123T063900Z-manual", "dwell-", "dwell-something"]
    )
    def test_jobs_of_others_name_none(self, job: str) -> None:
        assert parse_round_name("dwell", job) is None

    def test_a_name_that_sagemaker_would_refuse_is_refused_before(self) -> None:
        with pytest.raises(ValueError, match="shorten the stack's name"):
            build_job_name("d" * 40, "20261123T063900Z-model-error")

    @given(
        st.from_regex(r"[a-z][a-z0-9-]{0,60}[a-z0-9]", fullmatch=True), st.from_regex(r"[a-z]{1,40}", fullmatch=True)
    )
    def test_resource_names_fit_sagemaker_and_stay_apart(self, stack: str, candidate: str) -> None:
        one = build_resource_name(stack, f"{candidate}-20261123T063900Z")
        other = build_resource_name(stack, f"{candidate}-20261123T063901Z")
        assert one != other
        assert len(one) <= 63
        assert one == build_resource_name(stack, f"{candidate}-20261123T063900Z")
        assert "--" not in one.removeprefix(stack)

    @pytest.mark.parametrize(
        ("code", "message", "absent"),
        [
            ("ValidationException", 'Could not find endpoint "arn:aws:sagemaker:...".', True),
            ("ValidationException", "Requested resource not found.", True),
            ("ResourceNotFound", "", True),
            ("ValidationException", "1 validation error detected", False),
            ("AccessDeniedException", "Could not find a policy that allows it", False),
            ("ThrottlingException", "Rate exceeded", False),
        ],
    )
    def test_absence_is_told_from_failure(self, code: str, message: str, *, absent: bool) -> None:
        assert is_not_found(make_client_error("DescribeEndpoint", code, message)) is absent
