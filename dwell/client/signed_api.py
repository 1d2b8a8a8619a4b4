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

from dwell.console.errors import InvalidUsageError, ReportedError

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest, AWSResponse
    from botocore.credentials import Credentials

_HOST = re.compile(r"\.execute-api\.(?P<region>[a-z0-9-]+)\.amazonaws\.com")

NO_RESPONSE_ERRORS = (HTTPClientError, NotConnectedError)
"""What a request without a response raises: botocore has no common base class for a connection that breaks and one that
cannot be opened."""


class NotSignableError(ReportedError):
    """Requests cannot be signed: credentials or a region are missing."""


class InvalidApiUrlError(InvalidUsageError, ValueError):
    """The text is not an HTTP or HTTPS URL."""


class HttpSession(Protocol):
    """Sends a prepared request: botocore's own session, which keeps connections alive."""

    def send(self, request: AWSPreparedRequest) -> AWSResponse:
        """Return the response. Raises one of ``NO_RESPONSE_ERRORS``."""
        ...


class SignedApi:
    """The API at ``url``. Thread-safe. ``timeout`` (s) applies to each wait. Raises ``InvalidApiUrlError``."""

    def __init__(
        self, url: str, *, credentials: Credentials, region: str, timeout: int = 3, session: HttpSession | None = None
    ) -> None:
        if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).netloc:
            raise InvalidApiUrlError(f"{url!r} is not the URL of an HTTP API")
        self.url = url.rstrip("/")
        self._credentials = credentials
        self._region = region
        self._session: HttpSession = session or URLLib3Session(timeout=timeout, max_pool_connections=8)

    def get(self, path: str) -> AWSResponse:
        """``GET`` a path that starts with a slash. Raises one of ``NO_RESPONSE_ERRORS``."""
        return self._send(AWSRequest(method="GET", url=self.url + path))

    def post(self, path: str, body: bytes) -> AWSResponse:
        """``POST`` JSON to a path that starts with a slash. Raises one of ``NO_RESPONSE_ERRORS``."""
        headers = {"Content-Type": "application/json"}
        return self._send(AWSRequest(method="POST", url=self.url + path, data=body, headers=headers))

    def _send(self, request: AWSRequest) -> AWSResponse:
        SigV4Auth(self._credentials.get_frozen_credentials(), "execute-api", self._region).add_auth(request)
        return self._session.send(request.prepare())


def create_api(url: str, *, timeout: int = 3) -> SignedApi:
    """The API with credentials and region from the usual AWS chain; on AWS the region is the URL's.

    Raises ``NotSignableError`` if there are no credentials or no region, and ``InvalidApiUrlError``.
    """
    session = boto3.Session()
    credentials = session.get_credentials()
    host = _HOST.search(urlsplit(url).netloc)
    region = host["region"] if host else session.region_name
    if credentials is None or region is None:
        raise NotSignableError("requests must be signed, but AWS credentials or a region are missing")
    return SignedApi(url, credentials=credentials, region=region, timeout=timeout)
