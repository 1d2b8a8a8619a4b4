"""SageMaker's IAM actions and resources, which ministack does not have.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from local_aws import hooks
from local_aws.sagemaker.errors import ApiError
from local_aws.sagemaker.names import Scope

if TYPE_CHECKING:
    from collections.abc import Callable

SERVICE = "sagemaker"
INVOCATION = re.compile(r"/endpoints/([^/]+)/invocations/?")
_ACTIONS = "ministack.core.iam_actions"

_KINDS = {
    "TrainingJob": "training-job",
    "EndpointConfig": "endpoint-config",
    "Endpoint": "endpoint",
    "Model": "model",
    "ModelPackageGroup": "model-package-group",
}
_TAGGING = frozenset(
    {
        "AddTags",
        "DeleteTags",
        "CreateTrainingJob",
        "CreateModel",
        "CreateModelPackageGroup",
        "CreateEndpointConfig",
        "CreateEndpoint",
    }
)


def operation_of(headers: dict[str, str], path: str) -> str | None:
    """The requested operation, from the target header, or from the path without one."""
    target = headers.get("x-amz-target", "")
    if target:
        return target.rpartition(".")[2]
    return "InvokeEndpoint" if INVOCATION.fullmatch(path) else None


def resource_of(operation: str | None, path: str, body: bytes, scope: Scope) -> str:
    """The ARN that a policy's ``Resource`` must match; ``*`` for actions without a resource."""
    if operation == "InvokeEndpoint":
        match = INVOCATION.fullmatch(path)
        return scope.arn("endpoint", match[1]) if match else "*"
    try:
        request = json.loads(body or b"{}")
    except ValueError:
        request = None
    if operation is None or not isinstance(request, dict):
        return "*"  # it will be refused in any case
    if operation in ("AddTags", "ListTags", "DeleteTags"):
        return str(request.get("ResourceArn") or "*")
    if operation.endswith("ModelPackage"):
        return _package(request, scope)
    arns = (
        scope.arn(kind, str(request.get(f"{noun}Name", "")))
        for noun, kind in _KINDS.items()
        if operation.endswith(noun)
    )
    return next(arns, "*")


def _package(request: dict[str, Any], scope: Scope) -> str:
    """The ARN of a package, or of all packages of the group in which one is to be created."""
    arn = request.get("ModelPackageArn") or request.get("ModelPackageName")
    group = str(request.get("ModelPackageGroupName", "")).rpartition("/")[2]
    return str(arn) if arn else f"{scope.arn('model-package', group)}/*"


class Caller:
    """The sender of a request, for checks of further permissions."""

    def __init__(self, headers: dict[str, str], query: dict[str, Any], region: str) -> None:
        self._key = hooks.find("ministack.core.router", "extract_access_key_id")(headers, query)
        self._region = region

    def require(self, action: str, resource: str, context: dict[str, Any] | None = None) -> None:
        """Raise ``ApiError`` unless the caller has permission for ``action`` on ``resource``."""
        denied = hooks.find("ministack.core.iam_evaluator", "enforce")(
            self._key, action, SERVICE, self._region, resource_arn=resource, service_context=context
        )
        if denied is None:
            return
        principal = getattr(denied, "principal_arn", "")
        raise ApiError(
            "AccessDeniedException",
            f"User: {principal} is not authorized to perform: {action} on resource: {resource} "
            f"because no identity-based policy allows the {action} action",
        )

    def require_pass_role(self, role_arn: str) -> None:
        """Raise ``ApiError`` unless the caller may pass the role to SageMaker."""
        self.require("iam:PassRole", role_arn, {"iam:PassedToService": "sagemaker.amazonaws.com"})


def install() -> None:
    """Add SageMaker to ministack's IAM. Raises ``HookMissingError``."""
    hooks.find(_ACTIONS, "SERVICE_TO_IAM_NAMESPACE")[SERVICE] = "sagemaker"
    # without these two, ministack would load SageMaker's API model (5 MB) at the first request
    hooks.find(_ACTIONS, "_TAG_OPERATIONS")[SERVICE] = _TAGGING
    hooks.find(_ACTIONS, "_UNSIGNED_OPERATIONS")[SERVICE] = frozenset()
    hooks.find(
        "ministack.core.iam_evaluator",
        "enforce",
        arguments=("access_key_id", "iam_action", "service", "region", "resource_arn", "service_context"),
    )
    hooks.find("ministack.core.router", "extract_access_key_id", arguments=("headers", "query_params"))
    action_of: Callable[..., str | None] = hooks.find(_ACTIONS, "extract_iam_action")
    arn_of: Callable[..., str] = hooks.find(_ACTIONS, "extract_resource_arn")

    def extract_action(  # noqa: PLR0917 (ministack's call)
        service: str, method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any]
    ) -> str | None:
        if service == SERVICE:  # the same function selects the operation in `api`
            operation = operation_of(headers, path)
            return f"sagemaker:{operation}" if operation else None
        return action_of(service, method, path, headers, body, query_params)

    def extract_arn(  # noqa: PLR0917 (ministack's call)
        service: str,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query_params: dict[str, Any],
        region: str,
        account_id: str,
    ) -> str:
        if service == SERVICE:
            return resource_of(operation_of(headers, path), path, body, Scope(account_id, region))
        return arn_of(service, method, path, headers, body, query_params, region, account_id)

    hooks.replace(
        _ACTIONS,
        "extract_iam_action",
        extract_action,
        arguments=("service", "method", "path", "headers", "body", "query_params"),
    )
    hooks.replace(
        _ACTIONS,
        "extract_resource_arn",
        extract_arn,
        arguments=("service", "method", "path", "headers", "body", "query_params", "region", "account_id"),
    )
