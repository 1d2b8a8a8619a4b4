"""Metric math works as in CloudWatch; the tables are those of its user guide.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_aws.cloudwatch.expressions import Context, Expression, ExpressionError, Grid

PERIOD = 10
NO = None
"""No value, in tables of values."""


def series(*values: float | None) -> dict[float, float]:
    """A time series with one value each period from 0 on; None where there is none."""
    return {float(number * PERIOD): float(value) for number, value in enumerate(values) if value is not None}


def evaluate(text: str, **metrics: dict[float, float]) -> object:
    """The value of an expression over five periods."""
    grid = Grid([float(number * PERIOD) for number in range(5)], PERIOD)
    return Expression(text).evaluate(metrics, Context(grid, metrics))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metric1 < metric2", series(0, 0, 1, 0)),
        ("metric1 >= 30", series(1, 0, 0, 0)),
        ("metric1 > 15 AND metric2 > 15", series(1, 0, 0, 0)),
        ("metric1 > 15 && metric2 > 15", series(1, 0, 0, 0)),
        ("metric1 > 15 OR metric2 > 15", series(1, 1, 1, 0)),
        ("metric1 > 15 || metric2 > 15", series(1, 1, 1, 0)),
    ],
)
def test_comparison_counts_missing_value_as_zero(text: str, expected: dict[float, float]) -> None:
    assert evaluate(text, metric1=series(30, 20, 0, 0), metric2=series(20, NO, 20, NO)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("IF(metric1, metric2, metric3)", series(30, 0, 20, NO, NO)),
        ("IF(metric1, 5, metric3)", series(5, 5, 20, NO, NO)),
        ("IF(metric1, metric2, 5)", series(30, 0, 5, 5, NO)),
        ("IF(metric1, metric2)", series(30, 0)),
        ("IF(1, metric2, metric3)", series(30, NO, 0, 0, 30)),
        ("IF(0, metric2)", {}),
    ],
)
def test_if_selects_per_data_point(text: str, expected: dict[float, float]) -> None:
    metrics = {
        "metric1": series(1, 1, 0, 0, NO),
        "metric2": series(30, NO, 0, 0, 30),
        "metric3": series(0, 0, 20, NO, 20),
    }
    assert evaluate(text, **metrics) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a + b", series(5, 2, 3)),
        ("a - b", series(-3, 2, -3)),
        ("100 * a / b", series(25, NO, 0)),  # divided by a missing value: dropped; a missing value divided: 0
        ("-a ^ 2", series(-1, -4)),
        ("2 ^ 3 ^ 2 + 0 * a", series(512, 512)),
        ("a ^ 0.5", series(1, math.sqrt(2))),
        ("(0 - a) ^ 0.5", {}),  # no real number
        ("10 ^ 400 * a", {}),
        ("SUM([a, b])", series(5, 2, 3)),
        ("AVG([a, b])", series(2.5, 1, 1.5)),
        ("MIN([a, b])", series(1, 2, 3)),
        ("MAX([a, b])", series(4, 2, 3)),
        ("MAX([a * 3, b])", series(4, 6, 3)),
        ("a - AVG(a)", series(-0.5, 0.5)),
        ("a / SUM(a)", series(1 / 3, 2 / 3)),
        ("a / DATAPOINT_COUNT(b)", series(0.5, 1)),
        ("STDDEV([a, b])", series(1.5, 0, 0)),
        ("a / PERIOD(a)", series(0.1, 0.2)),
        ("ABS(a - b)", series(3, 2, 3)),
        ("CEIL(a / 2) + FLOOR(a / 2)", series(1, 2)),
        ("LOG10(a * 50)", series(math.log10(50), 2)),
        ("FILL(b, 7)", series(4, 7, 3, 7, 7)),
        ("FILL(b, REPEAT)", series(4, 4, 3, 3, 3)),
        ("FILL(b, LINEAR)", series(4, 3.5, 3)),
        ("FILL(b, a)", series(4, 2, 3)),
        ("RATE(b)", series(NO, NO, -0.05)),
        ("DIFF(b)", series(NO, NO, -1)),
        ("DIFF_TIME(b)", series(NO, NO, 20)),
        ("RUNNING_SUM(b)", series(4, NO, 7)),
        ("SUM(METRICS())", series(5, 2, 3)),
        ('SUM(METRICS("b"))', series(4, NO, 3)),
        ("a / METRIC_COUNT(METRICS())", series(0.5, 1)),
        ("FIRST(REMOVE_EMPTY([a * 0 / 0, b]))", series(4, NO, 3)),
        ("LAST([a, b])", series(4, NO, 3)),
        ("TIME_SERIES(MAX(a))", series(2, 2, 2, 2, 2)),
        ("SUM(100 / [a, b])", series(125, 50, 100 / 3)),
        ("IF(a >= 2, (b / a) ^ 0.5, 0)", series(0, 0)),
    ],
)
def test_operators_and_functions_match_documentation(text: str, expected: dict[float, float]) -> None:
    result = evaluate(text, a=series(1, 2), b=series(4, NO, 3))
    assert isinstance(result, dict)
    assert result == pytest.approx(expected)


def test_python_keywords_are_valid_ids() -> None:
    assert evaluate("in + is * if", **{"in": series(1), "is": series(2), "if": series(3)}) == series(7)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("SQRT(a)", "CloudWatch has no function SQRT"),
        ("SEARCH('x', 'Sum', 60)", "SEARCH is not emulated"),
        ("EXPLODE(a)", "no function EXPLODE"),
        ("sum(a)", "no function sum"),
        ("a < b < c", "cannot be chained"),
        ("a and b", "syntax error"),
        ("a if b else c", "syntax error"),
        ("[x for x in a]", "syntax error"),
        ("a.real", "not a construct"),
        ("a // b", "not a construct"),
        ("a[0]", "not a construct"),
        ("__import__('os').system('true')", "no function|not a construct|syntax error"),
        ("_a", "syntax error"),
        ("A", "unknown identifier 'A'"),
        ("'text'", "only numbers"),
        ("True", "only numbers|unknown identifier"),
        ("1j", "syntax error"),
        ("FILL(a)", "takes 2 arguments, not 1"),
        ("IF(a, b, c, d)", "takes 2 or 3 arguments"),
        ("(a", "syntax error"),
        ("(" * 1000, "syntax error"),
        ("", "1 to 2048"),
        ("a" * 2049, "1 to 2048"),
    ],
)
def test_invalid_syntax_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ExpressionError, match=reason):
        Expression(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("SUM(SUM(a))", "exactly one time series"),
        ("[a, b] + [a, b]", "at most one array"),
        ("IF([a, b], 1, 0)", "exactly one time series"),
        ("TIME_SERIES(a)", "a number is expected"),
        ("PERIOD(a * 2)", "PERIOD takes a metric"),
        ("METRICS(a)", "a text in quotation marks"),
    ],
)
def test_wrong_operand_is_refused_at_evaluation(text: str, reason: str) -> None:
    with pytest.raises(ExpressionError, match=reason):
        evaluate(text, a=series(1), b=series(2))


@given(st.text(alphabet="ab1.+-*/^()[]<>=!&|, 'IFSUMANDOR", max_size=40))
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        expression = Expression(text)
        if expression.ids <= {"a", "b"}:
            evaluate(text, a=series(1, 2), b=series(0, NO, 3))
    except ExpressionError:
        pass
