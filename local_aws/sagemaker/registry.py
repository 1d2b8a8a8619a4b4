"""The model registry: groups, and their versioned packages, which somebody approves or rejects."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from local_aws.sagemaker import listing, notices
from local_aws.sagemaker.errors import ApiError, broken_constraint, invalid
from local_aws.sagemaker.names import name_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_aws.sagemaker.names import Scope
    from local_aws.sagemaker.notices import Notices
    from local_aws.sagemaker.tags import Tags

GROUP, PACKAGE = "model-package-group", "model-package"
RESOURCE = "AWS::SageMaker::ModelPackageGroup"
STATUSES = ("Approved", "Rejected", "PendingManualApproval")
_PACKAGE_ARN = re.compile(r"arn:aws:sagemaker:[^:]+:\d{12}:model-package/[^/]+/\d+")
_METADATA = re.compile(r"[\w\s.:/=+@-]*")
LONGEST_VALUE = 256
_KEPT = (
    "InferenceSpecification",
    "ModelMetrics",
    "MetadataProperties",
    "ModelPackageDescription",
    "CustomerMetadataProperties",
)
"""Members of a request that are told again as they are."""


@dataclass(slots=True)
class Package:
    """One version in a group."""

    arn: str
    group: str
    version: int
    request: dict[str, Any]
    approval: str
    description: str | None = None
    created: float = field(default_factory=time.time)
    modified: float = field(default_factory=time.time)

    def described(self) -> dict[str, Any]:
        """The answer of DescribeModelPackage."""
        told = {member: self.request[member] for member in _KEPT if self.request.get(member)}
        if self.description is not None:
            told["ApprovalDescription"] = self.description
        return (
            told
            | self.summary()
            | {
                "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
                "CertifyForMarketplace": False,
                "LastModifiedTime": self.modified,
            }
        )

    def summary(self) -> dict[str, Any]:
        """One entry of ListModelPackages."""
        return {
            "ModelPackageGroupName": self.group,
            "ModelPackageVersion": self.version,
            "ModelPackageArn": self.arn,
            "CreationTime": self.created,
            "ModelPackageStatus": "Completed",
            "ModelApprovalStatus": self.approval,
        }

    def event(self) -> dict[str, Any]:
        """The detail of a change's event: times in ISO 8601."""
        times = {"CreationTime": _iso(self.created), "LastModifiedTime": _iso(self.modified)}
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
        """The answer of DescribeModelPackageGroup, and one entry of ListModelPackageGroups."""
        told = {
            "ModelPackageGroupName": self.name,
            "ModelPackageGroupArn": self.arn,
            "CreationTime": self.created,
            "ModelPackageGroupStatus": "Completed",
        }
        about = self.request.get("ModelPackageGroupDescription")
        return told | ({"ModelPackageGroupDescription": about} if about else {})


class Registry:
    """All groups of this emulator, by ARN."""

    def __init__(self, tags: Tags, sender: Notices) -> None:
        self._groups: dict[str, Group] = {}
        self._asked: dict[tuple[str, str], Package] = {}
        self._tags, self._notices = tags, sender

    def operations(self) -> dict[str, Callable[[Scope, dict[str, Any]], dict[str, Any]]]:
        """What it answers, by the operation's name."""
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
        name = name_of(request, "ModelPackageGroupName")
        arn = scope.arn(GROUP, name)
        if arn in self._groups:
            raise invalid(f"Model Package Group already exists: {arn}")
        self._tags.create(arn, request.get("Tags"))
        self._groups[arn] = Group(name, arn, request)
        return {"ModelPackageGroupArn": arn}

    def list_groups(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """ListModelPackageGroups."""
        found = [group.described() for arn, group in self._groups.items() if arn.startswith(scope.arn(GROUP, ""))]
        return listing.page(found, request, kind="ModelPackageGroup", answer="ModelPackageGroupSummaryList")

    def delete_group(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """DeleteModelPackageGroup; one that has packages stays, as on AWS."""
        group = self._group(scope, request)
        if group.packages:
            raise ApiError("ConflictException", f"Model Package Group {group.arn} still has model packages.")
        del self._groups[group.arn]
        self._tags.forget(group.arn)
        return {}

    def _group(self, scope: Scope, request: dict[str, Any]) -> Group:
        given = request.get("ModelPackageGroupName")
        bare = given.rpartition("/")[2] if isinstance(given, str) else given
        arn = scope.arn(GROUP, name_of({**request, "ModelPackageGroupName": bare}, "ModelPackageGroupName"))
        if arn not in self._groups:
            raise invalid(f"ModelPackageGroup {arn} does not exist.")
        return self._groups[arn]

    # --- packages

    def create(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """CreateModelPackage: the next version of a group; the same once more for the same ``ClientToken``."""
        if not request.get("ModelPackageGroupName"):
            raise invalid("A laptop keeps versioned model packages only: name a ModelPackageGroupName.")
        if request.get("Tags"):
            raise invalid("Tags cannot be given to a versioned model package; give them to its group.")
        group = self._group(scope, request)
        token = request.get("ClientToken")
        known = self._asked.get((group.arn, token)) if isinstance(token, str) else None
        if known is not None:
            return {"ModelPackageArn": known.arn}
        approval = _approval(request) or "PendingManualApproval"
        _check_metadata(request)
        group.versions += 1
        arn = f"{scope.arn(PACKAGE, group.name)}/{group.versions}"
        package = group.packages[group.versions] = Package(arn, group.name, group.versions, request, approval)
        if isinstance(token, str):
            self._asked[group.arn, token] = package
        self._tell(scope, package)
        return {"ModelPackageArn": arn}

    def update(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """UpdateModelPackage: its approval, and its customer's metadata."""
        package = self._package(scope, request, field="ModelPackageArn")
        _check_metadata(request)
        package.approval = _approval(request) or package.approval
        package.description = request.get("ApprovalDescription", package.description)
        if request.get("CustomerMetadataProperties"):
            known = package.request.get("CustomerMetadataProperties") or {}
            package.request["CustomerMetadataProperties"] = known | request["CustomerMetadataProperties"]
        package.modified = time.time()
        self._tell(scope, package)
        return {"ModelPackageArn": package.arn}

    def list(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """ListModelPackages of a group."""
        approval = request.get("ModelApprovalStatus")
        found = [
            package.summary() | {"ModelPackageName": f"{package.group}-{package.version}"}
            for package in self._group(scope, request).packages.values()
            if approval in {None, package.approval}
        ]
        page = listing.page(found, request, kind="ModelPackage", answer="ModelPackageSummaryList")
        for each in page["ModelPackageSummaryList"]:
            del each["ModelPackageName"]  # only unversioned ones have a name
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

    def _tell(self, scope: Scope, package: Package) -> None:
        self._notices.send(scope, notices.PACKAGE, package.event(), package.arn)


def _approval(request: dict[str, Any]) -> str | None:
    status = request.get("ModelApprovalStatus")
    if status is not None and status not in STATUSES:
        expected = f"Member must satisfy enum value set: [{', '.join(STATUSES)}]"
        raise broken_constraint(status, "modelApprovalStatus", expected)
    return status


def _check_metadata(request: dict[str, Any]) -> None:
    for key, value in (request.get("CustomerMetadataProperties") or {}).items():
        if not isinstance(value, str) or not 1 <= len(value) <= LONGEST_VALUE or not _METADATA.fullmatch(value):
            raise broken_constraint(value, f"customerMetadataProperties.{key}", "Member must be a short plain text")


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def as_resource(registry: Registry, scope: Callable[[], Scope]) -> dict[str, Callable[..., Any]]:
    """What CloudFormation calls for a group in a template."""

    def create(_: str, properties: dict[str, Any], __: str) -> tuple[str, dict[str, Any]]:
        arn = registry.create_group(scope(), properties)["ModelPackageGroupArn"]
        return arn, {"ModelPackageGroupArn": arn}

    def update(physical_id: str, old: dict[str, Any], new: dict[str, Any], _: str) -> tuple[str, dict[str, Any]]:
        if old.get("ModelPackageGroupName") != new.get("ModelPackageGroupName"):
            return create("", new, "")  # CloudFormation deletes the old one afterwards
        return physical_id, {"ModelPackageGroupArn": physical_id}

    def delete(physical_id: str, _: dict[str, Any]) -> None:
        registry.delete_group(scope(), {"ModelPackageGroupName": physical_id})

    return {"create": create, "update": update, "delete": delete}
