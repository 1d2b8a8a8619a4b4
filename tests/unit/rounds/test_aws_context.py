"""Clients are created with short timeouts and botocore's standard retries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rounds import AwsContext, connect
from rounds.metric_counter import count_metric

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.usefixtures("lambda_environment")
def test_connect_creates_every_client_of_a_context() -> None:
    context = AwsContext(settings="settings", **connect("the-table", read_timeout_seconds=7))
    for client in (context.s3, context.sagemaker, context.cloudwatch):
        config = vars(client.meta.config)
        assert (config["connect_timeout"], config["read_timeout"]) == (2, 7)
        assert config["retries"]["mode"] == "standard"
    assert context.clock().tzinfo is not None
    assert vars(context.store)["_table"].name == "the-table"


@pytest.mark.usefixtures("lambda_environment")
def test_a_counted_event_is_a_metric_of_the_service(published: Callable[[], Any]) -> None:
    count_metric("Rollbacks")
    assert published() == {(frozenset(), "Rollbacks"): 1}
