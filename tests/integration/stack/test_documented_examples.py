"""The examples of the documentation run as they stand there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import boto3
import pytest

from dwell.demo.bucket_contents import BucketContents
from dwell.local.emulator_process import ROOT
from tests.eventually import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from dwell.client.stack import Stack

PAGE = ROOT / "docs" / "robots-and-planners.md"


def examples(page: Path, language: str) -> list[str]:
    """The code blocks of a page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.fixture
def as_a_reader(on_stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """What the page has its reader export."""
    monkeypatch.setenv("API_URL", on_stack.api_url)
    monkeypatch.setenv("SAMPLES_TOPIC_ARN", on_stack.topic_arn)
    return on_stack


@pytest.mark.usefixtures("as_a_reader")
def test_documented_curl_command_gets_a_prediction() -> None:
    (command,) = [text for text in examples(PAGE, "sh") if text.startswith("curl")]
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    (shown,) = examples(PAGE, "json")
    assert json.loads(ran.stdout).keys() == json.loads(shown).keys()


def test_documented_boto3_program_publishes_a_sample(as_a_reader: Stack) -> None:
    (program,) = examples(PAGE, "python")
    storage = BucketContents.create(boto3.Session().client("s3"), as_a_reader.bucket)
    storage.read()
    before = len(storage.samples())
    subprocess.run([sys.executable, "-c", program], check=True)

    def rows() -> int:
        storage.read()
        return len(storage.samples())

    eventually(rows, lambda count: count > before)
    assert "robot-17" in set(storage.samples()["robot_id"])
