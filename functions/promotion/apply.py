"""Carries out the actions of a decision, in their order. It decides nothing.

Every write to the table is conditional on the record that was observed: a decision is never applied to a record that
has changed since. Two attempts at once are rare (SQS and Lambda deliver at least once, and an attempt that was given up
may still be running), and then the slower one observes and decides again.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, cast

from promotion import rollback_alarms, sagemaker_endpoint
from promotion.actions import (
    CountMetric,
    Create,
    CreateEndpoint,
    DeleteEndpoint,
    ProvideModel,
    RegisterModel,
    RetargetAlarms,
    Update,
    UpdateEndpoint,
)
from rounds import Model

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mypy_boto3_sagemaker.literals import ModelApprovalStatusType

    from promotion.actions import Action
    from promotion.context import Context
    from promotion.observation import Observation
    from rounds import Record

_TOKENS = uuid.UUID("7c5c9e0e-6f0c-4d0f-9d0b-5b8f5b0f1a77")
"""Namespace of the idempotency tokens of model packages."""


class ConflictError(RuntimeError):
    """A record has changed since it was observed: observe and decide again."""


def apply(actions: Iterable[Action], observation: Observation, context: Context) -> None:
    """Carry out ``actions`` that were decided on ``observation``.

    Raises ``ConflictError``; ``MissingRollbackAlarmError`` and ``NameTakenError`` if a model cannot be deployed. Errors
    of AWS pass through: the event is then tried again.
    """
    records = _Records(observation, context)
    for action in actions:
        _apply(action, records, context)


def _apply(action: Action, records: _Records, context: Context) -> None:
    sagemaker, settings = context.sagemaker, context.settings
    match action:
        case Create(record):
            records.create(record)
        case Update(kind, name, changes):
            records.update(kind, name, dict(changes))
        case CountMetric(metric):
            context.count(metric)
        case RegisterModel(model=name):
            records.update(Model, name, {"package": _register(action, context)})
        case ProvideModel(model, archive, configuration):
            sagemaker_endpoint.provide(sagemaker, settings, model=model, archive=archive, name=configuration)
        case RetargetAlarms(model, configuration, error_ratio):
            rollback_alarms.retarget(
                context.cloudwatch, settings, model=model, configuration=configuration, error_ratio=error_ratio
            )
        case CreateEndpoint(configuration):
            sagemaker.create_endpoint(
                EndpointName=settings.endpoint,
                EndpointConfigName=configuration,
                Tags=[{"Key": "stack", "Value": settings.stack}],
            )
        case UpdateEndpoint(configuration, alarms):
            sagemaker.update_endpoint(
                EndpointName=settings.endpoint,
                EndpointConfigName=configuration,
                DeploymentConfig=rollback_alarms.rollout(settings, alarms),
            )
        case DeleteEndpoint():
            sagemaker_endpoint.delete(sagemaker, settings.endpoint)


class _Records:
    """The records as observed, and then as written."""

    def __init__(self, observation: Observation, context: Context) -> None:
        self._store = context.store
        observed = (
            observation.endpoint,
            observation.lock,
            observation.request,
            *observation.models.values(),
            *observation.rounds.values(),
        )
        self._current: dict[tuple[type[Record], str], Record] = {
            (type(record), record.name): record for record in observed if record is not None
        }

    def create(self, record: Record) -> None:
        if not self._store.create(record):
            raise ConflictError(f"the {record.kind} {record.name} was created meanwhile")
        self._current[type(record), record.name] = record

    def update(self, kind: type[Record], name: str, changes: dict[str, Any]) -> None:
        before = self._current[kind, name]
        after = before.model_copy(update=changes)
        if not self._store.replace(before, after):
            raise ConflictError(f"the {kind.kind} {name} was changed meanwhile")
        self._current[kind, name] = after.model_copy(update={"revision": before.revision + 1})


def _register(action: RegisterModel, context: Context) -> str:
    """The ARN of the model's package, which is the same however often this is repeated (``ClientToken``)."""
    settings = context.settings
    response = context.sagemaker.create_model_package(
        ModelPackageGroupName=settings.package_group,
        ModelPackageDescription=action.description,
        ClientToken=str(uuid.uuid5(_TOKENS, f"{settings.package_group}/{action.model}")),
        ModelApprovalStatus=cast("ModelApprovalStatusType", action.approval_status),
        InferenceSpecification={
            "Containers": [{"Image": settings.serving_image, "ModelDataUrl": action.archive}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["application/json", "text/csv"],
        },
        CustomerMetadataProperties=dict(action.properties),
    )
    return response["ModelPackageArn"]
