"""Numbers as text for people, in one format everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def format_number(value: float | None, unit: str = "") -> str:
    """A measurement: thousands separated, four significant digits below 100, ``-`` for a missing value."""
    if value is None:
        return "-"
    text = f"{value:,.4g}" if abs(value) < 100 else f"{value:,.0f}"
    return f"{text} {unit}".rstrip()


def format_rounded(value: float | None, unit: str = "") -> str:
    """A measurement without decimals: thousands separated, ``-`` for a missing value."""
    return "-" if value is None else f"{value:,.0f} {unit}".rstrip()


def format_estimate(value: float) -> str:
    """An estimate: thousands separated, three significant digits below 100."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def format_count(count: float, noun: str, form: Callable[[float], str] = format_rounded) -> str:
    """``1 line``, ``2,000 lines``; ``form`` formats the number."""
    text = form(count)
    return f"{text} {noun}" if text == "1" else f"{text} {noun}s"
