"""Gapminder's data, as the package plotly ships them: 142 countries, every five years from 1952 to 2007."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.data

TARGET = "life_expectancy"
FEATURES = ("year", "population", "gdp_per_person", "latitude", "longitude")
BASELINE = 56.5

WRONG: dict[str, dict[str, float]] = {
    "out_of_range:latitude": {"latitude": -90.5},
    "out_of_range:longitude": {"longitude": 180.25},
    f"out_of_range:{TARGET}": {TARGET: -1e-9},
    "out_of_range:population": {"population": 0},
    "wrong_type:year": {"year": 2007.5},
}
"""What no country can be, by the reason for which it is refused."""


def countries() -> pd.DataFrame:
    """Target and features of all countries and years, oldest first."""
    named = {
        "lifeExp": TARGET,
        "pop": "population",
        "gdpPercap": "gdp_per_person",
        "centroid_lat": "latitude",
        "centroid_lon": "longitude",
    }
    read = pd.DataFrame(plotly.data.gapminder(centroids=True)).rename(columns=named)
    return read.sort_values("year", kind="stable")[[TARGET, *FEATURES]].reset_index(drop=True)


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table by column."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def features_of(row: dict[str, Any]) -> dict[str, Any]:
    """What is known of a country before."""
    return {name: row[name] for name in FEATURES}


def error(predicted: list[float], happened: list[float]) -> float:
    """A root mean square."""
    squares = [(one - other) ** 2 for one, other in zip(predicted, happened, strict=True)]
    return float((sum(squares) / len(squares)) ** 0.5)
