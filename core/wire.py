"""What the service speaks: session id and key to `Request`, `Response` to receipt or error.

The operation: https://docs.firecrawl.dev/api-reference/endpoint/interact-delete
"""

import logging
import re
import string
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TypeVar

import msgspec

from . import errors
from .headers import RequestHeaders
from .log import log, shown
from .receipt import DeletionReceipt, SessionFate
from .transport import Request, Response

_OF_SCRAPE = "scrape:"  # No session's id has a colon.
# The service's own have 36. `FileJournal` writes a capital as two characters, and a file's name
# has at most 255.
_LONGEST_ID = 120
_OTHER_PATHS = {".", ".."}  # RFC 3986, 5.2.4
_UNRESERVED = frozenset(string.ascii_letters + string.digits + "-._~")  # RFC 3986, 2.3

_ESCAPED = re.compile(r'\\(?:(["\\/])|u00([0-7][0-9A-Fa-f]))')  # RFC 8259, 7
_MAX_BRACKETS = 500  # Deeper nesting than this can end the process on a thread's small stack.
_OF_ANOTHER_TEAM = "Forbidden."
_BACKEND_FAILED = "Hangar request failed."  # The status is then that of the service's backend.
# All that the service says of a session that is gone. A 404 with another text is about a route, a
# backend or something else: docs/service.md names the source of each text.
_GONE = frozenset(
    f"{whose}session {what}"
    for whose in ("", "browser ", "interact ")
    for what in ("not found", "has been destroyed")
)

_ERRORS: Mapping[int, type[errors.ResponseError]] = {
    400: errors.BadRequestError,
    401: errors.UnauthorizedError,
    402: errors.PaymentRequiredError,
    403: errors.ForbiddenError,
    429: errors.RateLimitError,
    **dict.fromkeys((408, 409, 425, *range(500, 600)), errors.ServiceUnavailableError),
}


class _Content(msgspec.Struct, rename="camel"):
    """The JSON of a response: a field of an unexpected type does not affect the others."""

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


def checked_session_id(session_id: object, *, may_be_scrape: bool = False) -> str:
    """Return the id as text, if it can name one session in one segment of a path.

    Args:
        session_id: the id.
        may_be_scrape: whether it may be `scrape:` and the id of a scrape, for the session of that.
            Whoever keeps an id for later must not: the scrape can have another session then.

    Raises:
        InvalidSessionIdError: it cannot. An id that no service makes is refused, and nothing is
            sent. The message names what is wrong with it.
    """
    if isinstance(session_id, uuid.UUID):
        return uuid.UUID.__str__(session_id)  # A subclass could give another text.
    if not isinstance(session_id, str):
        raise _not_an_id(session_id)
    session_id = str.__str__(session_id)  # As above.
    name = session_id.removeprefix(_OF_SCRAPE) if may_be_scrape else session_id
    if is_sendable(name):
        return session_id
    reason = f"the id cannot be sent: {_problem(name)}"
    if is_scrape(session_id) and not may_be_scrape:
        reason = "the id of a scrape names no session for long: the next one has the same"
    raise errors.InvalidSessionIdError(reason, session_id=session_id)


def is_scrape(session_id: str) -> bool:
    """Say whether an id is that of a scrape, whose session is meant."""
    return session_id.startswith(_OF_SCRAPE)


def _not_an_id(given: object) -> errors.InvalidSessionIdError:
    kind = type(given).__name__  # No more: the rest may hold a value that must not be shown.
    reason = f"a session id is a str or a uuid.UUID, not {kind}"
    error = errors.InvalidSessionIdError(reason, session_id=f"<{kind}>")
    if isinstance(getattr(given, "id", None), str):
        error.advice = "Pass its .id."
    elif isinstance(given, Mapping) and "id" in given:
        error.advice = 'Pass its ["id"].'
    elif isinstance(given, Iterable) and not isinstance(given, bytes):
        error.advice = "Pass one id. DeleteManySessions takes many."
    return error


def is_sendable(text: str) -> bool:
    """Say whether a text can be a session's id."""
    has_length = 0 < len(text) <= _LONGEST_ID
    return has_length and _UNRESERVED.issuperset(text) and text not in _OTHER_PATHS


def is_uuid(text: str) -> bool:
    """Say whether the service's database takes a text for a UUID.

    PostgreSQL does in capitals, too, and with a hyphen after any four digits or none.
    """
    return re.fullmatch("(?:[0-9A-Fa-f]{4}-?){7}[0-9A-Fa-f]{4}", text) is not None


def _problem(session_id: str) -> str:
    if not session_id:
        return "it is empty"
    for character in session_id:
        if character not in _UNRESERVED:
            return f"it has the character {character!a}"
    if session_id in _OTHER_PATHS:
        return "it means another path (RFC 3986, 5.2.4)"
    return f"it is longer than {_LONGEST_ID} characters"


def request(session_id: str, headers: RequestHeaders) -> Request:
    """Return the request that destroys this session (a checked id) and nothing else."""
    path = f"/v2/interact/{session_id}"
    if is_scrape(session_id):
        path = f"/v2/scrape/{session_id.removeprefix(_OF_SCRAPE)}/interact"
    return Request("DELETE", path, headers)


def parse_response(
    response: Response, *, headers: RequestHeaders, session_id: str, attempts: int
) -> DeletionReceipt:
    """Read a response: a receipt only for a 200 whose JSON object has `success` true.

    Anything else is raised as a `ResponseError`. If a field comes twice, the last one counts, as in
    most readers of JSON. The response may hold the key, so a text from it is masked before it has
    a name: see `RequestHeaders`.
    """
    content = _content(response)
    if not (response.status == 200 and bytes(content.success) == b"true"):
        raise _error(response, content, headers, session_id, attempts)
    duration = _billed(content.session_duration_ms, _number_decoder, session_id)
    # This warns if it is not a text. `_text` reads it again, since nothing unmasked has a name.
    has_status = _billed(content.status, _text_decoder, session_id) is not None
    return DeletionReceipt(
        session_id=session_id,
        session_duration_ms=None if duration is None else round(duration),
        credits_billed=_billed(content.credits_billed, _number_decoder, session_id),
        status=shown(headers.mask(_text(content.status))) if has_status else None,
        attempts=attempts,
    )


def _billed(raw: msgspec.Raw, decoder: msgspec.json.Decoder[_T], session_id: str) -> _T | None:
    """Decode a field of a receipt. The session is gone, whatever its bill looks like."""
    if not raw:
        return None
    try:
        return decoder.decode(raw)
    except _NOT_THE_SERVICES_JSON:
        extra = {"session_id": session_id, "session_fate": SessionFate.GONE}
        text = "session %a: destroyed, but not all of its receipt can be read"
        log(logging.WARNING, text, session_id, extra=extra)
        return None


def _error(
    response: Response, content: _Content, headers: RequestHeaders, session_id: str, attempts: int
) -> errors.ResponseError:
    status = response.status
    message = shown(headers.mask(_words(content)))
    reason = f"HTTP {status}"
    if message:
        reason += f": {message.removesuffix('.')}"
    elif response.body:
        # JSON may escape any part of a secret. One with a backslash may look escaped as it is. The
        # others wait, since a part of an escaped secret may be a secret, too.
        mask = headers.mask_backslashes
        excerpt = shown(
            headers.mask(_ESCAPED.sub(_unescaped, mask(response.body.decode(errors="replace")))),
            100,
        )
        reason += f" with a body that begins '{excerpt}'"
    kind = _kind(status, content)
    if kind is errors.UnexpectedResponseError:
        reason += ", a response that the service is not known to send"
    error = kind(
        reason,
        session_id=session_id,
        attempts=attempts,
        status=status,
        message=message or None,
        code=shown(headers.mask(_text(content.code))) or None,
        request_id=shown(headers.mask(response.headers.get("x-request-id", ""))) or None,
        retry_after=retry_after(response, message),
    )
    error.is_spoken = _is_services_json(content) and kind is not errors.UnexpectedResponseError
    # A 5xx does not show it: the service sends that when it cannot do its work, and gateways do.
    is_conflict = status == 409 and _words(content) != _BACKEND_FAILED
    is_at_work = kind is not errors.ServiceUnavailableError or is_conflict
    error.shows_service_works = error.is_spoken and is_at_work
    if kind in {errors.UnauthorizedError, errors.ForbiddenError} and not _is_services_json(content):
        error.transient = True
        error.advice = errors.UnexpectedResponseError.advice
    else:
        error.advice = _advice(error, has_key="Authorization" in headers)
    return error


def _unescaped(found: re.Match[str]) -> str:
    return found[1] or chr(int(found[2], 16))


def _advice(error: errors.ResponseError, *, has_key: bool) -> str:
    """Return what the caller can do about what the service or a server on the way has said."""
    if isinstance(error, errors.UnauthorizedError) and not has_key:
        return (
            "No API key was set: pass the service's key, or set FIRECRAWL_API_KEY where the"
            " environment is read."
        )
    if isinstance(error, errors.ForbiddenError) and error.message != _OF_ANOTHER_TEAM:
        # A banned account, a key for other endpoints or addresses: each has a text of its own.
        return "Its text says why. Correct that, or use another key."
    if isinstance(error, errors.UnexpectedResponseError) and error.status == 404:
        return (
            "Check the address of the service: it must not end in another version than /v2, and a"
            " server older than June 2026 does not know /v2/interact, only the older route"
            " /v2/browser."
        )
    if error.status == 500 and not is_uuid(error.session_id.removeprefix(_OF_SCRAPE)):
        return "The id is not a UUID, and the service fails so for each of these: check the id."
    return error.advice


def _kind(status: int, content: _Content) -> type[errors.ResponseError]:
    reports_failure = bytes(content.success) == b"false"
    if _words(content) == _BACKEND_FAILED:
        return errors.ServiceUnavailableError
    if status == 200 and reports_failure:
        return errors.NotDeletedError
    says_gone = _words(content).lower().removesuffix(".") in _GONE
    if status in {404, 410} and reports_failure and says_gone:
        return errors.SessionNotFoundError
    return _ERRORS.get(status, errors.UnexpectedResponseError)


def _content(response: Response) -> _Content:
    """Decode a body. Anything but the service's JSON gives no field."""
    if response.body.count(b"[") + response.body.count(b"{") > _MAX_BRACKETS:
        return _Content()
    try:
        return _content_decoder.decode(response.body)
    except _NOT_THE_SERVICES_JSON:
        return _Content()


def _is_services_json(content: _Content) -> bool:
    """Say whether this is the service's JSON: each of its responses has a boolean `success`."""
    return bytes(content.success) in {b"true", b"false"}


def _words(content: _Content) -> str:
    return _text(content.error) or _text(content.message)


def _text(raw: msgspec.Raw) -> str:
    """Decode a text of an error, with a mark for what is not UTF-8. Another type gives none."""
    try:
        return _text_decoder.decode(bytes(raw).decode(errors="replace")) or ""
    except _NOT_THE_SERVICES_JSON:
        return ""


def retry_after(response: Response, message: str) -> float | None:
    """Return the seconds that the service asks to wait: `Retry-After`, else the wait in its text.

    `Retry-After` is seconds or a date (RFC 9110, 10.2.3). A date is counted from the response's
    own `Date`, since the core has no clock. Anything else is ignored. The wait in the text is
    rounded to whole seconds, so half a second is added to it.
    """
    found = re.fullmatch(r"[ \t]*([0-9]{1,9})[ \t]*", response.headers.get("retry-after", ""))
    if found:
        return float(found[1])
    if "retry-after" in response.headers:
        from email.utils import parsedate_to_datetime  # noqa: PLC0415 - rare, and it takes 3 ms

        with suppress(LookupError, TypeError, ValueError, OverflowError):
            dates = [
                parsedate_to_datetime(response.headers[name]) for name in ("date", "retry-after")
            ]
            # Without an offset they mean UTC (RFC 9110, 5.6.7).
            zero = dates[0] - dates[0]
            now, then = (date.replace(tzinfo=None) - (date.utcoffset() or zero) for date in dates)
            return max(0.0, (then - now).total_seconds())
    found = re.search(r"retry after ([0-9]{1,9})\s?s", message, re.IGNORECASE)
    return float(found[1]) + 0.5 if found else None
