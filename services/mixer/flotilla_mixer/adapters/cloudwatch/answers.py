"""What CloudWatch's answers and botocore's exceptions mean for what was sent. For the handler's thread: it needs botocore."""

from __future__ import annotations

from typing import Any

from botocore import exceptions as botocore
from botocore.parsers import ResponseParserError

from flotilla_mixer.kit.counters import FAULT, TIMEOUT, UNREACHABLE
from flotilla_mixer.kit.http import BUSY, OVERLOADED, REFUSED
from flotilla_mixer.kit.secrets import SecretError
from flotilla_mixer.kit.sending import SendError

THROTTLED, DENIED, NOT_FOUND = "throttled", "denied", "not_found"
EXPIRED_TOKEN, CREDENTIALS = "expired_token", "credentials"
LONGEST_TEXT = 300
# Words of error codes, as services of AWS and their protocols write them: the first that is in a code says what it means.
_MEANINGS = (
    ("ExpiredToken", EXPIRED_TOKEN),
    ("RequestExpired", EXPIRED_TOKEN),
    ("Throttl", THROTTLED),
    ("TooManyRequests", THROTTLED),
    ("RequestLimitExceeded", THROTTLED),
    ("SlowDown", THROTTLED),
    ("RequestTimeout", TIMEOUT),
    ("ServiceUnavailable", OVERLOADED),
    ("OperationAborted", OVERLOADED),
    ("ResourceNotFound", NOT_FOUND),
    ("AccessDenied", DENIED),
    ("NotAuthorized", DENIED),
    ("UnauthorizedOperation", DENIED),
    ("UnrecognizedClient", DENIED),
    ("InvalidClientTokenId", DENIED),
    ("Signature", DENIED),
    ("AuthFailure", DENIED),
    ("MissingAuthenticationToken", DENIED),
    ("OptInRequired", DENIED),
)
_AGAIN = frozenset((EXPIRED_TOKEN, THROTTLED, TIMEOUT, OVERLOADED))
_SLOW = (botocore.ConnectTimeoutError, botocore.ReadTimeoutError)
_AWAY = (botocore.HTTPClientError, botocore.ConnectionError)


def as_send_error(error: Exception) -> SendError:
    """What a call raised, as the kit wants it. What is no exception of a call is a mistake of the adapter."""
    said = " ".join(str(error).split())[:LONGEST_TEXT]
    if isinstance(error, botocore.ClientError):
        return _answered(error, said)
    if isinstance(error, ResponseParserError):  # it repeats the answer, whatever is in it
        return SendError("an answer came that is none of AWS's", cause=OVERLOADED, retry=True)
    if isinstance(error, _SLOW):
        return SendError(said, cause=TIMEOUT, retry=True)
    if isinstance(error, _AWAY):
        return SendError(said, cause=UNREACHABLE, retry=True)
    if isinstance(error, (botocore.ParamValidationError, botocore.NoRegionError)):
        return SendError(said, cause=REFUSED)
    if isinstance(error, (botocore.BotoCoreError, SecretError)):  # a file may come, or the platform's server
        return SendError(said, cause=CREDENTIALS, retry=True)
    return SendError(f"{type(error).__name__}: {said}", cause=FAULT)


def _answered(error: Any, said: str) -> SendError:
    code = error.response.get("Error", {}).get("Code", "")
    metadata = error.response.get("ResponseMetadata", {})
    status = metadata.get("HTTPStatusCode", 0)
    cause = next((cause for word, cause in _MEANINGS if word in code), "")
    if not cause:
        cause = THROTTLED if status == 429 else OVERLOADED if status in BUSY else REFUSED
    after = metadata.get("HTTPHeaders", {}).get("retry-after", "")
    seconds = float(after) if after.isascii() and after.isdigit() else None
    return SendError(said, cause=cause, retry=cause in _AGAIN, after=seconds)
