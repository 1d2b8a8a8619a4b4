"""Gives the resources of every new stack new physical names, as on AWS; an update keeps them.

ministack derives the suffix of a name from the names of the stack and the resource alone, so the same template deployed
again has the same ARNs, and clients that remember something by ARN confuse the two stacks.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-name.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_aws import hooks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextvars import ContextVar

PROVISIONERS = "ministack.services.cloudformation.provisioners"


def install() -> None:
    """Replace the function that names resources without a name in the template."""
    name = hooks.find(
        PROVISIONERS, "_physical_name", arguments=("stack_name", "logical_id", "lowercase", "max_len", "seeded")
    )
    seed = hooks.find(PROVISIONERS, "_NAME_SEED")
    stacks = hooks.find("ministack.services.cloudformation", "_stacks")
    hooks.replace(PROVISIONERS, "_physical_name", seed_with_stack_id(name, seed, stacks))


def seed_with_stack_id(
    name: Callable[..., str], seed: ContextVar[str], stacks: Mapping[str, Mapping[str, str]]
) -> Callable[..., str]:
    """Wrap ``name`` so that the stack's id, which differs for every stack, is part of the seed."""

    def seeded_name(stack_name: str, logical_id: str, **options: object) -> str:
        stack = stacks.get(stack_name)
        before = seed.set(seed.get() + ("" if stack is None else stack["StackId"]))
        try:
            return name(stack_name, logical_id, **options)
        finally:
            seed.reset(before)

    return seeded_name
