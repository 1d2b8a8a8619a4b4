"""The promotion function's environment variables, read once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Mapping


class Settings(BaseModel):
    """An attribute for each variable; a missing or invalid one raises ``ValidationError`` with its name."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    stack: str = Field(alias="STACK_NAME")
    table: str = Field(alias="TABLE_NAME")
    endpoint: str = Field(alias="ENDPOINT_NAME")
    serving_image: str = Field(alias="SERVING_IMAGE")
    serving_role: str = Field(alias="SERVING_ROLE_ARN")
    instance_type: str = Field(alias="INSTANCE_TYPE")
    instance_count: Annotated[int, Field(gt=0, alias="INSTANCE_COUNT")]
    key: str = Field(default="", alias="KEY_ARN")
    package_group: str = Field(alias="PACKAGE_GROUP")
    approval_mode: Literal["automatic", "manual"] = Field(alias="APPROVAL_MODE")
    bake_seconds: Annotated[int, Field(ge=0, le=3_600, alias="BAKE_SECONDS")]
    canary_percent: Annotated[int, Field(ge=0, le=50, alias="CANARY_PERCENT")]
    error_ratio: Annotated[float, Field(ge=1, alias="ERROR_RATIO")]
    live_error_alarm: str = Field(alias="LIVE_ERROR_ALARM")
    """The alarm on the new model's own live error."""
    endpoint_alarms: str = Field(alias="ENDPOINT_ALARMS")
    """The alarms on failures and latency of the new model's instances, separated by commas."""

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """From environment variables."""
        return cls.model_validate(dict(environment))

    @property
    def endpoint_alarm_names(self) -> tuple[str, ...]:
        """The names in ``endpoint_alarms``."""
        return tuple(name.strip() for name in self.endpoint_alarms.split(",") if name.strip())
