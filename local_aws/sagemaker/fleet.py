"""All servers of one endpoint config, and which of them gets a request."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_aws.sagemaker.errors import ApiError
from local_aws.sagemaker.model_server import ModelServer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local_aws.sagemaker.model_server import Container
    from local_aws.sagemaker.role_access import RoleAccess

_chance = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Variant:
    """A production variant: its name, its weight among the others, how many instances it pretends to have."""

    name: str
    model: str
    instance_type: str
    instances: int
    weight: float


class Fleet:
    """One server process for each variant, however many instances the variant asks for: a laptop is one machine."""

    def __init__(self, endpoint: str, config: str, variants: Sequence[tuple[Variant, Container]]) -> None:
        self.config = config
        self.variants = tuple(variant for variant, _ in variants)
        self._servers = {
            variant.name: ModelServer(container, endpoint=endpoint, variant=variant.name)
            for variant, container in variants
        }

    def start(self) -> None:
        """Start every server. Raises ``JobError`` if one does not come up, after stopping the others."""
        with ThreadPoolExecutor(max_workers=len(self._servers)) as starters:
            starts = [starters.submit(server.start) for server in self._servers.values()]
        try:
            for start in starts:
                start.result()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop every server, once it has answered what it was asked."""
        for server in self._servers.values():
            server.stop()

    def access(self) -> RoleAccess:
        """What its models' role may do, for what the service does in that role's name. Raises ``JobError``."""
        return next(iter(self._servers.values())).access()

    def choose(self, target: str | None) -> tuple[str, ModelServer]:
        """The variant ``target``, or one by weight. Raises ``ApiError`` for a target that is not there."""
        if target is None:
            weights = [variant.weight for variant in self.variants]
            target = _chance.choices(self.variants, weights if any(weights) else None)[0].name
        if target not in self._servers:
            raise ApiError("ValidationError", f"Variant {target} not found for the endpoint.")
        return target, self._servers[target]
