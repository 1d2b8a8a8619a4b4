"""The files in ``/opt/ml/input/config``, which describe the job to its container.

https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

HOST = "algo-1"
"""The name of the first (here: the only) instance of a job."""
NETWORK_INTERFACE = "eth0"
GROUP = "homogeneousCluster"
"""The name of the only group of instances."""


def resources(instance_type: str) -> dict[str, Any]:
    """The content of ``resourceconfig.json``: the job's instances."""
    return {
        "current_host": HOST,
        "current_instance_type": instance_type,
        "current_group_name": GROUP,
        "hosts": [HOST],
        "instance_groups": [{"instance_group_name": GROUP, "instance_type": instance_type, "hosts": [HOST]}],
        "network_interface_name": NETWORK_INTERFACE,
    }


def channels(input_data: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """The content of ``inputdataconfig.json``: properties of each channel, by its name."""
    defaults = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}
    return {
        str(channel["ChannelName"]): defaults
        | ({"ContentType": str(channel["ContentType"])} if channel.get("ContentType") else {})
        for channel in input_data
    }


def write(folder: Path, request: Mapping[str, Any]) -> None:
    """Write the three files for a CreateTrainingJob request into a new ``folder``."""
    folder.mkdir(parents=True)
    files = {
        "hyperparameters.json": request.get("HyperParameters") or {},  # not decoded: every value is a string
        "inputdataconfig.json": channels(request.get("InputDataConfig") or []),
        "resourceconfig.json": resources(str(request["ResourceConfig"].get("InstanceType", ""))),
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
