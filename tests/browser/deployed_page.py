"""A deployed stack with data, and ``dwell board``, which shows its page."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3

from dwell.local import emulator_process as local
from rounds import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_cloudwatch.type_defs import MetricDatumTypeDef

    from dwell.client.stack import Stack
    from tests.sample_history import SampleHistory

ROOT = local.ROOT
SCREENSHOTS = ROOT / "build" / "browser"
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"
"""A hostile text for fields that people write."""


@dataclass(frozen=True)
class DeployedPage:
    """A deployed stack with a history, and the URL at which ``dwell board`` shows its page."""

    laptop: local.Laptop
    stack: Stack
    history: SampleHistory
    url: str

    def widget(self, **context: Any) -> str:
        """Return the widget for the event in ``events/dashboard-widget.json``, with the last 3 hours as its range."""
        event = json.loads((ROOT / "events" / "dashboard-widget.json").read_text())
        now = int(datetime.now(UTC).timestamp() * 1_000)
        event["widgetContext"]["timeRange"] = {"mode": "relative", "start": now - 10_800_000, "end": now}
        event["widgetContext"] |= context
        response = self.laptop.client("lambda").invoke(
            FunctionName=f"{self.stack.name}-leaderboard", Payload=json.dumps(event).encode()
        )
        assert "FunctionError" not in response
        return str(json.loads(response["Payload"].read()))


def fill_stack(history: SampleHistory, stack: Stack) -> None:
    """Write the history's records and metrics, and a decision and a rejection reason with hostile texts."""
    store = Store(boto3.resource("dynamodb").Table(stack.table))
    records = history.records()
    for record in records:
        assert store.create(record)
    decision = next(record for record in records if record.kind == "decision")
    store.create(decision.model_copy(update={"name": f"{decision.name}!", "facts": {"note": HOSTILE}}))
    cloudwatch = boto3.client("cloudwatch")
    data: list[MetricDatumTypeDef] = [
        {
            "MetricName": count.metric,
            "Dimensions": [
                {"Name": name, "Value": value} for name, value in {"service": stack.name, **count.dimensions}.items()
            ],
            "Timestamp": count.at,
            "Value": count.value,
            "StorageResolution": 1,
        }
        for count in history.counts()
    ]
    hostile = {"service": stack.name, "reason": HOSTILE}
    data.append(
        {
            "MetricName": "RefusedSamples",
            "Dimensions": [{"Name": name, "Value": value} for name, value in hostile.items()],
            "Timestamp": history.at(0.9),
            "Value": 2,
            "StorageResolution": 1,
        }
    )
    for start in range(0, len(data), 500):
        cloudwatch.put_metric_data(Namespace="Dwell", MetricData=data[start : start + 500])
    # the alarm's action triggers a round, which is refused: a decision made by the deployed function
    cloudwatch.set_alarm_state(AlarmName=f"{stack.name}-ModelError", StateValue="ALARM", StateReason="set by a test")


@contextlib.contextmanager
def run_board_command(stack: Stack) -> Iterator[str]:
    """Run ``dwell board`` and yield the URL that it prints; end it with Ctrl-C."""
    with subprocess.Popen(
        [str(ROOT / ".venv" / "bin" / "python"), "-m", "dwell", "board", "--stack", stack.name],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        # processes that a shell starts in the background ignore Ctrl-C, and so would this child
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 (there are no threads yet)
    ) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert "http://127.0.0.1:" in line, line
            yield line.split()[-1]
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=20)
        assert process.returncode == 0
