"""Names of resources."""

from __future__ import annotations

import pytest

from local_aws.sagemaker.errors import ApiError
from local_aws.sagemaker.names import parse_name


@pytest.mark.parametrize("name", ["", "-a", "a-", "a_b", "a" * 64, None])
def test_invalid_name_is_refused(name: str | None) -> None:
    with pytest.raises(ApiError) as refused:
        parse_name({"TrainingJobName": name}, "TrainingJobName")
    assert refused.value.code == "ValidationException"
