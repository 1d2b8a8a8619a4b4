"""A training job: what was asked for, where it stands, and how the API and its events tell that."""

from __future__ import annotations

import threading
import time
from typing import Any

MESSAGES = {
    "Starting": "Launching requested ML instances",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Uploading": "Uploading generated training model",
    "Stopping": "Stopping the training job",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
}
"""What each secondary status says about itself."""

PRIMARY = {
    "Completed": "Completed",
    "Failed": "Failed",
    "Stopping": "Stopping",
    "Stopped": "Stopped",
    "MaxRuntimeExceeded": "Stopped",
}
"""The status that goes with a secondary one, where that is not ``InProgress``."""

TERMINAL = frozenset({"Completed", "Failed", "Stopped"})

_ECHOED = (
    "HyperParameters",
    "AlgorithmSpecification",
    "RoleArn",
    "InputDataConfig",
    "OutputDataConfig",
    "ResourceConfig",
    "StoppingCondition",
)


class TrainingJob:
    """The record of one job. Its own thread moves it on while the API reads it."""

    def __init__(self, name: str, arn: str, request: dict[str, Any]) -> None:
        self.name, self.arn, self.request = name, arn, request
        self.status = "InProgress"
        self.secondary = "Starting"
        self.failure_reason: str | None = None
        self.artifacts: str | None = None
        self.created = self.modified = time.time()
        self.started: float | None = None
        self.ended: float | None = None
        self.stop_requested = threading.Event()
        self._lock = threading.Lock()
        self._transitions: list[dict[str, Any]] = []
        self.enter("Starting")

    def enter(self, secondary: str, *, failure_reason: str | None = None) -> None:
        """Move to a secondary status, and to the status that goes with it."""
        now = time.time()
        with self._lock:
            stopping = self.status == "Stopping"
            self.secondary = secondary
            # a job that is being stopped still uploads, and says so only in its secondary status
            self.status = PRIMARY.get(secondary, "Stopping" if stopping else "InProgress")
            self.modified = now
            if secondary == "Downloading":
                self.started = now
            if self.status in TERMINAL:
                self.ended = now
                self.failure_reason = failure_reason[:1024] if failure_reason else None
            if self._transitions:
                self._transitions[-1]["EndTime"] = now
            self._transitions.append(
                {"Status": secondary, "StartTime": now, "StatusMessage": failure_reason or MESSAGES[secondary]}
            )
            if self.status in TERMINAL:
                self._transitions[-1]["EndTime"] = now

    def seconds(self) -> int:
        """Whole seconds on an instance so far, or in all."""
        if self.started is None:
            return 0
        return max(1, round((self.ended or time.time()) - self.started))

    def description(self) -> dict[str, Any]:
        """The answer of DescribeTrainingJob; times are seconds since 1970."""
        with self._lock:
            answer = {
                "TrainingJobName": self.name,
                "TrainingJobArn": self.arn,
                "ModelArtifacts": {"S3ModelArtifacts": self.artifacts} if self.artifacts else None,
                "TrainingJobStatus": self.status,
                "SecondaryStatus": self.secondary,
                "FailureReason": self.failure_reason,
                **{field: self.request.get(field) for field in _ECHOED},
                "Environment": self.request.get("Environment"),
                "CreationTime": self.created,
                "TrainingStartTime": self.started,
                "TrainingEndTime": self.ended,
                "LastModifiedTime": self.modified,
                "SecondaryStatusTransitions": [dict(each) for each in self._transitions],
                "EnableNetworkIsolation": bool(self.request.get("EnableNetworkIsolation")),
                "EnableInterContainerTrafficEncryption": False,
                "EnableManagedSpotTraining": False,
                "TrainingTimeInSeconds": self.seconds() if self.started else None,
                "BillableTimeInSeconds": self.seconds() if self.ended and self.started else None,
            }
        return {field: value for field, value in answer.items() if value is not None}

    def summary(self) -> dict[str, Any]:
        """One entry of ListTrainingJobs."""
        fields = ("TrainingJobName", "TrainingJobArn", "CreationTime", "TrainingEndTime", "LastModifiedTime")
        described = self.description()
        return {field: described[field] for field in (*fields, "TrainingJobStatus") if field in described}

    def event(self, tags: dict[str, str]) -> dict[str, Any]:
        """The detail of a state change's event: times are milliseconds in strings; no artifacts."""
        described = self.description()
        detail: dict[str, Any] = {
            field: described.get(field)
            for field in ("TrainingJobName", "TrainingJobArn", "TrainingJobStatus", "SecondaryStatus", *_ECHOED)
        }
        for field in ("CreationTime", "TrainingStartTime", "TrainingEndTime", "LastModifiedTime"):
            if field in described:
                detail[field] = milliseconds(described[field])
        detail["SecondaryStatusTransitions"] = [
            {
                field: value if field in ("Status", "StatusMessage") else int(value * 1000)
                for field, value in each.items()
            }
            for each in described["SecondaryStatusTransitions"]
        ]
        detail["FailureReason"] = described.get("FailureReason")
        return {field: value for field, value in detail.items() if value is not None} | {"Tags": tags}


def milliseconds(seconds: float) -> str:
    """A time as SageMaker's training events carry it."""
    return str(int(seconds * 1000))
