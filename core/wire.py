"""What the service speaks: session id and key to `Request`, `Response` to receipt or error.

The operation: https://docs.firecrawl.dev/api-reference/endpoint/interact-delete
"""

import re
import reprlib
import uuid
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from .errors import (
    BadRequestError,
    ForbiddenError,
    InvalidSessionIdError,
    NotDeletedError,
    PaymentRequiredError,
    RateLimitError,
    ResponseError,
    ServiceUnavailableError,
    SessionNotFoundError,
    UnauthorizedError,
    UnexpectedResponseError,
)
from .logger import logger
from .printable import printable
from .receipt import DeletionReceipt
from .transport import Request, Response

MAX_SESSION_ID_LENGTH = 256
"""In characters. The service's own ids have 36; proxies refuse a request line over 8 KiB."""

_MAX_BRACKETS = 500  # Deeper nesting than this can end the process on a thread's small stack.
_MAX_MESSAGE_LENGTH = 500
_MAX_EXCERPT_LENGTH = 100

_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]+")  # RFC 3986, 2.3
_UNSENDABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750, 2.1
_SECONDS = re.compile(r"[0-9]{1,9}")  # RFC 9110, 10.2.3
_SECONDS_IN_TEXT = re.compile(r"retry after ([0-9]{1,9})\s?s", re.IGNORECASE)
_ROUNDED_DOWN = 0.5  # seconds: the service rounds the wait in its text, down half of the time

_ERRORS: Mapping[int, type[ResponseError]] = {
    400: BadRequestError,
    401: UnauthorizedError,
    402: PaymentRequiredError,
    403: ForbiddenError,
    408: ServiceUnavailableError,
    409: ServiceUnavailableError,
    425: ServiceUnavailableError,
    429: RateLimitError,
    **dict.fromkeys(range(500, 600), ServiceUnavailableError),
}


class _Content(msgspec.Struct, rename="camel"):
    """The JSON of a response, each field as it came: an odd one must not spoil the others."""

    success: msgspec.Raw = msgspec.Raw()
    session_duration_ms: msgspec.Raw = msgspec.Raw()
    credits_billed: msgspec.Raw = msgspec.Raw()
    status: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()
    message: msgspec.Raw = msgspec.Raw()
    code: msgspec.Raw = msgspec.Raw()


_content_decoder = msgspec.json.Decoder(_Content)
_number_decoder = msgspec.json.Decoder(int | float | None)
_text_decoder = msgspec.json.Decoder(str | None)

_NOT_THE_SERVICES_JSON = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

_T = TypeVar("_T")


def checked_session_id(session_id: object) -> str:
    """Return the id as text, if it can name one session in one segment of a path.

    Raises:
        InvalidSessionIdError: it cannot. Nothing was sent.
    """
    if isinstance(session_id, uuid.UUID):
        return str(session_id)
    if not isinstance(session_id, str):
        kind = type(session_id).__name__
        raise InvalidSessionIdError(
            f"a session id is a str or a uuid.UUID, not {kind}", session_id=reprlib.repr(session_id)
        )
    session_id = str.__str__(session_id)  # A subclass could give another text later.
    problem = None
    if not session_id:
        problem = "it is empty"
    elif len(session_id) > MAX_SESSION_ID_LENGTH:
        problem = f"it is longer than {MAX_SESSION_ID_LENGTH} characters"
    elif session_id in {".", ".."}:
        problem = "it means another path (RFC 3986, 5.2.4)"
    elif session_id != session_id.strip():
        problem = "it has space around it"
    elif _UNSENDABLE.search(session_id):
        problem = "it has a control character or half a surrogate pair"
    if problem:
        raise InvalidSessionIdError(f"the id cannot be sent: {problem}", session_id=session_id)
    return session_id


def api_key_problem(api_key: object) -> str | None:
    """Say what is wrong with a key, without quoting it. None: nothing is."""
    if api_key is None:
        return None
    if not isinstance(api_key, str):
        return f"an API key is a str or None, not {type(api_key).__name__}"
    if not api_key:
        return "the API key is empty"
    if not _TOKEN.fullmatch(api_key):
        return "the API key has a character that an Authorization header cannot carry"
    return None


def headers(api_key: str | None) -> Mapping[str, str]:
    """Return the headers of every request. A compressed response is never asked for."""
    common = {"Accept": "application/json", "Accept-Encoding": "identity"}
    if api_key is None:
        return common
    # A subclass could give another text than was checked.
    return {"Authorization": f"Bearer {str.__str__(api_key)}", **common}


def request(session_id: str, headers: Mapping[str, str]) -> Request:
    """Return the request that destroys this session and nothing else."""
    if not _UNRESERVED.fullmatch(session_id):
        from urllib.parse import quote  # noqa: PLC0415 - rarely needed, and slow to import

        session_id = quote(session_id, safe="")
    return Request("DELETE", f"/v2/interact/{session_id}", headers)


def parse_response(
    response: Response, *, request: Request, session_id: str, attempts: int
) -> DeletionReceipt | ResponseError:
    """Read a response: a receipt only for a 200 whose JSON object has `success` true.

    Of a field that comes twice the last one counts, as in most readers of JSON.
    """
    if response.status == 200:
        try:
            content = _decode(response.body)
            if bytes(content.success) == b"true":
                duration = _billing_field(content.session_duration_ms, _number_decoder, session_id)
                status = _billing_field(content.status, _text_decoder, session_id)
                return DeletionReceipt(
                    session_id=session_id,
                    session_duration_ms=None if duration is None else round(duration),
                    credits_billed=_billing_field(
                        content.credits_billed, _number_decoder, session_id
                    ),
                    status=status and _masked(status, _key(request)),
                    attempts=attempts,
                )
        except _NOT_THE_SERVICES_JSON:
            pass
    return parse_error(response, request=request, session_id=session_id, attempts=attempts)


def _decode(body: bytes) -> _Content:
    if body.count(b"[") + body.count(b"{") > _MAX_BRACKETS:
        raise RecursionError
    return _content_decoder.decode(body)


def _billing_field(
    raw: msgspec.Raw, decoder: msgspec.json.Decoder[_T], session_id: str
) -> _T | None:
    """Decode a field of a receipt. The session is gone, whatever its bill looks like."""
    if not raw:
        return None
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError:
        logger().warning("session %s: destroyed, but its bill cannot be read", ascii(session_id))
        return None


def parse_error(
    response: Response, *, request: Request, session_id: str, attempts: int
) -> ResponseError:
    """Read a response that is not a receipt."""
    status = response.status
    try:
        content = _decode(response.body)
    except _NOT_THE_SERVICES_JSON:
        content = None
    reports_failure = content is not None and bytes(content.success) == b"false"
    if status == 200 and reports_failure:
        kind: type[ResponseError] = NotDeletedError
    elif status in {404, 410} and reports_failure:
        kind = SessionNotFoundError
    else:
        kind = _ERRORS.get(status, UnexpectedResponseError)

    key = _key(request)
    message = code = None
    if content is not None:
        message = _text(content.error, key) or _text(content.message, key)
        code = _text(content.code, key)
    reason = f"HTTP {status}"
    if message:
        reason += f": {message.removesuffix('.')}"
    elif response.body:
        excerpt = _shown(response.body.decode(errors="replace"), key, _MAX_EXCERPT_LENGTH)
        reason += f" with a body that begins '{excerpt}'"
    if kind is UnexpectedResponseError:
        reason += ", a response that the service is not known to send"
    return kind(
        reason,
        session_id=session_id,
        attempts=attempts,
        status=status,
        message=message,
        code=code,
        request_id=_shown(response.headers.get("x-request-id", ""), key) or None,
        retry_after=retry_after(response.headers, message),
    )


def _text(raw: msgspec.Raw, key: str) -> str | None:
    """Decode a text of an error, if it is one."""
    try:
        text = _text_decoder.decode(raw)
    except _NOT_THE_SERVICES_JSON:
        return None
    return _shown(text, key) if text else None


def _key(request: Request) -> str:
    """Return what must not be shown. The service, or a proxy, may send it back."""
    return request.headers.get("Authorization", "").removeprefix("Bearer ")


def _masked(text: str, key: str) -> str:
    return text.replace(key, "***") if key else text


def _shown(text: str, key: str, length: int = _MAX_MESSAGE_LENGTH) -> str:
    """Mask the key, and make the text short and safe to show."""
    return printable(_masked(text, key)[:length])[:length]


def retry_after(headers: Mapping[str, str], message: str | None) -> float | None:
    """Return the seconds that the service asks to wait: `Retry-After`, else the text's wait.

    `Retry-After` is seconds or a date (RFC 9110, 10.2.3), the latter counted from the response's
    own `Date`, since the core has no clock. What is neither is ignored.
    """
    header = headers.get("retry-after", "").strip(" \t")
    if _SECONDS.fullmatch(header):
        return float(header)
    if header:
        try:
            return max(0.0, _seconds_between(headers["date"], header))
        except (LookupError, TypeError, ValueError, OverflowError):
            pass
    found = _SECONDS_IN_TEXT.search(message or "")
    return float(found[1]) + _ROUNDED_DOWN if found else None


def _seconds_between(*dates: str) -> float:
    """Read two dates, each in any of HTTP's three forms (RFC 9110, 5.6.7): all mean UTC."""
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - rare, and slow to import

    earlier, later = (
        date.replace(tzinfo=None) - (date.utcoffset() or (date - date))
        for date in map(parsedate_to_datetime, dates)
    )
    return (later - earlier).total_seconds()
