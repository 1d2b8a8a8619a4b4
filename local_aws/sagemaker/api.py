"""SageMaker's API: dispatches requests to operations, and formats responses and errors."""

from __future__ import annotations

import json
import logging
import os
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from local_aws import hooks
from local_aws.sagemaker import authorization
from local_aws.sagemaker.authorization import INVOCATION, Caller
from local_aws.sagemaker.errors import ApiError
from local_aws.sagemaker.hosting import Hosting
from local_aws.sagemaker.names import Scope
from local_aws.sagemaker.registry import RESOURCE, Registry, create_resource_handlers
from local_aws.sagemaker.state_events import StateEvents
from local_aws.sagemaker.tags import Tags
from local_aws.sagemaker.training import Training

if TYPE_CHECKING:
    from collections.abc import Callable

    Response = tuple[int, dict[str, str], bytes]

logger = logging.getLogger("local_aws.sagemaker")

JSON_TYPE = "application/x-amz-json-1.1"


class Service:
    """All of SageMaker; ministack calls ``handle`` for each of its requests."""

    def __init__(self) -> None:
        self._tags = Tags()
        events = StateEvents()
        self._training = Training(self._tags, events)
        self._hosting = Hosting(self._tags, events)
        self.registry = Registry(self._tags, events)
        self._scope = (
            hooks.find("ministack.core.responses", "get_account_id", arguments=()),
            hooks.find("ministack.core.responses", "get_region", arguments=()),
        )
        training, hosting = self._training, self._hosting
        self._operations: dict[str, Callable[[Scope, dict[str, Any]], dict[str, Any]]] = {
            "CreateTrainingJob": training.create,
            "DescribeTrainingJob": training.describe,
            "ListTrainingJobs": training.list,
            "StopTrainingJob": training.stop,
            "CreateModel": hosting.create_model,
            "DescribeModel": hosting.describe_model,
            "ListModels": hosting.list_models,
            "DeleteModel": hosting.delete_model,
            "CreateEndpointConfig": hosting.create_config,
            "DescribeEndpointConfig": hosting.describe_config,
            "ListEndpointConfigs": hosting.list_configs,
            "DeleteEndpointConfig": hosting.delete_config,
            "CreateEndpoint": hosting.create_endpoint,
            "UpdateEndpoint": hosting.update_endpoint,
            "DescribeEndpoint": hosting.describe_endpoint,
            "ListEndpoints": hosting.list_endpoints,
            "DeleteEndpoint": hosting.delete_endpoint,
            **self.registry.operations(),
            "AddTags": lambda _, request: self._tags.add(request),
            "ListTags": lambda _, request: self._tags.list(request),
            "DeleteTags": lambda _, request: self._tags.delete(request),
        }

    def scope(self) -> Scope:
        """The account and region of the current request."""
        return Scope(*(find() for find in self._scope))

    async def handle(
        self, method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Response:
        """Respond to a request; ministack has checked its signature and the permission for its action."""
        scope = self.scope()
        operation = authorization.operation_of(headers, path)
        try:
            match = INVOCATION.fullmatch(path)
            if operation == "InvokeEndpoint" and match and method == "POST":
                return await self._hosting.invoke(scope, unquote(match[1]), headers, body)
            response = self._run_operation(scope, operation, _parsed(body), Caller(headers, query, scope.region))
        except ApiError as error:
            logger.info("%s: %s", operation, error)
            return _error_response(error, runtime=operation == "InvokeEndpoint")
        return 200, {"Content-Type": JSON_TYPE}, json.dumps(response).encode()

    def _run_operation(
        self, scope: Scope, operation: str | None, request: dict[str, Any], caller: Caller
    ) -> dict[str, Any]:
        if operation not in self._operations:
            raise ApiError("UnknownOperationException", f"The operation {operation} is not emulated.")
        _require_further_permissions(operation, request, caller, scope)
        if key := self._volume_key(scope, operation, request):
            # the instances use the key by a grant, which the caller must be allowed to create
            caller.require("kms:CreateGrant", key)
        return self._operations[operation](scope, request)

    def _volume_key(self, scope: Scope, operation: str, request: dict[str, Any]) -> str | None:
        """The customer managed key for the volumes of the instances that an operation starts, or None."""
        if operation == "CreateTrainingJob":
            key = (request.get("ResourceConfig") or {}).get("VolumeKmsKeyId")
        elif operation in ("CreateEndpoint", "UpdateEndpoint"):
            key = self._hosting.describe_config(scope, request).get("KmsKeyId")
        else:
            return None
        return str(key) if key else None


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        request = json.loads(body or b"{}")
    except ValueError as error:
        raise ApiError("SerializationException", f"The request is not JSON: {error}") from error
    if not isinstance(request, dict):
        raise ApiError("SerializationException", "The request is not a JSON object.")
    return request


def _require_further_permissions(operation: str, request: dict[str, Any], caller: Caller, scope: Scope) -> None:
    """Permissions beyond the operation's own action: passing a role, tagging, using an endpoint config."""
    role = request.get("RoleArn") or request.get("ExecutionRoleArn")
    if operation in ("CreateTrainingJob", "CreateModel") and isinstance(role, str):
        caller.require_pass_role(role)
    if operation in ("CreateEndpoint", "UpdateEndpoint"):
        config = str(request.get("EndpointConfigName", ""))
        caller.require(f"sagemaker:{operation}", scope.arn("endpoint-config", config))
    if operation.startswith("Create") and request.get("Tags"):
        caller.require(
            "sagemaker:AddTags", authorization.resource_of(operation, "", json.dumps(request).encode(), scope)
        )


def _error_response(error: ApiError, *, runtime: bool) -> Response:
    """An error response; the runtime API has the code in the header alone, and ``Message`` instead of ``message``."""
    headers = {"Content-Type": "application/json" if runtime else JSON_TYPE, "x-amzn-errortype": error.code}
    body = {"Message": error.message} if runtime else {"__type": error.code, "message": error.message}
    return error.status, headers, json.dumps({**body, **error.members}).encode()


def install() -> None:
    """Register SageMaker: its routes, its IAM actions and its operations. Raises ``HookMissingError``.

    Without ``LOCAL_AWS_IMAGE_PYTHON`` there is no SageMaker: jobs and endpoints need the image's packages. Ends the
    process if it names no interpreter.
    """
    python = os.environ.get("LOCAL_AWS_IMAGE_PYTHON")
    if python is None:
        return
    if not os.access(python, os.X_OK):
        sys.exit(f"local_aws does not start: LOCAL_AWS_IMAGE_PYTHON names no Python interpreter ({python!r}).")
    authorization.install()
    hooks.find("ministack.core.router", "SERVICE_PATTERNS")[authorization.SERVICE] = {
        "target_prefixes": ["SageMaker."],
        "host_patterns": [r"api\.sagemaker\.", r"runtime\.sagemaker\."],
        "credential_scope": "sagemaker",
    }
    service = Service()
    hooks.find("ministack.app", "SERVICE_HANDLERS")[authorization.SERVICE] = service.handle
    resources = hooks.find("ministack.services.cloudformation.provisioners", "_RESOURCE_HANDLERS")
    resources[RESOURCE] = create_resource_handlers(service.registry, service.scope)
