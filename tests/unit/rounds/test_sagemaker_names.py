"""Names fit SageMaker's limits and lead back to their round; a missing resource is recognised by SageMaker's error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rounds import build_job_name, build_resource_name, is_not_found, parse_round_name
from tests.unit.fake_aws import make_client_error


def test_a_job_name_leads_back_to_its_round() -> None:
    name = build_job_name("dwell", "20261123T063900Z-model-error")
    assert name == "dwell-20261123T063900Z-model-error"
    assert parse_round_name("dwell", name) == "20261123T063900Z-model-error"


@pytest.mark.parametrize(
    "job", ["dwell-other-20261123T063900Z-manual", "other-20261123T063900Z-manual", "dwell-", "dwell-something"]
)
def test_a_job_of_another_stack_has_no_round(job: str) -> None:
    assert parse_round_name("dwell", job) is None


def test_a_job_name_longer_than_sagemaker_accepts_is_refused() -> None:
    with pytest.raises(ValueError, match="shorten the stack's name"):
        build_job_name("d" * 40, "20261123T063900Z-model-error")


@given(st.from_regex(r"[a-z][a-z0-9-]{0,60}[a-z0-9]", fullmatch=True), st.from_regex(r"[a-z]{1,40}", fullmatch=True))
def test_resource_names_fit_sagemaker_and_are_distinct(stack: str, candidate: str) -> None:
    first = build_resource_name(stack, f"{candidate}-20261123T063900Z")
    second = build_resource_name(stack, f"{candidate}-20261123T063901Z")
    assert first != second
    assert len(first) <= 63
    assert first == build_resource_name(stack, f"{candidate}-20261123T063900Z")
    assert "--" not in first.removeprefix(stack)


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        ("ValidationException", 'Could not find endpoint "arn:aws:sagemaker:...".', True),
        ("ValidationException", "Requested resource not found.", True),
        ("ResourceNotFound", "", True),
        ("ValidationException", "1 validation error detected", False),
        ("AccessDeniedException", "Could not find a policy that allows it", False),
        ("ThrottlingException", "Rate exceeded", False),
    ],
)
def test_a_missing_resource_is_distinguished_from_a_failure(code: str, message: str, *, expected: bool) -> None:
    assert is_not_found(make_client_error("DescribeEndpoint", code, message)) is expected
