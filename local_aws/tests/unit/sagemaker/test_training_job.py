"""The record of a training job."""

from __future__ import annotations

from local_aws.sagemaker.names import Scope
from local_aws.sagemaker.training_job import TrainingJob

SCOPE = Scope("000000000000", "us-east-1")


def test_stopped_job_has_same_story_in_api_and_events() -> None:
    # given a job
    job = TrainingJob("J", SCOPE.arn("training-job", "J"), {"RoleArn": "role", "HyperParameters": {"a": "1"}})
    # when it is stopped while it trains
    for step in ("Downloading", "Training", "Stopping", "Uploading", "Stopped"):
        job.enter(step)
        assert job.status == {"Stopping": "Stopping", "Uploading": "Stopping", "Stopped": "Stopped"}.get(
            step, "InProgress"
        )
    # then its description and its event agree
    described, event = job.description(), job.event({"k": "v"})
    assert described["TrainingEndTime"] == described["SecondaryStatusTransitions"][-1]["EndTime"]
    assert event["CreationTime"] == str(int(described["CreationTime"] * 1000))
    assert event["HyperParameters"] == {"a": "1"}
    assert event["Tags"] == {"k": "v"}
