"""Operations on training jobs."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from local_aws.sagemaker import listing, notices, training_request
from local_aws.sagemaker.errors import ApiError, invalid
from local_aws.sagemaker.names import Scope, name_of
from local_aws.sagemaker.role_access import require_role
from local_aws.sagemaker.training_job import TERMINAL, TrainingJob
from local_aws.sagemaker.training_run import TrainingRun

if TYPE_CHECKING:
    from local_aws.sagemaker.notices import Notices
    from local_aws.sagemaker.tags import Tags


class Training:
    """All training jobs of this emulator, by ARN."""

    def __init__(self, tags: Tags, sender: Notices) -> None:
        self._jobs: dict[str, TrainingJob] = {}
        self._tags, self._notices = tags, sender

    def create(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """CreateTrainingJob: check, remember, start. It returns at once."""
        name = name_of(request, "TrainingJobName")
        arn = scope.arn("training-job", name)
        if arn in self._jobs:
            raise ApiError(
                "ResourceInUse",
                "Training job names must be unique within an AWS account and region, and a training job with this "
                f"name already exists ({arn})",
            )
        require_role(request.get("RoleArn"), arn)
        plan = training_request.checked(request)
        self._tags.create(arn, request.get("Tags"))
        job = self._jobs[arn] = TrainingJob(name, arn, request)

        def changed() -> None:
            self._notices.send(scope, notices.TRAINING, job.event(self._tags.of(arn)), arn)

        changed()
        run = TrainingRun(job, plan, region=scope.region, changed=changed)
        threading.Thread(target=run.run, daemon=True, name=f"sagemaker-{name}").start()
        return {"TrainingJobArn": arn}

    def describe(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """DescribeTrainingJob."""
        return self._found(scope, request).description()

    def list(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """ListTrainingJobs."""
        prefix = scope.arn("training-job", "")
        summaries = [job.summary() for arn, job in self._jobs.items() if arn.startswith(prefix)]
        return listing.page(summaries, request, kind="TrainingJob", answer="TrainingJobSummaries")

    def stop(self, scope: Scope, request: dict[str, Any]) -> dict[str, Any]:
        """StopTrainingJob: the script gets SIGTERM, and 120 s."""
        job = self._found(scope, request)
        if job.status in TERMINAL:
            raise invalid(f"The request was rejected because the training job is in status {job.status}.")
        job.enter("Stopping")
        self._notices.send(scope, notices.TRAINING, job.event(self._tags.of(job.arn)), job.arn)
        job.stop_requested.set()
        return {}

    def _found(self, scope: Scope, request: dict[str, Any]) -> TrainingJob:
        job = self._jobs.get(scope.arn("training-job", name_of(request, "TrainingJobName")))
        if job is None:
            raise invalid("Requested resource not found.")
        return job
