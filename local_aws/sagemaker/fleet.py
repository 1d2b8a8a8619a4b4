"""The servers of one endpoint config, and the choice between them."""

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

_random = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Variant:
    """A production variant; ``instances`` is the requested number, ``weight`` is relative to the other variants."""

    name: str
    model: str
    instance_type: str
    instances: int
    weight: float


class Fleet:
    """One server process per variant, whatever number of instances it requests."""

    def __init__(self, endpoint: str, config: str, variants: Sequence[tuple[Variant, Container]]) -> None:
        self.config = config
        self.variants = tuple(variant for variant, _ in variants)
        self._servers = {
            variant.name: ModelServer(container, endpoint=endpoint, variant=variant.name)
            for variant, container in variants
        }

    def start(self) -> None:
        """Start every server. Stops all and raises ``JobError`` if one does not start."""
        with ThreadPoolExecutor(max_workers=len(self._servers)) as executor:
            starts = [executor.submit(server.start) for server in self._servers.values()]
        try:
            for start in starts:
                start.result()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop every server after its requests in flight."""
        for server in self._servers.values():
            server.stop()

    def access(self) -> RoleAccess:
        """Access with the role of its first model. Raises ``JobError``."""
        return next(iter(self._servers.values())).access()

    def choose(self, target: str | None) -> tuple[str, ModelServer]:
        """The variant ``target``, or a random one by weight. Raises ``ApiError`` for an unknown target."""
        if target is None:
            weights = [variant.weight for variant in self.variants]
            target = _random.choices(self.variants, weights if any(weights) else None)[0].name
        if target not in self._servers:
            raise ApiError("ValidationError", f"Variant {target} not found for the endpoint.")
        return target, self._servers[target]
