"""However a command is ended from outside, there is a status and at most a sentence, never a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
SOURCES = (ROOT, ROOT / "layers" / "feature_schema" / "python", ROOT / "layers" / "rounds" / "python")
FULL = Path("/dev/full")


def start(
    *arguments: str, first: Path | None = None, endpoint: str = "", out: int | None = None
) -> subprocess.Popen[str]:
    """Start ``dwell``; modules in ``first`` go before everybody else's."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(str(folder) for folder in ((first,) if first else ()) + SOURCES),
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
        **({"AWS_ENDPOINT_URL": endpoint} if endpoint else {}),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "dwell", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE if out is None else out,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_ctrl_c_while_it_is_loading_ends_it_silently(tmp_path: Path) -> None:
    # given a library that takes long to load
    (tmp_path / "typer.py").write_text("import time\nprint('loading', flush=True)\ntime.sleep(60)\n")
    with start("leaderboard", first=tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "loading\n"
        # when somebody loses patience
        process.send_signal(signal.SIGINT)
        _, output = process.communicate(timeout=60)
    # then that is no fault of the program
    assert (process.returncode, output) == (130, "")


@pytest.mark.usefixtures("robots")
def test_a_reader_that_has_enough_ends_it_silently() -> None:
    with start("fleet", "write", "-", "--samples", "20000") as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("{")
        process.stdout.close()
        assert process.stderr is not None
        output = process.stderr.read()
        process.wait(timeout=60)
    assert (process.returncode, output) == (1, "")


@pytest.mark.usefixtures("robots")
@pytest.mark.skipif(not FULL.exists(), reason="this system has no device that is full")
@pytest.mark.parametrize(
    "arguments",
    [("fleet", "drifts"), ("fleet", "write", "-", "--samples", "3"), ("table", "--bucket", "a-bucket"), ("--help",)],
)
def test_full_disk_is_reported_without_traceback(arguments: tuple[str, ...]) -> None:
    with FULL.open("wb") as full, start(*arguments, out=full.fileno()) as process:
        _, output = process.communicate(timeout=60)
    assert process.returncode == 1
    assert output.splitlines()[-1] == "cannot write: No space left on device"
    assert "Traceback" not in output
    assert "ignored" not in output


def test_invalid_endpoint_url_is_reported() -> None:
    with start("quarantine", endpoint="foo") as process:
        _, output = process.communicate(timeout=60)
    assert (process.returncode, output) == (2, "Invalid endpoint: foo: is AWS_ENDPOINT_URL the URL of an AWS?\n")


@pytest.fixture(params=[b"<html>hello</html>", b"<html><p>hello</html>", b"{}", b""])
def web_server(request: pytest.FixtureRequest) -> Iterator[str]:
    """A web server that is no AWS, and answers all the same."""

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(request.param)))
            self.end_headers()
            self.wfile.write(request.param)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
            """Nobody wants to know."""

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_endpoint_that_is_not_aws_is_reported(web_server: str) -> None:
    with start("quarantine", endpoint=web_server) as process:
        _, output = process.communicate(timeout=60)
    sentence = "cannot look up the stack 'dwell': the response is not from AWS. Is AWS_ENDPOINT_URL right?\n"
    assert (process.returncode, output) == (1, sentence)
