"""Winners in SageMaker's model registry: registered with what they are; approved by a person if that is asked for."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from promotion.submission import submit
from rounds import Model, Round

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import DescribeModelPackageOutputTypeDef

    from promotion.context import Surroundings
    from promotion.job_results import Tournament

_TOKENS = uuid.UUID("7c5c9e0e-6f0c-4d0f-9d0b-5b8f5b0f1a77")
_WAITING = {"awaiting_approval", "rejected"}
_LONGEST_REASON = 1_000


@dataclass(frozen=True, slots=True)
class Approval:
    """What a change of a package came to: ``submitted``, ``rejected``, or ``ignored`` where nobody waits for it."""

    outcome: Literal["submitted", "rejected", "ignored"]
    model: str | None = None


def properties(round_: Round, tournament: Tournament, model: str) -> dict[str, str]:
    """What the registry is told about a winner, as short plain texts; errors in the target's unit. A pure function."""
    winner = tournament.candidate(tournament.winner)
    known = {
        "model": model,
        "round": round_.name,
        "cause": round_.cause,
        "candidate": None if winner is None else winner.name,
        "algorithm": None if winner is None else winner.algorithm,
        "trained_on": None if winner is None else winner.trained_on,
        "test_rmse": None if winner is None else winner.rmse,
        "expected_error": None if winner is None else winner.expected_error,
        "baseline_rmse": tournament.baseline_rmse,
        "champion": round_.champion,
        "champion_rmse": None if tournament.champion is None else tournament.champion.rmse,
        "dataset_manifest": None if round_.dataset is None else round_.dataset.manifest,
        "dataset_train": tournament.dataset.train,
        "dataset_test": tournament.dataset.test,
        "schema_hash": tournament.schema_hash,
    }
    return {name: str(value) for name, value in known.items() if value is not None}


def register(round_: Round, tournament: Tournament, model: str, archive: str, around: Surroundings) -> None:
    """Register a winner, once however often this is repeated; in manual mode it then waits for approval."""
    manual = around.settings.approval_mode == "manual"
    if manual:  # before it can be approved
        around.store.update(
            Model,
            model,
            lambda one: (
                one.model_copy(update={"status": "awaiting_approval"})
                if one.status == "candidate" and one.package is None
                else None
            ),
        )
    answer = around.sagemaker.create_model_package(
        ModelPackageGroupName=around.settings.package_group,
        ModelPackageDescription=f"{model}, the winner of {round_.name}",
        ClientToken=str(uuid.uuid5(_TOKENS, f"{around.settings.package_group}/{model}")),
        ModelApprovalStatus="PendingManualApproval" if manual else "Approved",
        InferenceSpecification={
            "Containers": [{"Image": around.settings.serving_image, "ModelDataUrl": archive}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["application/json", "text/csv"],
        },
        CustomerMetadataProperties=properties(round_, tournament, model),
    )
    package = answer["ModelPackageArn"]
    around.store.update(
        Model, model, lambda one: one.model_copy(update={"package": package}) if one.package != package else None
    )


def approval_changed(package: str, around: Surroundings) -> Approval:
    """A person approved or rejected a package: what SageMaker says now decides. Errors of AWS pass through."""
    if around.settings.approval_mode != "manual":
        return Approval("ignored")
    told = around.sagemaker.describe_model_package(ModelPackageName=package)
    model = told.get("CustomerMetadataProperties", {}).get("model")
    record = None if model is None else around.store.get(Model, model)
    if record is None or record.package != package:
        return Approval("ignored", model)
    approval = told.get("ModelApprovalStatus")
    if approval == "Rejected" and record.status in _WAITING:
        _reject(record, told, around)
        return Approval("rejected", model)
    # "candidate": an attempt that died was about to submit it.
    if approval != "Approved" or record.status not in _WAITING | {"candidate"}:
        return Approval("ignored", model)
    _deployment(record, {"deployment": None, "deployment_reason": None, "deployed_at": None}, around)
    around.store.update(
        Model,
        record.name,
        lambda one: one.model_copy(update={"status": "candidate", "reason": None}) if one.status in _WAITING else None,
    )
    submit(record.name, around)
    return Approval("submitted", model)


def _reject(record: Model, told: DescribeModelPackageOutputTypeDef, around: Surroundings) -> None:
    reason = (told.get("ApprovalDescription") or "rejected in the model registry")[:_LONGEST_REASON]
    _deployment(record, {"deployment": "rejected", "deployment_reason": reason}, around)
    around.store.update(
        Model,
        record.name,
        lambda one: one.model_copy(update={"status": "rejected", "reason": reason}) if one.status in _WAITING else None,
    )


def _deployment(record: Model, update: dict[str, object], around: Surroundings) -> None:
    def told(one: Round) -> Round | None:
        changed = one.model_copy(update=update)
        return None if changed == one else changed

    around.store.update(Round, record.round, told)
