"""Reads HTML as a browser does, for tests of views."""

from __future__ import annotations

import re
from html.parser import HTMLParser


class HtmlReader(HTMLParser):
    """The elements with the names of their attributes, the values of all attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.values: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        if tag not in {"bdi", "span", "time", "strong"}:
            self.text += " "  # the element starts a cell, a line or a paragraph
        self.values += [value or "" for _, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def words(self) -> str:
        """The text with single spaces, without the style sheet."""
        return " ".join(re.sub(r"\.dwell.*?(?=Leaderboard|Now)", "", self.text, flags=re.DOTALL).split())
