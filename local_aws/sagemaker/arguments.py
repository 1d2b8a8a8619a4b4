"""Hyperparameters, strings in the API, in the form in which the image's toolkit passes them to a script.

https://github.com/aws/sagemaker-training-toolkit
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

RESERVED_PREFIX = "sagemaker_"
RESERVED = frozenset({"_tuning_objective_metric", "default_user_module_name"})
"""Hyperparameters of the toolkit, which the script does not get: these, and all with ``RESERVED_PREFIX``."""
USED_BY_TOOLKIT = RESERVED | {
    f"{RESERVED_PREFIX}{name}"
    for name in (
        "container_log_level",
        "enable_cloudwatch_metrics",
        "job_name",
        "program",
        "region",
        "s3_output",
        "submit_directory",
    )
}
"""Those that the toolkit itself uses; the others become the framework's parameters."""


def decode(hyperparameters: Mapping[str, str]) -> dict[str, Any]:
    """Each value parsed as JSON, or unchanged if it is not JSON."""
    return {name: _decoded(value) for name, value in hyperparameters.items()}


def for_script(decoded: Mapping[str, Any]) -> dict[str, Any]:
    """The hyperparameters of the script."""
    return {name: value for name, value in decoded.items() if not _is_reserved(name)}


def for_toolkit(decoded: Mapping[str, Any]) -> dict[str, Any]:
    """The hyperparameters of the toolkit."""
    return {name: value for name, value in decoded.items() if _is_reserved(name)}


def for_framework(decoded: Mapping[str, Any]) -> dict[str, Any]:
    """The hyperparameters that the toolkit passes on to the framework."""
    return {name: value for name, value in for_toolkit(decoded).items() if name not in USED_BY_TOOLKIT}


def command_line(script_parameters: Mapping[str, Any]) -> list[str]:
    """Arguments sorted by name: ``--name value``, or ``-n value`` for a name of one letter.

    Values are ``str()`` of the decoded JSON: ``true`` becomes ``True``, and null an empty string.
    """
    arguments: list[str] = []
    for name in sorted(script_parameters):
        arguments += [f"--{name}" if len(name) > 1 else f"-{name}", _argument(script_parameters[name])]
    return arguments


def _is_reserved(name: str) -> bool:
    return name in RESERVED or name.startswith(RESERVED_PREFIX)


def _decoded(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value


def _argument(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return ",".join(f"{key}={value[key]}" for key in sorted(value))
    return str(value)
