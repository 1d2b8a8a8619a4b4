"""What boto3's errors mean to the person at the command line."""

from __future__ import annotations

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
)
from botocore.parsers import ResponseParserError

_DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException"}
_BAD_KEYS = {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "SignatureDoesNotMatch"}
_BAD_KEYS |= {"UnrecognizedClientException", "InvalidSignatureException", "InvalidAccessKeyId"}
_LAPTOP = 'for the AWS on this laptop: eval "$(dwell local env)"'


def is_about_an_endpoint(error: ValueError) -> bool:
    """Whether this is how botocore refuses an endpoint that is no URL, which has no class of its own."""
    return str(error).startswith("Invalid endpoint: ")


def explain(error: BotoCoreError | ClientError | ResponseParserError) -> str:
    """One sentence: what went wrong, and what to do about it where that is known."""
    match error:
        case NoCredentialsError() | PartialCredentialsError():
            return f"there are no AWS credentials (AWS_PROFILE, AWS_ACCESS_KEY_ID, ...); {_LAPTOP}"
        case NoRegionError():
            return f"there is no AWS region (AWS_REGION, AWS_DEFAULT_REGION); {_LAPTOP}"
        case EndpointConnectionError():
            return f"{error} Is AWS_ENDPOINT_URL right, and what it names running?"
        case ResponseParserError():
            return "what answers is not AWS. Is AWS_ENDPOINT_URL right?"
        case ClientError():
            return _of_service(error)
        case _:
            return str(error)


def _of_service(error: ClientError) -> str:
    details = error.response.get("Error", {})
    code, message = details.get("Code", ""), details.get("Message", "")
    if code in _DENIED:
        return f"access denied to {error.operation_name}: {message}"
    if code in _BAD_KEYS:
        return f"AWS does not accept the credentials ({code}): {message}"
    return str(error)
