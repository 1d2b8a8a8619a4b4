"""The environment variables of a training script, as the image's toolkit sets them.

https://github.com/aws/sagemaker-training-toolkit/blob/master/ENVIRONMENT_VARIABLES.md
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local_aws.sagemaker import arguments, input_config
from local_aws.sagemaker.input_config import HOST

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


FRAMEWORK_MODULE = "sagemaker_xgboost_container.training:main"
"""The module of the image that its toolkit starts."""

_IN_TRAINING_ENV = (
    "current_host",
    "framework_module",
    "hosts",
    "input_config_dir",
    "input_data_config",
    "input_dir",
    "log_level",
    "model_dir",
    "module_dir",
    "module_name",
    "network_interface_name",
    "num_cpus",
    "num_gpus",
    "output_data_dir",
    "output_dir",
    "output_intermediate_dir",
    "resource_config",
    "user_entry_point",
)
"""Variables that ``SM_TRAINING_ENV`` contains, too."""


@dataclass(frozen=True, slots=True)
class Folders:
    """The folder that takes the place of ``/opt/ml`` in a container.

    https://docs.aws.amazon.com/sagemaker/latest/dg/amazon-sagemaker-toolkits.html
    """

    base: Path

    @property
    def input_data(self) -> Path:
        """A folder for each channel."""
        return self.base / "input" / "data"

    @property
    def input_config(self) -> Path:
        """SageMaker's description of the job."""
        return self.base / "input" / "config"

    @property
    def model(self) -> Path:
        """The content of ``model.tar.gz``."""
        return self.base / "model"

    @property
    def output(self) -> Path:
        """The folder of the file ``failure``."""
        return self.base / "output"

    @property
    def output_data(self) -> Path:
        """The content of ``output.tar.gz``; the script creates it."""
        return self.base / "output" / "data"

    @property
    def code(self) -> Path:
        """The script and the other files of its archive."""
        return self.base / "code"

    def to_local(self, path: str) -> str:
        """The local path for a container's path below ``/opt/ml/``; other paths are returned unchanged."""
        return str(self.base) + path.removeprefix("/opt/ml") if path.startswith("/opt/ml/") else path


def for_process(folders: Folders, site: Path, job_environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of every process in a container: none of this process's own, and no package index."""
    temporary = folders.base.parent / "tmp"
    return {
        "PATH": os.defpath,
        "HOME": str(folders.base.parent),
        "TMPDIR": str(temporary),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(site),
        "PIP_NO_INDEX": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
        # a job shares this machine's cores with everything else that is emulated; idle threads must not spin
        "OMP_WAIT_POLICY": "PASSIVE",
        **job_environment,
    }


def for_training(
    folders: Folders,
    *,
    job: str,
    arn: str,
    region: str,
    hyperparameters: Mapping[str, Any],
    input_data: Sequence[Mapping[str, Any]],
    instance_type: str,
) -> dict[str, str]:
    """``SM_*`` and the job's name; ``hyperparameters`` are decoded, ``input_data`` is ``InputDataConfig``."""
    script = arguments.for_script(hyperparameters)
    toolkit = arguments.for_toolkit(hyperparameters)
    channels = [str(channel["ChannelName"]) for channel in input_data]
    program = str(toolkit["sagemaker_program"])
    module = program.removesuffix(".py")
    values: dict[str, Any] = {
        "SM_HOSTS": [HOST],
        "SM_CURRENT_HOST": HOST,
        "SM_CURRENT_INSTANCE_TYPE": instance_type,
        "SM_NETWORK_INTERFACE_NAME": input_config.NETWORK_INTERFACE,
        "SM_FRAMEWORK_MODULE": FRAMEWORK_MODULE,
        "SM_NUM_CPUS": os.cpu_count() or 1,
        "SM_NUM_GPUS": 0,
        "SM_LOG_LEVEL": toolkit.get("sagemaker_container_log_level", 20),
        "SM_CHANNELS": sorted(channels),
        "SM_HPS": script,
        "SM_FRAMEWORK_PARAMS": arguments.for_framework(hyperparameters),
        "SM_USER_ENTRY_POINT": program,
        "SM_USER_ARGS": arguments.command_line(script),
        "SM_MODULE_NAME": module,
        "SM_MODULE_DIR": str(toolkit["sagemaker_submit_directory"]),
        "SM_MODEL_DIR": str(folders.model),
        "SM_INPUT_DIR": str(folders.base / "input"),
        "SM_INPUT_CONFIG_DIR": str(folders.input_config),
        "SM_INPUT_DATA_CONFIG": input_config.channels(input_data),
        "SM_RESOURCE_CONFIG": input_config.resources(instance_type),
        "SM_OUTPUT_DIR": str(folders.output),
        "SM_OUTPUT_DATA_DIR": str(folders.output_data),
        "SM_OUTPUT_INTERMEDIATE_DIR": str(folders.output / "intermediate"),
        **{f"SM_CHANNEL_{name.upper()}": str(folders.input_data / name) for name in channels},
        **{f"SM_HP_{name.upper()}": value for name, value in script.items()},
    }
    training_env = {
        "additional_framework_parameters": values["SM_FRAMEWORK_PARAMS"],
        "channel_input_dirs": {name: str(folders.input_data / name) for name in channels},
        "hyperparameters": script,
        "is_master": True,
        "job_name": job,
        "master_hostname": HOST,
        **{name: values[f"SM_{name.upper()}"] for name in _IN_TRAINING_ENV},
    }
    return {
        **{name: _text(value) for name, value in values.items()},
        "SM_TRAINING_ENV": _text(training_env),
        **for_job(job=job, arn=arn, region=region),
    }


def _text(value: Any) -> str:
    """A variable's text: strings unchanged, empty for null, otherwise compact JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))


def for_job(*, job: str, arn: str, region: str) -> dict[str, str]:
    """The variables that SageMaker sets in every training container."""
    return {"TRAINING_JOB_NAME": job, "TRAINING_JOB_ARN": arn, "AWS_REGION": region}
