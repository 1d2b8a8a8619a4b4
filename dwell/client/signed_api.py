"""Signed requests to the HTTP API: SigV4 for ``execute-api``, with credentials from the usual AWS chain."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ConnectionError as NotConnectedError
from botocore.exceptions import HTTPClientError
from botocore.httpsession import URLLib3Session

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest, AWSResponse
    from botocore.credentials import Credentials

_HOST = re.compile(r"\.execute-api\.(?P<region>[a-z0-9-]+)\.amazonaws\.com")

NO_ANSWER = (HTTPClientError, NotConnectedError)
"""What a request raises to which no answer comes: botocore has no one name for a connection that fails in between and
one that does not come about."""


class NotSignableError(RuntimeError):
    """Requests cannot be signed: credentials or a region are missing, or the URL is none."""


class HttpSession(Protocol):
    """What sends a prepared request: botocore's own session, with its connections kept alive."""

    def send(self, request: AWSPreparedRequest) -> AWSResponse:
        """Answer the response. Raises one of ``NO_ANSWER``."""
        ...


class Api:
    """The API at ``url``. Safe to use from several threads; ``timeout`` (s) holds for each wait."""

    def __init__(
        self, url: str, *, credentials: Credentials, region: str, timeout: int = 3, session: HttpSession | None = None
    ) -> None:
        if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).netloc:
            raise ValueError(f"{url!r} is not the URL of an HTTP API")
        self.url = url.rstrip("/")
        self._credentials = credentials
        self._region = region
        self._session: HttpSession = session or URLLib3Session(timeout=timeout, max_pool_connections=8)

    def get(self, path: str) -> AWSResponse:
        """``GET`` a path that starts with a slash. Raises one of ``NO_ANSWER`` if none comes."""
        return self._send(AWSRequest(method="GET", url=self.url + path))

    def post(self, path: str, body: bytes) -> AWSResponse:
        """``POST`` JSON to a path that starts with a slash. Raises one of ``NO_ANSWER`` if none comes."""
        headers = {"Content-Type": "application/json"}
        return self._send(AWSRequest(method="POST", url=self.url + path, data=body, headers=headers))

    def _send(self, request: AWSRequest) -> AWSResponse:
        SigV4Auth(self._credentials.get_frozen_credentials(), "execute-api", self._region).add_auth(request)
        return self._session.send(request.prepare())


def api_for(url: str, *, timeout: int = 3) -> Api:
    """The API with credentials and region from the usual AWS chain; on AWS the region is the URL's.

    Raises ``NotSignableError`` if there are no credentials or no region, ``ValueError`` if ``url`` is none.
    """
    session = boto3.Session()
    credentials = session.get_credentials()
    host = _HOST.search(urlsplit(url).netloc)
    region = host["region"] if host else session.region_name
    if credentials is None or region is None:
        raise NotSignableError("requests must be signed, and AWS credentials or a region are missing")
    return Api(url, credentials=credentials, region=region, timeout=timeout)
