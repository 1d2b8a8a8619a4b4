"""The environment variables of a training script, as the image's toolkit sets them."""

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
"""Which of its modules the image's toolkit starts."""

_TOLD_TOGETHER = (
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
"""Variables that ``SM_TRAINING_ENV`` repeats under their own names."""


@dataclass(frozen=True, slots=True)
class Folders:
    """What is ``/opt/ml`` in a container, as a folder of this machine."""

    base: Path

    @property
    def input_data(self) -> Path:
        """One folder for each channel."""
        return self.base / "input" / "data"

    @property
    def input_config(self) -> Path:
        """What SageMaker tells about the job."""
        return self.base / "input" / "config"

    @property
    def model(self) -> Path:
        """What becomes (or comes out of) ``model.tar.gz``."""
        return self.base / "model"

    @property
    def output(self) -> Path:
        """Where ``failure`` is written."""
        return self.base / "output"

    @property
    def output_data(self) -> Path:
        """What becomes ``output.tar.gz``; a script makes it itself."""
        return self.base / "output" / "data"

    @property
    def code(self) -> Path:
        """The script and its siblings."""
        return self.base / "code"

    def here(self, path: str) -> str:
        """A path of the container, ``/opt/ml/...``, as one of this machine; others stay as they are."""
        return str(self.base) + path.removeprefix("/opt/ml") if path.startswith("/opt/ml/") else path


def of_process(folders: Folders, site: Path, job_environment: Mapping[str, str]) -> dict[str, str]:
    """What every process in a container has: nothing of the emulator's own environment, and no package index."""
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
        **job_environment,
    }


def of_training(
    folders: Folders,
    *,
    job: str,
    arn: str,
    region: str,
    hyperparameters: Mapping[str, Any],
    input_data: Sequence[Mapping[str, Any]],
    instance_type: str,
) -> dict[str, str]:
    """``SM_*`` and the job's name, for decoded hyperparameters and the ``InputDataConfig`` of the request."""
    script = arguments.of_script(hyperparameters)
    toolkit = arguments.of_toolkit(hyperparameters)
    channels = [str(each["ChannelName"]) for each in input_data]
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
        "SM_FRAMEWORK_PARAMS": arguments.of_framework(hyperparameters),
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
    together = {
        "additional_framework_parameters": values["SM_FRAMEWORK_PARAMS"],
        "channel_input_dirs": {name: str(folders.input_data / name) for name in channels},
        "hyperparameters": script,
        "is_master": True,
        "job_name": job,
        "master_hostname": HOST,
        **{name: values[f"SM_{name.upper()}"] for name in _TOLD_TOGETHER},
    }
    return {
        **{name: _text(value) for name, value in values.items()},
        "SM_TRAINING_ENV": _text(together),
        **of_job(job=job, arn=arn, region=region),
    }


def _text(value: Any) -> str:
    """A value as a variable holds it: text as it is, nothing for null, else compact JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))


def of_job(*, job: str, arn: str, region: str) -> dict[str, str]:
    """What SageMaker itself gives every container, whatever runs in it."""
    return {"TRAINING_JOB_NAME": job, "TRAINING_JOB_ARN": arn, "AWS_REGION": region}
