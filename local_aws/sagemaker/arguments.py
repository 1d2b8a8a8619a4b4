"""Hyperparameters (strings in the API) as the image's toolkit hands them to a script."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

RESERVED_PREFIX = "sagemaker_"
RESERVED = frozenset({"_tuning_objective_metric", "default_user_module_name"})
"""Hyperparameters that steer the toolkit and do not reach the script: these, and those that begin so."""
KNOWN = RESERVED | {
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
"""Those of them that the toolkit uses up itself; the others are told as the framework's parameters."""


def decode(hyperparameters: Mapping[str, str]) -> dict[str, Any]:
    """Each value as the JSON it is, or as the text it is when it is no JSON."""
    return {name: _decoded(value) for name, value in hyperparameters.items()}


def of_script(decoded: Mapping[str, Any]) -> dict[str, Any]:
    """The hyperparameters that are the script's own."""
    return {name: value for name, value in decoded.items() if not _is_reserved(name)}


def of_toolkit(decoded: Mapping[str, Any]) -> dict[str, Any]:
    """The hyperparameters that are the toolkit's."""
    return {name: value for name, value in decoded.items() if _is_reserved(name)}


def of_framework(decoded: Mapping[str, Any]) -> dict[str, Any]:
    """The hyperparameters that are the toolkit's and that it hands on."""
    return {name: value for name, value in of_toolkit(decoded).items() if name not in KNOWN}


def command_line(script_parameters: Mapping[str, Any]) -> list[str]:
    """Arguments in the order of the names: ``--name value``, or ``-n value`` for a name of one letter.

    Values are Python's text of the decoded JSON: ``true`` becomes ``True``, a list is no JSON any more, null is ``''``.
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
