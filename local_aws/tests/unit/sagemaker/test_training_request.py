"""Training requests."""

from __future__ import annotations

import pytest

from local_aws.sagemaker import training_request
from local_aws.sagemaker.errors import ApiError


def test_only_the_xgboost_image_is_accepted() -> None:
    training_request.require_image("1.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0")
    for image in ("1.dkr.ecr.us-east-1.amazonaws.com/linear-learner:1", "sagemaker-xgboost-else:1", None):
        with pytest.raises(ApiError, match="not emulated"):
            training_request.require_image(image)
