"""AWS errors as sentences for the person at the command line."""

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
_BAD_CREDENTIALS = {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "SignatureDoesNotMatch"}
_BAD_CREDENTIALS |= {"UnrecognizedClientException", "InvalidSignatureException", "InvalidAccessKeyId"}
_LAPTOP_HINT = 'for the AWS on this laptop: eval "$(dwell local env)"'


def is_invalid_endpoint(error: ValueError) -> bool:
    """Whether botocore raised ``error`` for an invalid endpoint URL; it has no class of its own."""
    return str(error).startswith("Invalid endpoint: ")


def explain(error: BotoCoreError | ClientError | ResponseParserError) -> str:
    """A sentence about the error, with a hint where one is known."""
    match error:
        case NoCredentialsError() | PartialCredentialsError():
            return f"there are no AWS credentials (AWS_PROFILE, AWS_ACCESS_KEY_ID, ...); {_LAPTOP_HINT}"
        case NoRegionError():
            return f"there is no AWS region (AWS_REGION, AWS_DEFAULT_REGION); {_LAPTOP_HINT}"
        case EndpointConnectionError():
            return f"{error} Is AWS_ENDPOINT_URL right, and is that AWS running?"
        case ResponseParserError():
            return "the response is not from AWS. Is AWS_ENDPOINT_URL right?"
        case ClientError():
            return _explain_service_error(error)
        case _:
            return str(error)


def _explain_service_error(error: ClientError) -> str:
    details = error.response.get("Error", {})
    code, message = details.get("Code", ""), details.get("Message", "")
    if code in _DENIED:
        return f"access denied to {error.operation_name}: {message}"
    if code in _BAD_CREDENTIALS:
        return f"AWS does not accept the credentials ({code}): {message}"
    return str(error)
