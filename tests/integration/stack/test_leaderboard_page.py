"""The leaderboard's page and widget from the deployed function, under its own role, without a browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from dwell.client.signed_api import create_api
from feature_schema import TARGET
from tests.eventually import eventually

if TYPE_CHECKING:
    from dwell.client.stack import Stack

EVENTS = Path(__file__).resolve().parents[3] / "events"


def invoked(stack: Stack, event: dict[str, Any]) -> str:
    """What a dashboard gets."""
    answer: Any = (
        boto3.Session()
        .client("lambda")
        .invoke(FunctionName=f"{stack.name}-leaderboard", Payload=json.dumps(event).encode())
    )
    assert "FunctionError" not in answer, answer["Payload"].read()
    return str(json.loads(answer["Payload"].read()))


def test_page_shows_rejected_lines_and_active_alarms(on_stack: Stack) -> None:
    # given a rejected line, and an alarm that is active and asks for a round
    boto3.Session().client("sns").publish(TopicArn=on_stack.topic_arn, Message="no sample at all")
    cloudwatch = boto3.Session().client("cloudwatch")
    api = create_api(on_stack.api_url, timeout=20)

    def page() -> str:
        # The alarm's next evaluation ends its state, so it is set again each time.
        cloudwatch.set_alarm_state(
            AlarmName=f"{on_stack.name}-ModelError", StateValue="ALARM", StateReason="a test wants to see it on"
        )
        answer = api.get("/?span=1h")
        assert answer.status_code == 200
        return str(answer.text)

    # then all of that is on the page
    shown = ("<bdi>malformed</bdi>", "<bdi>model-error</bdi>", "<bdi>ModelError</bdi> is on")
    html = eventually(page, lambda text: all(part in text for part in shown))
    assert '<span class="chip refuse">refused</span>' in html
    assert TARGET.meaning in html


def test_page_has_a_content_security_policy(on_stack: Stack) -> None:
    headers = create_api(on_stack.api_url, timeout=20).get("/").headers
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")


def test_invalid_query_gets_an_error_page(on_stack: Stack) -> None:
    answer = create_api(on_stack.api_url, timeout=20).get("/?span=soon")
    assert answer.status_code == 400
    assert "span is like 90m, 24h or 7d" in answer.text


@pytest.mark.parametrize(
    ("event", "begins"), [("dashboard-widget", "<style>"), ("dashboard-widget-describe", "## Leaderboard")]
)
def test_widget_request_gets_html(on_stack: Stack, event: str, begins: str) -> None:
    assert invoked(on_stack, json.loads((EVENTS / f"{event}.json").read_text())).startswith(begins)


def test_dashboard_widget_invokes_the_function(on_stack: Stack) -> None:
    outputs = boto3.Session().client("cloudformation").describe_stacks(StackName=on_stack.name)["Stacks"][0]["Outputs"]
    (url,) = [output["OutputValue"] for output in outputs if output["OutputKey"] == "DashboardUrl"]
    body = boto3.Session().client("cloudwatch").get_dashboard(DashboardName=url.rpartition("name=")[2])["DashboardBody"]
    (widget,) = [widget for widget in json.loads(body)["widgets"] if widget["type"] == "custom"]
    function = boto3.Session().client("lambda").get_function_configuration(FunctionName=f"{on_stack.name}-leaderboard")
    assert widget["properties"]["endpoint"] == function["FunctionArn"]
