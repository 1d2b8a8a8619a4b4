"""An invalid request is rejected with a sentence that names the field and the rule."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from rounds import UnusableRequestError, parse_request, with_error_message


class Order(BaseModel):
    model_config = ConfigDict(extra="forbid")

    code: Annotated[str, Field(pattern="^[a-z]+$"), with_error_message("a code has lower-case letters only")]
    count: int = 1


def test_a_valid_request_is_parsed() -> None:
    assert parse_request(Order, {"code": "abc"}) == Order(code="abc")


@pytest.mark.parametrize(
    ("request_body", "message"),
    [
        ({"code": "ABC"}, "code: a code has lower-case letters only"),
        ({}, "code: Field required"),
        (
            {"code": "1", "other": 1},
            "code: a code has lower-case letters only; other: Extra inputs are not permitted",
        ),
    ],
)
def test_an_invalid_request_names_field_and_rule(request_body: dict[str, Any], message: str) -> None:
    with pytest.raises(UnusableRequestError) as raised:
        parse_request(Order, request_body)
    assert str(raised.value) == message
