"""Reads what SageMaker, CloudWatch and the table say into one ``Observation``. It changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promotion import job_results, rollback_alarms, sagemaker_endpoint
from promotion.events import JobEnded, OperatorRequest, PackageReviewed, Reconcile, UnusableRequest
from promotion.observation import JobState, Observation, PackageState
from rounds import Endpoint, Model, RequestOutcome, Round, RoundLock, build_resource_name, parse_round_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mypy_boto3_sagemaker.type_defs import DescribeTrainingJobResponseTypeDef

    from promotion.context import Context
    from promotion.events import Event
    from promotion.observation import EndpointState

MAX_ROUNDS = 100
"""Rounds among whose models the one is searched that an endpoint configuration serves."""
MAX_REVIEWS = 10
"""Rounds that wait for a person, newest first, whose packages the schedule looks at."""
TERMINAL = frozenset({"Completed", "Failed", "Stopped"})


def observe(event: Event, context: Context) -> Observation:
    """Read everything that ``decide`` needs for ``event``. Errors of AWS pass through."""
    store, settings = context.store, context.settings
    request = None
    if isinstance(event, OperatorRequest | UnusableRequest):
        request = store.get(RequestOutcome, event.id)
    # The record before SageMaker: if another attempt changes both in between, the write to the record is a conflict.
    # The other way round, a deployment just noted would be taken for one that SageMaker knows nothing of.
    endpoint = store.get(Endpoint, settings.endpoint)
    state = sagemaker_endpoint.describe(context.sagemaker, settings.endpoint)
    served_model = None if state is None else _find_served_model(state, endpoint, context)
    lock, round_, job = _observe_round(event, context)
    packages = _observe_packages(event, context)
    models = _read_models(
        {
            served_model,
            *(
                []
                if endpoint is None
                else [
                    endpoint.serving_model,
                    endpoint.desired_model,
                    endpoint.deploying_model,
                    endpoint.model_after_resume,
                ]
            ),
            event.model if isinstance(event, OperatorRequest) else None,
            *(package.model for package in packages),
        },
        context,
    )
    rounds = {} if round_ is None else {round_.name: round_}
    for name in {model.round for model in models.values()} - rounds.keys():
        record = store.get(Round, name)
        if record is not None:
            rounds[name] = record
    if job is not None and job.tournament is not None and round_ is not None and round_.status == "started":
        names = {candidate.model for candidate in job.tournament.candidates}
        if job.tournament.champion is not None:
            names.add(job.tournament.champion.model)
        models |= _read_models(names - models.keys(), context)
    return Observation(
        observed_at=context.clock(),
        endpoint=endpoint,
        state=state,
        served_model=served_model,
        models=models,
        rounds=rounds,
        active_alarms=_find_active_alarms(endpoint, state, served_model, context),
        lock=lock,
        ended_round=None if round_ is None else round_.name,
        job=job,
        packages=packages,
        request=request,
    )


def _read_models(names: Iterable[str | None], context: Context) -> dict[str, Model]:
    records = (context.store.get(Model, name) for name in sorted(name for name in names if name is not None))
    return {record.name: record for record in records if record is not None}


def _find_served_model(state: EndpointState, endpoint: Endpoint | None, context: Context) -> str | None:
    """Which of the models that were ever trained a configuration serves; None for a configuration made by hand."""
    stack = context.settings.stack
    expected = (
        []
        if endpoint is None
        else [endpoint.desired_model, endpoint.deploying_model, endpoint.serving_model, endpoint.model_after_resume]
    )
    for name in expected:
        if name is not None and build_resource_name(stack, name) == state.configuration:
            return name
    for round_ in context.store.newest(Round, limit=MAX_ROUNDS):
        for name in (round_.promoted, *(candidate.model for candidate in round_.candidates)):
            if name is not None and build_resource_name(stack, name) == state.configuration:
                return name
    return None


def _find_active_alarms(
    endpoint: Endpoint | None, state: EndpointState | None, served_model: str | None, context: Context
) -> dict[str, str]:
    """Only where a rollback needs its reason: while it is under way, and when the model is not the one deployed."""
    if endpoint is None or state is None or endpoint.deploying_model is None:
        return {}
    is_rolled_back = state.is_serving and endpoint.deploying_model != served_model
    if state.status != "RollingBack" and not is_rolled_back:
        return {}
    return rollback_alarms.find_active(context.cloudwatch, context.settings)


# --- a round ----------------------------------------------------------------------------------------------------------


def _observe_round(event: Event, context: Context) -> tuple[RoundLock | None, Round | None, JobState | None]:
    """The lock, the round that the event is about, and its job unless its end is recorded already."""
    if isinstance(event, JobEnded):
        name = parse_round_name(context.settings.stack, event.job)
        round_ = None if name is None else context.store.get(Round, name)
        lock = None if round_ is None else context.store.get(RoundLock, "round")
    elif isinstance(event, Reconcile):
        lock = context.store.get(RoundLock, "round")
        round_ = None if lock is None or lock.holder is None else context.store.get(Round, lock.holder.round)
    else:
        return None, None, None
    if round_ is None or round_.status != "started":
        return lock, round_, None
    return lock, round_, _observe_job(round_, context)


def _observe_job(round_: Round, context: Context) -> JobState | None:
    """The job and its results; None if it does not exist (yet): retraining gives such a round up after its lease."""
    response = sagemaker_endpoint.find(lambda: context.sagemaker.describe_training_job(TrainingJobName=round_.job))
    if response is None:
        return None
    if response["TrainingJobStatus"] not in TERMINAL:
        return JobState(has_ended=False)
    ended_at = response.get("TrainingEndTime")
    if response["TrainingJobStatus"] != "Completed":
        reason = response.get("FailureReason") or f"{response['TrainingJobStatus']}: {response['SecondaryStatus']}"
        return JobState(has_ended=True, ended_at=ended_at, failure=reason)
    return _read_results(response, round_, context)


def _read_results(job: DescribeTrainingJobResponseTypeDef, round_: Round, context: Context) -> JobState:
    ended_at = job.get("TrainingEndTime")
    uri = job_results.output_uri(job["OutputDataConfig"]["S3OutputPath"], job["TrainingJobName"])
    try:
        tournament = job_results.fetch(context.s3, uri, round_name=round_.name)
    except job_results.ResultsError as error:
        return JobState(has_ended=True, ended_at=ended_at, failure=str(error))
    archive = job.get("ModelArtifacts", {}).get("S3ModelArtifacts")
    return JobState(has_ended=True, ended_at=ended_at, tournament=tournament, archive=archive)


# --- the model registry -----------------------------------------------------------------------------------------------


def _observe_packages(event: Event, context: Context) -> tuple[PackageState, ...]:
    if context.settings.approval_mode != "manual":
        return ()
    if isinstance(event, PackageReviewed):
        return (_describe_package(event.package_arn, context),)
    if not isinstance(event, Reconcile):
        return ()
    waiting = [
        round_.promoted
        for round_ in context.store.newest(Round, limit=MAX_ROUNDS)
        if round_.deployment in {"awaiting_approval", "rejected"} and round_.promoted is not None
    ][:MAX_REVIEWS]
    packages = [model.package for model in _read_models(waiting, context).values() if model.package is not None]
    return tuple(_describe_package(package, context) for package in packages)


def _describe_package(arn: str, context: Context) -> PackageState:
    response = context.sagemaker.describe_model_package(ModelPackageName=arn)
    return PackageState(
        arn=arn,
        model=response.get("CustomerMetadataProperties", {}).get("model"),
        approval_status=response.get("ModelApprovalStatus"),
        reason=response.get("ApprovalDescription"),
    )
