"""SageMaker: jobs, models, the registry and one endpoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.unit.fake_aws.requests import NOW, Steps, make_client_error, validate_request

if TYPE_CHECKING:
    from datetime import datetime

ENDPOINT = "dwell"

_CHANGING = {"Creating", "Updating", "RollingBack", "Deleting"}


@dataclass(slots=True)
class FakeSageMaker:
    """Jobs, models, configurations and one endpoint, which change only when a test says so."""

    steps: Steps
    now: datetime = NOW
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    configurations: dict[str, dict[str, Any]] = field(default_factory=dict)
    endpoint: dict[str, Any] | None = None
    pending: str | None = None
    deployments: list[str] = field(default_factory=list)
    """The configurations that the endpoint was created with or updated to, in order."""
    packages: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The model registry: descriptions by ARN."""
    rollouts: list[dict[str, Any] | None] = field(default_factory=list)
    """How the traffic was to move, for each of them."""

    def create_training_job(self, **parameters: Any) -> dict[str, Any]:
        validate_request("sagemaker", "CreateTrainingJob", parameters)

        def create() -> dict[str, Any]:
            name = parameters["TrainingJobName"]
            if name in self.jobs:
                raise make_client_error("CreateTrainingJob", "ResourceInUse", "Training job names must be unique")
            self.jobs[name] = {
                **parameters,
                "TrainingJobStatus": "InProgress",
                "SecondaryStatus": "Starting",
                "CreationTime": self.now,
            }
            return {"TrainingJobArn": name}

        return self.steps.take(create)

    def end_job(self, name: str, status: str, at: datetime, *, reason: str | None = None) -> None:
        job = self.jobs[name]
        job |= {"TrainingJobStatus": status, "SecondaryStatus": status, "TrainingEndTime": at, "LastModifiedTime": at}
        if reason is not None:
            job["FailureReason"] = reason
        job["ModelArtifacts"] = {
            "S3ModelArtifacts": f"{job['OutputDataConfig']['S3OutputPath']}/{name}/output/model.tar.gz"
        }

    def describe_training_job(self, **parameters: Any) -> dict[str, Any]:
        validate_request("sagemaker", "DescribeTrainingJob", parameters)
        return self.steps.take(
            lambda: self._get(self.jobs, parameters["TrainingJobName"], "Requested resource not found.")
        )

    def describe_model(self, **parameters: Any) -> dict[str, Any]:
        validate_request("sagemaker", "DescribeModel", parameters)
        return self.steps.take(lambda: self._get(self.models, parameters["ModelName"], "Could not find model"))

    def describe_endpoint_config(self, **parameters: Any) -> dict[str, Any]:
        validate_request("sagemaker", "DescribeEndpointConfig", parameters)
        name = parameters["EndpointConfigName"]
        return self.steps.take(lambda: self._get(self.configurations, name, "Could not find endpoint configuration"))

    def describe_endpoint(self, **parameters: Any) -> dict[str, Any]:
        validate_request("sagemaker", "DescribeEndpoint", parameters)
        assert parameters["EndpointName"] == ENDPOINT
        known = {} if self.endpoint is None else {ENDPOINT: self.endpoint}
        return self.steps.take(lambda: self._get(known, ENDPOINT, f'Could not find endpoint "{ENDPOINT}".'))

    @staticmethod
    def _get(of: dict[str, dict[str, Any]], name: str, absent: str) -> dict[str, Any]:
        if name not in of:
            raise make_client_error("Describe", "ValidationException", absent)
        return dict(of[name])

    def create_model(self, **parameters: Any) -> dict[str, Any]:
        validate_request("sagemaker", "CreateModel", parameters)
        return self.steps.take(lambda: self._create(self.models, parameters["ModelName"], parameters))

    def create_endpoint_config(self, **parameters: Any) -> dict[str, Any]:
        validate_request("sagemaker", "CreateEndpointConfig", parameters)
        assert parameters["ProductionVariants"][0]["ModelName"] in self.models
        return self.steps.take(lambda: self._create(self.configurations, parameters["EndpointConfigName"], parameters))

    @staticmethod
    def _create(of: dict[str, dict[str, Any]], name: str, parameters: dict[str, Any]) -> dict[str, Any]:
        if name in of:
            raise make_client_error("Create", "ValidationException", f"Cannot create already existing {name}")
        of[name] = parameters
        return {}

    def create_model_package(self, **parameters: Any) -> dict[str, Any]:
        """The next version, or for a token that was seen before, the same once more."""
        validate_request("sagemaker", "CreateModelPackage", parameters)

        def create() -> dict[str, Any]:
            for arn, package in self.packages.items():
                if package["ClientToken"] == parameters["ClientToken"]:
                    return {"ModelPackageArn": arn}
            group = parameters["ModelPackageGroupName"]
            arn = f"arn:aws:sagemaker:us-east-1:123456789012:model-package/{group}/{len(self.packages) + 1}"
            self.packages[arn] = {**parameters, "ModelPackageArn": arn}
            return {"ModelPackageArn": arn}

        return self.steps.take(create)

    def describe_model_package(self, **parameters: Any) -> dict[str, Any]:
        validate_request("sagemaker", "DescribeModelPackage", parameters)
        return self.steps.take(lambda: self._get(self.packages, parameters["ModelPackageName"], "does not exist"))

    def create_endpoint(self, **parameters: Any) -> dict[str, Any]:
        validate_request("sagemaker", "CreateEndpoint", parameters)
        assert parameters["EndpointConfigName"] in self.configurations

        def create() -> dict[str, Any]:
            if self.endpoint is not None:
                raise make_client_error(
                    "CreateEndpoint", "ValidationException", "Cannot create already existing endpoint"
                )
            self.endpoint = {
                "EndpointName": ENDPOINT,
                "EndpointConfigName": parameters["EndpointConfigName"],
                "EndpointStatus": "Creating",
                "CreationTime": self.now,
                "LastModifiedTime": self.now,
            }
            self.deployments.append(parameters["EndpointConfigName"])
            self.rollouts.append(parameters.get("DeploymentConfig"))
            return {}

        return self.steps.take(create)

    def update_endpoint(self, **parameters: Any) -> dict[str, Any]:
        validate_request("sagemaker", "UpdateEndpoint", parameters)
        assert parameters["EndpointConfigName"] in self.configurations

        def update() -> dict[str, Any]:
            if self.endpoint is None or self.endpoint["EndpointStatus"] in {*_CHANGING, "Failed"}:
                raise make_client_error("UpdateEndpoint", "ValidationException", "Cannot update in-progress endpoint")
            self.endpoint |= {"EndpointStatus": "Updating", "LastModifiedTime": self.now}
            self.pending = parameters["EndpointConfigName"]
            self.endpoint["PendingDeploymentSummary"] = {"EndpointConfigName": self.pending}
            self.deployments.append(parameters["EndpointConfigName"])
            self.rollouts.append(parameters.get("DeploymentConfig"))
            return {}

        return self.steps.take(update)

    def delete_endpoint(self, **parameters: Any) -> dict[str, Any]:
        validate_request("sagemaker", "DeleteEndpoint", parameters)

        def delete() -> dict[str, Any]:
            if self.endpoint is None:
                raise make_client_error(
                    "DeleteEndpoint", "ValidationException", f'Could not find endpoint "{ENDPOINT}".'
                )
            self.endpoint |= {"EndpointStatus": "Deleting", "LastModifiedTime": self.now}
            return {}

        return self.steps.take(delete)

    def settle(self, at: datetime, *, fail: str | None = None) -> None:
        """The endpoint ends its change: well, or as AWS fails it (a creation is Failed, an update rolls back)."""
        assert self.endpoint is not None
        creating = self.endpoint["EndpointStatus"] == "Creating"
        self.endpoint.pop("PendingDeploymentSummary", None)
        self.endpoint["LastModifiedTime"] = at
        self.endpoint["EndpointStatus"] = "Failed" if fail and creating else "InService"
        if fail:
            self.endpoint["FailureReason"] = fail
        else:
            self.endpoint.pop("FailureReason", None)
            self.endpoint["EndpointConfigName"] = self.pending or self.endpoint["EndpointConfigName"]
        self.pending = None
