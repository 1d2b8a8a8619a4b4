"""Creates the routes of an HTTP API from the OpenAPI document in ``Body``, as SAM templates have it.

ministack ignores ``Body`` and creates an API without routes. Here every operation of the document becomes a route with
an integration and the authorization of the operation's ``security``; an update replaces all routes.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-open-api.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local_aws import hooks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RESOURCE = "AWS::ApiGatewayV2::Api"
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "x-amazon-apigateway-any-method"}


class UnsupportedApiError(ValueError):
    """The document uses a feature that is not emulated; the deployment fails with this message."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One route of an OpenAPI document."""

    route_key: str
    """``POST /predictions`` or ``$default``"""
    authorization: str
    """``NONE`` or ``AWS_IAM``"""
    integration: dict[str, Any]
    """The members of a CreateIntegration request."""


def operations(document: dict[str, Any]) -> Iterator[Operation]:
    """The routes of an OpenAPI 3 document. Raises ``UnsupportedApiError``."""
    schemes = (document.get("components") or {}).get("securitySchemes") or {}
    for path, item in (document.get("paths") or {}).items():
        for method, operation in item.items():
            if method not in METHODS:
                continue
            verb = "ANY" if method == "x-amazon-apigateway-any-method" else method.upper()
            key = path if path == "$default" else f"{verb} {path}"
            integration = operation.get("x-amazon-apigateway-integration")
            if not integration:
                raise UnsupportedApiError(f"{key} has no x-amazon-apigateway-integration")
            security = operation.get("security", document.get("security")) or []
            yield Operation(key, _authorization(key, security, schemes), _integration(integration))


def _authorization(key: str, security: list[dict[str, Any]], schemes: dict[str, Any]) -> str:
    names = [name for alternative in security for name in alternative]
    if names in ([], ["NONE"]):  # SAM writes NONE where a function opts out of the default authorizer
        return "NONE"
    for name in names:
        if (schemes.get(name) or {}).get("x-amazon-apigateway-authtype", "").lower() != "awssigv4":
            raise UnsupportedApiError(f"{key} has the authorizer {name!r}; only AWS_IAM and NONE are emulated")
    return "AWS_IAM"


def _integration(extension: dict[str, Any]) -> dict[str, Any]:
    kind = extension.get("type", "").upper()
    if kind not in {"AWS_PROXY", "HTTP_PROXY"}:
        raise UnsupportedApiError(f"an integration of type {extension.get('type')!r} is not emulated")
    return {
        "integrationType": kind,
        "integrationUri": extension.get("uri", ""),
        "integrationMethod": extension.get("httpMethod", "POST"),
        "payloadFormatVersion": extension.get("payloadFormatVersion", "2.0"),
        "timeoutInMillis": extension.get("timeoutInMillis", 30000),
    }


def install() -> None:
    """Wrap the creation and update of the resource type."""
    service = "ministack.services.apigateway"
    for name, arguments in (
        ("_create_route", ("api_id", "data")),
        ("_create_integration", ("api_id", "data")),
        ("route_authorization_type", ("api_id", "stage", "method", "path")),
    ):
        hooks.find(service, name, arguments=arguments)
    handlers = hooks.find("ministack.services.cloudformation.provisioners", "_RESOURCE_HANDLERS")
    entry = handlers.get(RESOURCE)
    if entry is None or not {"create", "update", "update_with_logical_id"} <= entry.keys():
        raise hooks.HookMissingError(f"ministack's CloudFormation cannot create or update {RESOURCE}")
    handlers[RESOURCE] = entry | {"create": _creating(entry["create"]), "update": _updating(entry["update"])}


def _creating(create: Callable[..., tuple[str, dict[str, Any]]]) -> Callable[..., tuple[str, dict[str, Any]]]:
    def create_with_routes(logical_id: str, properties: dict[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
        routes = list(operations(properties.get("Body") or {}))
        api_id, attributes = create(logical_id, _with_name(properties), stack_name)
        _set_routes(api_id, routes)
        return api_id, attributes

    return create_with_routes


def _updating(update: Callable[..., tuple[str, dict[str, Any]]]) -> Callable[..., tuple[str, dict[str, Any]]]:
    def update_with_routes(
        physical_id: str,
        old: dict[str, Any],
        new: dict[str, Any],
        stack_name: str,
        logical_id: str | None = None,
    ) -> tuple[str, dict[str, Any]]:
        routes = list(operations(new.get("Body") or {}))
        api_id, attributes = update(physical_id, _with_name(old), _with_name(new), stack_name, logical_id)
        if new.get("Body"):
            _set_routes(api_id, routes)
        return api_id, attributes

    return update_with_routes


def _with_name(properties: dict[str, Any]) -> dict[str, Any]:
    """Properties with the document's title as the API's name."""
    title = ((properties.get("Body") or {}).get("info") or {}).get("title")
    return {"Name": title} | properties if title else properties


def _set_routes(api_id: str, routes: list[Operation]) -> None:
    service = "ministack.services.apigateway"
    hooks.find(service, "_routes")[api_id] = {}
    hooks.find(service, "_integrations")[api_id] = {}
    for operation in routes:
        _, _, body = hooks.find(service, "_create_integration")(api_id, operation.integration)
        target = f"integrations/{json.loads(body)['integrationId']}"
        hooks.find(service, "_create_route")(
            api_id,
            {"routeKey": operation.route_key, "authorizationType": operation.authorization, "target": target},
        )
