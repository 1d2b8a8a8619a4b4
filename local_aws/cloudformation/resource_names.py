"""A new stack gives its resources new names, as on AWS, and an update keeps them.

ministack derives the suffix of a name from the names of stack and resource alone: a topic on one emulator would have
the ARN of the topic on the emulator before it, and whoever remembers what a topic has got would take one for the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_aws import hooks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextvars import ContextVar

PROVISIONERS = "ministack.services.cloudformation.provisioners"


def install() -> None:
    """Take the place of what names resources that the template does not name."""
    name = hooks.find(
        PROVISIONERS, "_physical_name", arguments=("stack_name", "logical_id", "lowercase", "max_len", "seeded")
    )
    seed = hooks.find(PROVISIONERS, "_NAME_SEED")
    stacks = hooks.find("ministack.services.cloudformation", "_stacks")
    hooks.replace(PROVISIONERS, "_physical_name", of_the_stack(name, seed, stacks))


def of_the_stack(
    name: Callable[..., str], seed: ContextVar[str], stacks: Mapping[str, Mapping[str, str]]
) -> Callable[..., str]:
    """``name``, to which the id of the stack is part of the seed: every stack has another, and keeps it."""

    def name_of_the_stack(stack_name: str, logical_id: str, **options: object) -> str:
        stack = stacks.get(stack_name)
        before = seed.set(seed.get() + ("" if stack is None else stack["StackId"]))
        try:
            return name(stack_name, logical_id, **options)
        finally:
            seed.reset(before)

    return name_of_the_stack
