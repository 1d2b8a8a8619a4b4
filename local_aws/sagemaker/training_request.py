"""Parses and checks CreateTrainingJob requests.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local_aws.sagemaker import arguments, channels
from local_aws.sagemaker.errors import broken_constraint, invalid

if TYPE_CHECKING:
    from local_aws.sagemaker.channels import Channel, Location

IMAGE = "sagemaker-xgboost"
"""The repository of the only image that is emulated."""


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """A valid request, in the form in which the job's thread uses it.

    Either the image's toolkit runs ``program`` out of ``submit_directory``, or the container has an ``entrypoint``.
    """

    channels: tuple[Channel, ...]
    hyperparameters: dict[str, Any]
    entrypoint: tuple[str, ...]
    program: str
    submit_directory: str
    environment: dict[str, str]
    output: Location
    output_key: str | None
    isolated: bool
    max_runtime_seconds: float


def parse_request(request: dict[str, Any]) -> TrainingPlan:
    """Parse a request whose name and role are valid. Raises ``ApiError``."""
    algorithm = _member(request, "AlgorithmSpecification")
    require_image(algorithm.get("TrainingImage"))
    if algorithm.get("MetricDefinitions"):
        # SageMaker's own algorithms include this image, also in script mode
        raise invalid("The metric definitions of SageMaker's own algorithms cannot be overridden: send none.")
    if algorithm.get("TrainingInputMode") != "File":
        raise invalid(f"TrainingInputMode {algorithm.get('TrainingInputMode')} is not emulated; use File.")
    instances = _member(request, "ResourceConfig").get("InstanceCount", 1)
    if instances != 1:
        raise invalid(f"Training on {instances} instances is not emulated; use one.")
    seconds = _member(request, "StoppingCondition").get("MaxRuntimeInSeconds", 86_400)
    if not isinstance(seconds, int) or seconds < 1:
        raise broken_constraint(
            seconds, "stoppingCondition.maxRuntimeInSeconds", "Member must have value greater than or equal to 1"
        )
    output = _member(request, "OutputDataConfig")
    inputs = tuple(channels.parse_channel(channel) for channel in request.get("InputDataConfig") or [])
    if len({channel.name for channel in inputs}) < len(inputs):
        raise invalid("Duplicate channel name found: every channel needs a name of its own.")
    hyperparameters = arguments.decode(_strings(request, "HyperParameters"))
    entrypoint = _entrypoint(algorithm)
    program, submit_directory = (hyperparameters.get(f"sagemaker_{name}") for name in ("program", "submit_directory"))
    if not entrypoint and not (isinstance(program, str) and isinstance(submit_directory, str)):
        raise invalid(
            "Only script mode and ContainerEntrypoint are emulated: the hyperparameters sagemaker_program and "
            "sagemaker_submit_directory must name the script and its archive."
        )
    return TrainingPlan(
        channels=inputs,
        hyperparameters=hyperparameters,
        entrypoint=entrypoint,
        program=str(program or ""),
        submit_directory=str(submit_directory or ""),
        environment=_strings(request, "Environment"),
        output=channels.parse_location(output.get("S3OutputPath"), "outputDataConfig.s3OutputPath"),
        output_key=output.get("KmsKeyId") or None,
        isolated=bool(request.get("EnableNetworkIsolation")),
        max_runtime_seconds=seconds,
    )


def _entrypoint(algorithm: dict[str, Any]) -> tuple[str, ...]:
    """The container's own command; empty for the image's command."""
    command, arguments_ = algorithm.get("ContainerEntrypoint") or [], algorithm.get("ContainerArguments") or []
    if not all(isinstance(part, str) for part in [*command, *arguments_]):
        raise invalid("ContainerEntrypoint and ContainerArguments must be lists of strings.")
    if arguments_ and not command:
        raise invalid("ContainerArguments without ContainerEntrypoint is not emulated.")
    return (*command, *arguments_)


def require_image(image: object) -> None:
    """Raise ``ApiError`` unless ``image`` is emulated."""
    repository = image.rpartition("/")[2].partition(":")[0] if isinstance(image, str) else ""
    if repository != IMAGE:
        raise invalid(f"The image {image} is not emulated; use SageMaker's {IMAGE}.")


def _member(request: dict[str, Any], field: str) -> dict[str, Any]:
    value = request.get(field)
    if not isinstance(value, dict):
        raise broken_constraint(value, field[0].lower() + field[1:], "Member must not be null")
    return value


def _strings(request: dict[str, Any], field: str) -> dict[str, str]:
    values = request.get(field) or {}
    if not all(isinstance(name, str) and isinstance(value, str) for name, value in values.items()):
        raise invalid(f"{field} must map strings to strings.")
    return dict(values)
