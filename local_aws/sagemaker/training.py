"""Operations on training jobs."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from local_aws.sagemaker import listing, state_events, training_request
from local_aws.sagemaker.errors import ApiError, invalid
from local_aws.sagemaker.names import Scope, parse_name
from local_aws.sagemaker.role_access import require_role
from local_aws.sagemaker.training_job import TERMINAL, TrainingJob
from local_aws.sagemaker.training_run import TrainingRun

if TYPE_CHECKING:
    from local_aws.sagemaker.state_events import StateEvents
    from local_aws.sagemaker.tags import Tags


class Training:
    """All training jobs, by ARN."""

    def __init__(self, tags: Tags, events: StateEvents) -> None:
        self._jobs: dict[str, TrainingJob] = {}
        self._tags, self._state_events = tags, events

    def create(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """CreateTrainingJob: check and store the request, start the job in a thread, return at once."""
        name = parse_name(request, "TrainingJobName")
        arn = scope.arn("training-job", name)
        if arn in self._jobs:
            raise ApiError(
                "ResourceInUse",
                "Training job names must be unique within an AWS account and region, and a training job with this "
                f"name already exists ({arn})",
            )
        require_role(request.get("RoleArn"), arn)
        plan = training_request.parse_request(request)
        self._tags.create(arn, request.get("Tags"))
        job = self._jobs[arn] = TrainingJob(name, arn, request)

        def on_change() -> None:
            self._state_events.send(scope, state_events.TRAINING, job.event(self._tags.get(arn)), arn)

        on_change()
        run = TrainingRun(job, plan, region=scope.region, on_change=on_change)
        threading.Thread(target=run.run, daemon=True, name=f"sagemaker-{name}").start()
        return {"TrainingJobArn": arn}

    def describe(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """DescribeTrainingJob."""
        return self._job(scope, request).description()

    def list(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """ListTrainingJobs."""
        prefix = scope.arn("training-job", "")
        summaries = [job.summary() for arn, job in self._jobs.items() if arn.startswith(prefix)]
        return listing.page(summaries, request, kind="TrainingJob", member="TrainingJobSummaries")

    def stop(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """StopTrainingJob: the script gets SIGTERM, and SIGKILL after 120 s."""
        job = self._job(scope, request)
        if job.status in TERMINAL:
            raise invalid(f"The request was rejected because the training job is in status {job.status}.")
        job.enter("Stopping")
        self._state_events.send(scope, state_events.TRAINING, job.event(self._tags.get(job.arn)), job.arn)
        job.stop_requested.set()
        return {}

    def _job(self, scope: Scope, request: dict[str, Any]) -> TrainingJob:
        job = self._jobs.get(scope.arn("training-job", parse_name(request, "TrainingJobName")))
        if job is None:
            raise invalid("Requested resource not found.")
        return job
