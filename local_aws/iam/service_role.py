"""Assumes IAM roles for AWS services: only if the role trusts the service, and with the role's permissions.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_terms-and-concepts.html
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

import boto3
import botocore.loaders
import botocore.session
from botocore.config import Config

from local_aws import hooks

EVALUATOR = "ministack.core.iam_evaluator"

_MODELS = botocore.loaders.create_loader()
"""Shared by all sessions: otherwise each would load tens of megabytes of service models."""


class RoleRefusedError(Exception):
    """The role does not exist, or its trust policy does not let the service assume it."""


def require() -> None:
    """Check at the start that ministack has the names that are used here. Raises ``HookMissingError``."""
    hooks.find("ministack.services.sts", "register_session", arguments=("access_key", "session"))
    hooks.find("ministack.services.iam", "_roles.get_scoped")
    hooks.find(EVALUATOR, "EvalContext")
    hooks.find(EVALUATOR, "_service_principal_matches", arguments=("principal", "service"))
    hooks.find(EVALUATOR, "_conditions_met", arguments=("conditions", "ctx"))


def assume(role_arn: str, *, service: str, source_arn: str, session_name: str) -> boto3.Session:
    """A session of ``service`` (such as ``firehose.amazonaws.com``) with the role, on behalf of ``source_arn``.

    Its credentials do not expire; each request is checked against the role's current policies.
    Raises ``RoleRefusedError``.
    """
    region = source_arn.split(":")[3]
    check_trust(role_arn, service=service, source_arn=source_arn)
    account, role_name = role_arn.split(":")[4], role_arn.rsplit("/", 1)[-1]
    digest = hashlib.sha256(f"{role_arn}:{service}:{source_arn}".encode()).hexdigest()
    access_key = f"ASIA{digest[:16].upper()}"
    secret_key, token = (hashlib.sha256(f"{kind}:{digest}".encode()).hexdigest() for kind in ("secret", "token"))
    hooks.find("ministack.services.sts", "register_session")(
        access_key,
        {
            "Arn": f"arn:aws:sts::{account}:assumed-role/{role_name}/{session_name}",
            "UserId": f"{role_name}:{session_name}",
            "SecretAccessKey": secret_key,
            "SessionToken": token,
        },
    )
    core = botocore.session.get_session()
    core.register_component("data_loader", _MODELS)
    return boto3.Session(
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        aws_session_token=token,
        region_name=region,
        botocore_session=core,
    )


def client(session: boto3.Session, service_name: str, *, read_timeout: float = 60) -> Any:
    """A client of this process's own endpoint, without retries: its callers have their own."""
    # The type checker's overloads want a literal service name.
    return session.client(  # type: ignore[call-overload]
        service_name,
        endpoint_url=f"http://127.0.0.1:{os.environ.get('GATEWAY_PORT', '4566')}",
        config=Config(
            proxies={},
            read_timeout=read_timeout,
            retries={"total_max_attempts": 1},
            s3={"addressing_style": "path"},
        ),
    )


def check_trust(role_arn: str, *, service: str, source_arn: str) -> None:
    """Raise ``RoleRefusedError`` unless the role exists and lets ``service`` assume it for ``source_arn``."""
    parts = role_arn.split(":")
    if len(parts) < 6 or parts[2] != "iam" or not parts[5].startswith("role/"):
        raise RoleRefusedError(f"{role_arn!r} is not the ARN of a role")
    roles = hooks.find("ministack.services.iam", "_roles")
    role = roles.get_scoped(parts[4], None, role_arn.rsplit("/", 1)[-1])
    if role is None:
        raise RoleRefusedError(f"the role {role_arn} does not exist")
    document = role.get("AssumeRolePolicyDocument") or {}
    if isinstance(document, str):
        document = json.loads(document)
    statements = document.get("Statement", [])
    effects = {
        statement.get("Effect")
        for statement in ([statements] if isinstance(statements, dict) else statements)
        if _applies_to(statement, service, source_arn, role_arn)
    }
    if effects != {"Allow"}:
        raise RoleRefusedError(f"the role {role_arn} does not let {service} assume it: see its trust policy")


def _applies_to(statement: dict[str, Any], service: str, source_arn: str, role_arn: str) -> bool:
    """Whether a statement of a trust policy applies when ``service`` assumes the role for ``source_arn``."""
    actions = statement.get("Action", [])
    actions = [actions] if isinstance(actions, str) else actions
    if not any(action.lower() in ("*", "sts:*", "sts:assumerole") for action in actions):
        return False
    principal = statement.get("Principal")
    names_service = hooks.find(EVALUATOR, "_service_principal_matches")
    if principal != "*" and not names_service(principal, service):
        return False
    _, _, _, region, account, _ = source_arn.split(":", 5)
    context = hooks.find(EVALUATOR, "EvalContext")(
        principal_arn=service,
        principal_type="AWSService",
        principal_account=account,
        action="sts:AssumeRole",
        resource_arn=role_arn,
        region=region,
        secure_transport=True,
        service_context={
            "sts:externalid": account,  # Firehose's external id is the account
            "aws:sourceaccount": account,
            "aws:sourcearn": source_arn,
        },
    )
    return bool(hooks.find(EVALUATOR, "_conditions_met")(statement.get("Condition") or {}, context))
