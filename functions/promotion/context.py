"""What the promotion function works with."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient

    from promotion.settings import Settings
    from rounds import Store


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Settings, the table, clients, and what time it is."""

    settings: Settings
    store: Store
    s3: S3Client
    sagemaker: SageMakerClient
    cloudwatch: CloudWatchClient
    clock: Callable[[], datetime]
    tell_rolled_back: Callable[[], None] = lambda: None
    """Hears of every model that was taken back; at least once, since an alarm hangs on it."""
    sleep: Callable[[float], None] = time.sleep
