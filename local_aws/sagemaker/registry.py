"""The model registry: groups of versioned packages, which are approved or rejected.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-registry.html
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from local_aws.sagemaker import listing, state_events
from local_aws.sagemaker.errors import ApiError, broken_constraint, invalid
from local_aws.sagemaker.names import parse_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_aws.sagemaker.names import Scope
    from local_aws.sagemaker.state_events import StateEvents
    from local_aws.sagemaker.tags import Tags

GROUP, PACKAGE = "model-package-group", "model-package"
RESOURCE = "AWS::SageMaker::ModelPackageGroup"
STATUSES = ("Approved", "Rejected", "PendingManualApproval")
_PACKAGE_ARN = re.compile(r"arn:aws:sagemaker:[^:]+:\d{12}:model-package/[^/]+/\d+")
_VALID_VALUE = "Member must have 1 to 256 letters, digits, spaces or characters of _.:/=+@-"
_METADATA = re.compile(r"[\w\s.:/=+@-]*")
MAX_VALUE_LENGTH = 256
_ECHOED = (
    "InferenceSpecification",
    "ModelMetrics",
    "MetadataProperties",
    "ModelPackageDescription",
    "CustomerMetadataProperties",
)
"""Members of a request that descriptions repeat."""


@dataclass(slots=True)
class Package:
    """A version in a group."""

    arn: str
    group: str
    version: int
    request: dict[str, Any]
    approval: str
    description: str | None = None
    created: float = field(default_factory=time.time)
    modified: float = field(default_factory=time.time)

    def described(self) -> dict[str, Any]:
        """The response of DescribeModelPackage."""
        members = {member: self.request[member] for member in _ECHOED if self.request.get(member)}
        if self.description is not None:
            members["ApprovalDescription"] = self.description
        return (
            members
            | self.summary()
            | {
                "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
                "CertifyForMarketplace": False,
                "LastModifiedTime": self.modified,
            }
        )

    def summary(self) -> dict[str, Any]:
        """An element of ListModelPackages."""
        return {
            "ModelPackageGroupName": self.group,
            "ModelPackageVersion": self.version,
            "ModelPackageArn": self.arn,
            "CreationTime": self.created,
            "ModelPackageStatus": "Completed",
            "ModelApprovalStatus": self.approval,
        }

    def event(self) -> dict[str, Any]:
        """The detail of the event of a state change: times in ISO 8601."""
        times = {"CreationTime": _format_time(self.created), "LastModifiedTime": _format_time(self.modified)}
        return self.described() | times


@dataclass(slots=True)
class Group:
    """A group and its packages, oldest first."""

    name: str
    arn: str
    request: dict[str, Any]
    packages: dict[int, Package] = field(default_factory=dict)
    versions: int = 0
    created: float = field(default_factory=time.time)

    def described(self) -> dict[str, Any]:
        """The response of DescribeModelPackageGroup, and an element of ListModelPackageGroups."""
        members = {
            "ModelPackageGroupName": self.name,
            "ModelPackageGroupArn": self.arn,
            "CreationTime": self.created,
            "ModelPackageGroupStatus": "Completed",
        }
        description = self.request.get("ModelPackageGroupDescription")
        return members | ({"ModelPackageGroupDescription": description} if description else {})


class Registry:
    """All groups, by ARN."""

    def __init__(self, tags: Tags, events: StateEvents) -> None:
        self._groups: dict[str, Group] = {}
        self._by_token: dict[tuple[str, str], Package] = {}
        self._tags, self._state_events = tags, events

    def operations(self) -> dict[str, Callable[[Scope, dict[str, Any]], dict[str, Any]]]:
        """The functions that respond to requests, by operation."""
        return {
            "CreateModelPackageGroup": self.create_group,
            "DescribeModelPackageGroup": lambda scope, request: self._group(scope, request).described(),
            "ListModelPackageGroups": self.list_groups,
            "DeleteModelPackageGroup": self.delete_group,
            "CreateModelPackage": self.create,
            "DescribeModelPackage": lambda scope, request: self._package(scope, request).described(),
            "UpdateModelPackage": self.update,
            "ListModelPackages": self.list,
            "DeleteModelPackage": self.delete,
        }

    # --- groups

    def create_group(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """CreateModelPackageGroup."""
        name = parse_name(request, "ModelPackageGroupName")
        arn = scope.arn(GROUP, name)
        if arn in self._groups:
            raise invalid(f"Model Package Group already exists: {arn}")
        self._tags.create(arn, request.get("Tags"))
        self._groups[arn] = Group(name, arn, request)
        return {"ModelPackageGroupArn": arn}

    def list_groups(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """ListModelPackageGroups."""
        summaries = [group.described() for arn, group in self._groups.items() if arn.startswith(scope.arn(GROUP, ""))]
        return listing.page(summaries, request, kind="ModelPackageGroup", member="ModelPackageGroupSummaryList")

    def delete_group(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """DeleteModelPackageGroup; a group with packages cannot be deleted, as on AWS."""
        group = self._group(scope, request)
        if group.packages:
            raise ApiError("ConflictException", f"Model Package Group {group.arn} still has model packages.")
        del self._groups[group.arn]
        self._tags.remove(group.arn)
        return {}

    def _group(self, scope: Scope, request: dict[str, Any]) -> Group:
        name = request.get("ModelPackageGroupName")
        if isinstance(name, str):
            name = name.rpartition("/")[2]  # an ARN is valid, too
        arn = scope.arn(GROUP, parse_name({**request, "ModelPackageGroupName": name}, "ModelPackageGroupName"))
        if arn not in self._groups:
            raise invalid(f"ModelPackageGroup {arn} does not exist.")
        return self._groups[arn]

    # --- packages

    def create(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """CreateModelPackage: the next version of a group; idempotent for a ``ClientToken``."""
        if not request.get("ModelPackageGroupName"):
            raise invalid("Only versioned model packages are emulated: ModelPackageGroupName is required.")
        if request.get("Tags"):
            raise invalid("A versioned model package cannot have Tags; its group can.")
        group = self._group(scope, request)
        token = request.get("ClientToken")
        existing = self._by_token.get((group.arn, token)) if isinstance(token, str) else None
        if existing is not None:
            return {"ModelPackageArn": existing.arn}
        approval = _approval(request) or "PendingManualApproval"
        _check_metadata(request)
        group.versions += 1
        arn = f"{scope.arn(PACKAGE, group.name)}/{group.versions}"
        package = group.packages[group.versions] = Package(arn, group.name, group.versions, request, approval)
        if isinstance(token, str):
            self._by_token[group.arn, token] = package
        self._send_state(scope, package)
        return {"ModelPackageArn": arn}

    def update(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """UpdateModelPackage: its approval and its customer metadata."""
        package = self._package(scope, request, field="ModelPackageArn")
        _check_metadata(request)
        package.approval = _approval(request) or package.approval
        package.description = request.get("ApprovalDescription", package.description)
        if request.get("CustomerMetadataProperties"):
            existing = package.request.get("CustomerMetadataProperties") or {}
            package.request["CustomerMetadataProperties"] = existing | request["CustomerMetadataProperties"]
        package.modified = time.time()
        self._send_state(scope, package)
        return {"ModelPackageArn": package.arn}

    def list(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """ListModelPackages of a group."""
        approval = request.get("ModelApprovalStatus")
        summaries = [
            package.summary() | {"ModelPackageName": f"{package.group}-{package.version}"}
            for package in self._group(scope, request).packages.values()
            if approval in {None, package.approval}
        ]
        page = listing.page(summaries, request, kind="ModelPackage", member="ModelPackageSummaryList")
        for summary in page["ModelPackageSummaryList"]:
            del summary["ModelPackageName"]  # it was for the filter: versioned packages have no name
        return page

    def delete(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """DeleteModelPackage."""
        package = self._package(scope, request)
        del self._groups[scope.arn(GROUP, package.group)].packages[package.version]
        return {}

    def _package(self, scope: Scope, request: dict[str, Any], *, field: str = "ModelPackageName") -> Package:
        arn = request.get(field)
        if not isinstance(arn, str) or not _PACKAGE_ARN.fullmatch(arn):
            member = field[0].lower() + field[1:]
            raise broken_constraint(arn, member, "Member must be the ARN of a versioned model package")
        _, name, version = arn.rsplit("/", 2)
        group = self._groups.get(scope.arn(GROUP, name))
        package = None if group is None else group.packages.get(int(version))
        if package is None or package.arn != arn:
            raise invalid(f"ModelPackage {arn} does not exist.")
        return package

    def _send_state(self, scope: Scope, package: Package) -> None:
        self._state_events.send(scope, state_events.PACKAGE, package.event(), package.arn)


def _approval(request: dict[str, Any]) -> str | None:
    status = request.get("ModelApprovalStatus")
    if status is not None and status not in STATUSES:
        expected = f"Member must satisfy enum value set: [{', '.join(STATUSES)}]"
        raise broken_constraint(status, "modelApprovalStatus", expected)
    return status


def _check_metadata(request: dict[str, Any]) -> None:
    for key, value in (request.get("CustomerMetadataProperties") or {}).items():
        if not isinstance(value, str) or not 1 <= len(value) <= MAX_VALUE_LENGTH or not _METADATA.fullmatch(value):
            raise broken_constraint(
                value,
                f"customerMetadataProperties.{key}",
                _VALID_VALUE,
            )


def _format_time(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def create_resource_handlers(registry: Registry, scope: Callable[[], Scope]) -> dict[str, Callable[..., Any]]:
    """The functions that CloudFormation calls for a group in a template."""

    def create(_: str, properties: dict[str, Any], __: str) -> tuple[str, dict[str, Any]]:
        arn = registry.create_group(scope(), properties)["ModelPackageGroupArn"]
        return arn, {"ModelPackageGroupArn": arn}

    def update(physical_id: str, old: dict[str, Any], new: dict[str, Any], _: str) -> tuple[str, dict[str, Any]]:
        if old.get("ModelPackageGroupName") != new.get("ModelPackageGroupName"):
            return create("", new, "")  # CloudFormation deletes the old group afterwards
        return physical_id, {"ModelPackageGroupArn": physical_id}

    def delete(physical_id: str, _: dict[str, Any]) -> None:
        registry.delete_group(scope(), {"ModelPackageGroupName": physical_id})

    return {"create": create, "update": update, "delete": delete}
