"""The configuration of the monitor, read from its environment variables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from monitor.step import Options

if TYPE_CHECKING:
    from collections.abc import Mapping


class Settings(BaseModel):
    """One attribute for each variable. A missing or invalid one raises ``ValidationError``, which names it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    bucket: str = Field(alias="BUCKET_NAME")
    table: str = Field(alias="TABLE_NAME")
    endpoint: str = Field(alias="ENDPOINT_NAME")
    error_ratio: Annotated[float, Field(ge=1, alias="ERROR_RATIO")]
    late_after_seconds: Annotated[float, Field(gt=0, alias="LATE_AFTER_SECONDS")]
    ledger_days: Annotated[int, Field(ge=1, alias="LEDGER_DAYS")]
    minute_seconds: Annotated[float, Field(gt=0, le=60, alias="MINUTE_SECONDS")]

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """Validate environment variables. Raises pydantic's ``ValidationError``."""
        return cls.model_validate(dict(environment))

    @property
    def options(self) -> Options:
        """What measuring goes by."""
        return Options(
            error_ratio=self.error_ratio,
            late_after_seconds=self.late_after_seconds,
            ledger_days=self.ledger_days,
            minute_seconds=self.minute_seconds,
        )
