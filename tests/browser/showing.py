"""The template with something to see in it, and ``dwell board``, which shows it."""

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
PICTURES = ROOT / "build" / "browser"
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"
"""What somebody could write where a name is asked for."""


@dataclass(frozen=True)
class Shown:
    """A deployed stack with a scene in it, and the address at which ``dwell board`` shows it."""

    laptop: local.Laptop
    stack: Stack
    scene: SampleHistory
    url: str

    def widget(self, **context: Any) -> str:
        """What a dashboard gets that asks as ``events/dashboard-widget.json`` does, now."""
        event = json.loads((ROOT / "events" / "dashboard-widget.json").read_text())
        now = int(datetime.now(UTC).timestamp() * 1_000)
        event["widgetContext"]["timeRange"] = {"mode": "relative", "start": now - 10_800_000, "end": now}
        event["widgetContext"] |= context
        answer = self.laptop.client("lambda").invoke(
            FunctionName=f"{self.stack.name}-leaderboard", Payload=json.dumps(event).encode()
        )
        assert "FunctionError" not in answer
        return str(json.loads(answer["Payload"].read()))


def put(scene: SampleHistory, stack: Stack) -> None:
    """The scene's records and counts, and a decision and a refusal that somebody named with bad intent."""
    store = Store(boto3.resource("dynamodb").Table(stack.table))
    records = scene.records()
    for record in records:
        assert store.create(record)
    decision = next(one for one in records if one.kind == "decision")
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
        for count in scene.counts()
    ]
    hostile = {"service": stack.name, "reason": HOSTILE}
    data.append(
        {
            "MetricName": "RefusedSamples",
            "Dimensions": [{"Name": name, "Value": value} for name, value in hostile.items()],
            "Timestamp": scene.at(0.9),
            "Value": 2,
            "StorageResolution": 1,
        }
    )
    for start in range(0, len(data), 500):
        cloudwatch.put_metric_data(Namespace="Dwell", MetricData=data[start : start + 500])
    # its action asks for a round, which is refused: a decision as it is really made
    cloudwatch.set_alarm_state(
        AlarmName=f"{stack.name}-ModelError", StateValue="ALARM", StateReason="a test wants to see it on"
    )


@contextlib.contextmanager
def board(stack: Stack) -> Iterator[str]:
    """``dwell board`` as an operator calls it; the address that it prints. Ctrl-C ends it."""
    with subprocess.Popen(
        [str(ROOT / ".venv" / "bin" / "python"), "-m", "dwell", "board", "--stack", stack.name],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        # a shell lets what it starts in the background ignore Ctrl-C, and these tests with it
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 (no threads run here yet)
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
