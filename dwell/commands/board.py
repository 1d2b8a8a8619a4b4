"""``dwell board``: the leaderboard's page in a browser."""

from __future__ import annotations

import webbrowser
from typing import Annotated

import typer

from dwell.client.leaderboard import LeaderboardError
from dwell.client.signed_api import create_api
from dwell.client.stack import find
from dwell.commands.error_reporting import report_errors
from dwell.commands.options import StackName
from dwell.console.terminal import out
from dwell.operations.board_server import BoardServer


def board(
    *,
    stack: StackName = "dwell",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of 127.0.0.1; 0 selects any free port.")] = 0,
    opens_browser: Annotated[bool, typer.Option("--open", help="Open the page in this machine's browser.")] = False,
) -> None:
    """Show the leaderboard's page in a browser until Ctrl-C. Requests are signed with your credentials."""
    with report_errors():
        api = create_api(find(stack).api_url, timeout=30)
        response = api.get("/")
        if response.status_code != 200:
            raise LeaderboardError(f"GET / returned {response.status_code}: {response.text[:300]}")
        server = BoardServer(api, port)
    with server:
        out.print(f"The leaderboard of {stack}: {server.url}", markup=False)
        out.print("Press Ctrl-C to stop.")
        if opens_browser:
            webbrowser.open(server.url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            out.print("")
