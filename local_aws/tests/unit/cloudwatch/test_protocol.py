"""Requests and responses in the query protocol."""

from __future__ import annotations

from local_aws.cloudwatch.operations import Timestamp
from local_aws.cloudwatch.protocol import nested, xml
from local_aws.tests.unit.cloudwatch.factories import NOW


def test_forms_are_parsed_and_xml_is_written() -> None:
    form = {"Action": ["Get"], "Q.member.2.Id": ["b"], "Q.member.1.Id": ["a"], "Q.member.1.M.D.member.1.Name": ["n"]}
    assert nested(form) == {"Action": "Get", "Q": [{"Id": "a", "M": {"D": [{"Name": "n"}]}}, {"Id": "b"}]}
    answer = {"Datapoints": [{"Timestamp": Timestamp(NOW), "Sum": 1.0}], "Label": "a < b", "Flag": True, "No": None}
    assert xml(answer) == (
        "<Datapoints><member><Timestamp>2026-11-23T06:39:02.500Z</Timestamp><Sum>1.0</Sum></member></Datapoints>"
        "<Label>a &lt; b</Label><Flag>true</Flag>"
    )
