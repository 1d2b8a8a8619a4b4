"""The environment variables of a training script, as the image's toolkit sets them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dwell.local.emulator.sagemaker import arguments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

HOST = "algo-1"
"""How SageMaker calls the first (here: the only) instance of a job."""


@dataclass(frozen=True, slots=True)
class Folders:
    """What is ``/opt/ml`` in a container, as a folder of this machine."""

    base: Path

    @property
    def input_data(self) -> Path:
        """One folder for each channel."""
        return self.base / "input" / "data"

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
        "SM_NUM_CPUS": os.cpu_count() or 1,
        "SM_NUM_GPUS": 0,
        "SM_LOG_LEVEL": 20,
        "SM_CHANNELS": sorted(channels),
        "SM_HPS": script,
        "SM_FRAMEWORK_PARAMS": toolkit,
        "SM_USER_ENTRY_POINT": program,
        "SM_USER_ARGS": arguments.command_line(script),
        "SM_MODULE_NAME": module,
        "SM_MODULE_DIR": str(toolkit["sagemaker_submit_directory"]),
        "SM_MODEL_DIR": str(folders.model),
        "SM_INPUT_DIR": str(folders.base / "input"),
        "SM_INPUT_CONFIG_DIR": str(folders.base / "input" / "config"),
        "SM_INPUT_DATA_CONFIG": {str(each["ChannelName"]): _channel_facts(each) for each in input_data},
        "SM_RESOURCE_CONFIG": {"current_host": HOST, "hosts": [HOST], "current_instance_type": instance_type},
        "SM_OUTPUT_DIR": str(folders.output),
        "SM_OUTPUT_DATA_DIR": str(folders.output_data),
        "SM_OUTPUT_INTERMEDIATE_DIR": str(folders.output / "intermediate"),
        **{f"SM_CHANNEL_{name.upper()}": str(folders.input_data / name) for name in channels},
        **{f"SM_HP_{name.upper()}": value for name, value in script.items()},
    }
    together = {
        "channel_input_dirs": {name: str(folders.input_data / name) for name in channels},
        "current_host": HOST,
        "hosts": [HOST],
        "hyperparameters": script,
        "job_name": job,
        "model_dir": str(folders.model),
        "module_name": module,
        "num_cpus": values["SM_NUM_CPUS"],
        "num_gpus": 0,
        "output_data_dir": str(folders.output_data),
        "user_entry_point": program,
    }
    return {
        **{name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()},
        "SM_TRAINING_ENV": json.dumps(together),
        "TRAINING_JOB_NAME": job,
        "TRAINING_JOB_ARN": arn,
        "AWS_REGION": region,
    }


def _channel_facts(raw: Mapping[str, Any]) -> dict[str, str]:
    facts = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}
    return facts | ({"ContentType": str(raw["ContentType"])} if raw.get("ContentType") else {})
