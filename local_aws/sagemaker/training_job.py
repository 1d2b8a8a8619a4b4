"""The record of a training job, and its description in the API and in events."""

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
"""The message of each secondary status."""

PRIMARY = {
    "Completed": "Completed",
    "Failed": "Failed",
    "Stopping": "Stopping",
    "Stopped": "Stopped",
    "MaxRuntimeExceeded": "Stopped",
}
"""The status for a secondary status, if it is not ``InProgress``."""

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
    """The record of a job, which its thread changes while the API reads it."""

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
        """Set the secondary status and the status that belongs to it."""
        now = time.time()
        with self._lock:
            stopping = self.status == "Stopping"
            self.secondary = secondary
            # a job that is being stopped still uploads: only its secondary status shows it
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
        """Whole seconds on an instance, up to now or to the end."""
        if self.started is None:
            return 0
        return max(1, round((self.ended or time.time()) - self.started))

    def description(self) -> dict[str, Any]:
        """The response of DescribeTrainingJob; times are epoch seconds."""
        with self._lock:
            members = {
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
                "SecondaryStatusTransitions": [dict(transition) for transition in self._transitions],
                "EnableNetworkIsolation": bool(self.request.get("EnableNetworkIsolation")),
                "EnableInterContainerTrafficEncryption": False,
                "EnableManagedSpotTraining": False,
                "TrainingTimeInSeconds": self.seconds() if self.started else None,
                "BillableTimeInSeconds": self.seconds() if self.ended and self.started else None,
            }
        return {field: value for field, value in members.items() if value is not None}

    def summary(self) -> dict[str, Any]:
        """An element of ListTrainingJobs."""
        fields = ("TrainingJobName", "TrainingJobArn", "CreationTime", "TrainingEndTime", "LastModifiedTime")
        described = self.description()
        return {field: described[field] for field in (*fields, "TrainingJobStatus") if field in described}

    def event(self, tags: dict[str, str]) -> dict[str, Any]:
        """The detail of the event of a state change: times are milliseconds in strings; there are no artifacts."""
        described = self.description()
        detail: dict[str, Any] = {
            field: described.get(field)
            for field in ("TrainingJobName", "TrainingJobArn", "TrainingJobStatus", "SecondaryStatus", *_ECHOED)
        }
        for field in ("CreationTime", "TrainingStartTime", "TrainingEndTime", "LastModifiedTime"):
            if field in described:
                detail[field] = format_milliseconds(described[field])
        detail["SecondaryStatusTransitions"] = [
            {
                field: value if field in ("Status", "StatusMessage") else int(value * 1000)
                for field, value in transition.items()
            }
            for transition in described["SecondaryStatusTransitions"]
        ]
        detail["FailureReason"] = described.get("FailureReason")
        return {field: value for field, value in detail.items() if value is not None} | {"Tags": tags}


def format_milliseconds(timestamp: float) -> str:
    """A time in the format of training events."""
    return str(int(timestamp * 1000))
