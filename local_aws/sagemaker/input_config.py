"""What SageMaker tells a container in ``/opt/ml/input/config`` before it starts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

HOST = "algo-1"
"""How SageMaker calls the first (here: the only) instance of a job."""
NETWORK_INTERFACE = "eth0"
GROUP = "homogeneousCluster"
"""How it calls the only group of instances."""


def resources(instance_type: str) -> dict[str, Any]:
    """``resourceconfig.json``: who trains together."""
    return {
        "current_host": HOST,
        "current_instance_type": instance_type,
        "current_group_name": GROUP,
        "hosts": [HOST],
        "instance_groups": [{"instance_group_name": GROUP, "instance_type": instance_type, "hosts": [HOST]}],
        "network_interface_name": NETWORK_INTERFACE,
    }


def channels(input_data: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """``inputdataconfig.json``: facts of each channel of a request's ``InputDataConfig``, by its name."""
    usual = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}
    return {
        str(each["ChannelName"]): usual | ({"ContentType": str(each["ContentType"])} if each.get("ContentType") else {})
        for each in input_data
    }


def write(folder: Path, request: Mapping[str, Any]) -> None:
    """Write the three files that every container finds, for a request of CreateTrainingJob."""
    folder.mkdir(parents=True)
    files = {
        "hyperparameters.json": request.get("HyperParameters") or {},  # as they came: every value is a string
        "inputdataconfig.json": channels(request.get("InputDataConfig") or []),
        "resourceconfig.json": resources(str(request["ResourceConfig"].get("InstanceType", ""))),
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
