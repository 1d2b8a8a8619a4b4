"""Whether an AWS service may act on a resource: under a role, or because the resource's own policy admits it.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local_aws import hooks

if TYPE_CHECKING:
    from collections.abc import Mapping

EVALUATOR = "ministack.core.iam_evaluator"


@dataclass(frozen=True)
class Sender:
    """A service that acts for one of its resources, perhaps under a role."""

    service: str
    """Its principal, such as ``events.amazonaws.com``."""
    source_arn: str
    """The resource it acts for, such as a rule: the value of ``aws:SourceArn``."""
    role_arn: str | None = None
    """The role it assumes; without one, the policy of the target decides."""


def require() -> None:
    """Check at the start that ministack has the names that are used here. Raises ``HookMissingError``."""
    hooks.find(EVALUATOR, "EvalContext")
    hooks.find(EVALUATOR, "evaluate")
    hooks.find(EVALUATOR, "evaluate_resource_policy", arguments=("doc", "ctx", "service", "named_only", "direct_only"))
    hooks.find(EVALUATOR, "_gather_role_policies", arguments=("role_name", "account_id"))


def role_allows(
    role_arn: str, action: str, resource_arn: str, *, key_policy: str | Mapping[str, Any] | None = None
) -> bool:
    """Whether the role's identity policies allow ``action`` on ``resource_arn``; a key's own policy must do so too."""
    account, role_name = role_arn.split(":")[4], role_arn.rpartition("/")[2]
    policies = hooks.find(EVALUATOR, "_gather_role_policies")(role_name, account)
    context = _context(role_arn, "AssumedRole", account, action, resource_arn)
    decisions = {hooks.find(EVALUATOR, "evaluate")(context, policies).decision}
    if key_policy is not None:
        decisions.add(hooks.find(EVALUATOR, "evaluate_resource_policy")(key_policy, context).decision)
    return decisions == {"Allow"}


def policy_allows(
    policy: str | Mapping[str, Any], action: str, resource_arn: str, sender: Sender, **conditions: str
) -> bool:
    """Whether a resource's policy allows the sender's service ``action`` on ``resource_arn``.

    ``conditions`` are further condition keys, with ``_`` for ``:`` (``kms_viaservice``).
    """
    context = _context("*", "Service", "", action, resource_arn)
    context.service_context = {
        "aws:sourcearn": sender.source_arn,
        "aws:sourceaccount": sender.source_arn.split(":")[4],
        **{name.replace("_", ":", 1): value for name, value in conditions.items()},
    }
    evaluate = hooks.find(EVALUATOR, "evaluate_resource_policy")
    return bool(evaluate(policy, context, service=sender.service).decision == "Allow")


def _context(principal: str, principal_type: str, account: str, action: str, resource_arn: str) -> Any:
    return hooks.find(EVALUATOR, "EvalContext")(
        principal_arn=principal,
        principal_type=principal_type,
        principal_account=account,
        action=action,
        resource_arn=resource_arn,
        region=resource_arn.split(":")[3],
        secure_transport=True,  # services speak TLS with each other
    )
