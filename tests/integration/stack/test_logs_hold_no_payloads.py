"""At the template's log level, nothing of what robots and planners send is found in any log group."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import boto3

from dwell.client.signed_api import create_api
from feature_schema import FEATURES, TARGET, VERSION
from tests.eventually import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dwell.client.stack import Stack

WORD = "telltale"
"""Part of every name and of every bad line that is sent."""
NUMBERS = {field.name: int(field.minimum) + round((field.maximum - field.minimum) * 0.617_283) for field in FEATURES}
LENGTHY = {number for number in NUMBERS.values() if number > 9_999}
DURATION = int(TARGET.minimum) + round((TARGET.maximum - TARGET.minimum) * 0.617_283)


def sample(**changed: object) -> str:
    made = {
        "sample_id": f"{WORD}-sample",
        "robot_id": f"{WORD}-robot",
        "fc_id": f"{WORD}-centre",
        "recorded_at": "2026-11-23T06:39:00.123Z",
        "schema_version": VERSION,
        TARGET.name: DURATION,
        "features": NUMBERS,
    }
    return json.dumps({**made, **changed})


def logged(stack: Stack) -> Iterator[tuple[str, str]]:
    """Every log group of the stack with all that is in it."""
    logs = boto3.Session().client("logs")
    for group in logs.describe_log_groups()["logGroups"]:
        if stack.name in group["logGroupName"]:
            pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
            events = [event["message"] for page in pages for event in page["events"]]
            yield group["logGroupName"], "\n".join(events)


def test_logs_hold_no_payload(on_stack: Stack) -> None:
    # given good samples, and bad ones of every kind
    lines = [
        sample(),
        sample(**{TARGET.name: -DURATION}),
        sample(schema_version=f"{WORD}-version"),
        sample(unexpected=f"{WORD}-value"),
        sample(features={**NUMBERS, FEATURES[0].name: f"{WORD}-number"}),
        f"{WORD} is no line",
        ",".join(str(number) for number in [DURATION, *NUMBERS.values()]),
    ]
    session = boto3.Session()
    session.client("sns").publish(TopicArn=on_stack.topic_arn, Message="\n".join(lines))
    # given good and bad requests
    api = create_api(on_stack.api_url, timeout=20)
    for body in ({"features": NUMBERS}, {"features": {**NUMBERS, f"{WORD}-feature": 1}}, {WORD: WORD}):
        api.post("/predictions", json.dumps(body).encode())
    api.post("/predictions", WORD.encode())
    api.get(f"/liveinference?features={WORD}")
    api.get(f"/leaderboard?limit={WORD}")
    # given events that no function can handle
    for function in ("forwarder", "validator", "inference"):
        event = {"Records": [{"Sns": WORD}], "records": [{"data": WORD}], "body": WORD}
        session.client("lambda").invoke(FunctionName=f"{on_stack.name}-{function}", Payload=json.dumps(event))
    # when everything has been handled
    validator = f"/aws/lambda/{on_stack.name}-validator"
    found = eventually(lambda: dict(logged(on_stack)), lambda logs: "lines rejected" in logs.get(validator, ""))
    # then the functions have logged, and nothing of it
    for function in ("forwarder", "validator", "inference", "leaderboard"):
        assert found[f"/aws/lambda/{on_stack.name}-{function}"]
    leaks = {
        (group, word)
        for group, text in found.items()
        for word in (WORD, str(DURATION), *map(str, LENGTHY))
        if word in text
    }
    assert leaks == set()
