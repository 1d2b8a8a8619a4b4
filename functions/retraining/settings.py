"""The configuration of the retraining function, read from its environment variables."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from retraining.decision import Policy

if TYPE_CHECKING:
    from collections.abc import Mapping


class Settings(BaseModel):
    """One attribute for each variable. A missing or invalid one raises ``ValidationError``, which names it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    service: str = Field(alias="POWERTOOLS_SERVICE_NAME")
    stack: str = Field(alias="STACK_NAME")
    bucket: str = Field(alias="BUCKET_NAME")
    table: str = Field(alias="TABLE_NAME")
    endpoint: str = Field(alias="ENDPOINT_NAME")
    training_role: str = Field(alias="TRAINING_ROLE_ARN")
    training_image: str = Field(alias="TRAINING_IMAGE")
    instance_type: str = Field(alias="TRAINING_INSTANCE_TYPE")
    max_seconds: Annotated[int, Field(gt=0, alias="TRAINING_MAX_SECONDS")]
    minimum_samples: Annotated[int, Field(ge=0, alias="MINIMUM_SAMPLES")]
    maximum_samples: Annotated[int, Field(ge=1_000, alias="MAXIMUM_SAMPLES")]
    cool_down_seconds: Annotated[int, Field(ge=0, alias="COOLDOWN_SECONDS")]
    rounds_per_day: Annotated[int, Field(ge=0, alias="ROUNDS_PER_DAY")]
    alarms: str = Field(alias="RETRAINING_ALARMS")
    key: str = Field(default="", alias="KEY_ARN")

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """Validate environment variables. Raises pydantic's ``ValidationError``."""
        return cls.model_validate(dict(environment))

    @property
    def alarm_names(self) -> tuple[str, ...]:
        """The alarms that start rounds."""
        return tuple(name.strip() for name in self.alarms.split(",") if name.strip())

    @property
    def policy(self) -> Policy:
        """The limits of automatic rounds."""
        return Policy(
            minimum_samples=self.minimum_samples,
            cool_down=timedelta(seconds=self.cool_down_seconds),
            rounds_per_day=self.rounds_per_day,
        )
