"""A reader of what a response means (docs/outcomes.md): slow, plain, and from the rules alone.

It shares no code with the library. Where fuzzing finds the two to differ, one of them is wrong.
"""

import calendar
import json
import math
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime, parsedate_tz
from typing import NamedTuple

from .model import row_of_status

_GONE = {
    f"{whose}session {what}{stop}"
    for whose in ("", "browser ", "interact ")
    for what in ("not found", "has been destroyed")
    for stop in ("", ".")
}
_BACKEND = "Hangar request failed."
_DEEPEST = 100  # Text is not read if more arrays and objects are open at a time.
_LONGEST_TEXT = 500
_HEXADECIMAL = set("0123456789abcdefABCDEF")
FATES = {
    "DeletionReceipt": "GONE",
    "SessionNotFoundError": "GONE",
    "BadRequestError": "UNTOUCHED",
    "UnauthorizedError": "UNTOUCHED",
    "PaymentRequiredError": "UNTOUCHED",
    "ForbiddenError": "UNTOUCHED",
    "RateLimitError": "UNTOUCHED",
    "ServiceUnavailableError": "UNKNOWN",
    "NotDeletedError": "UNKNOWN",
    "UnexpectedResponseError": "UNKNOWN",
}
_NEVER_TRANSIENT = {"DeletionReceipt", "BadRequestError", "PaymentRequiredError"} | {
    "SessionNotFoundError"
}


class Reading(NamedTuple):
    """What a response means, field by field. None: it does not say, or it is of another kind."""

    outcome: str
    fate: str
    from_service: bool = False
    transient: bool = False
    session_duration_ms: int | None = None
    credits_billed: float | None = None
    session_status: str | None = None
    http_status: int | None = None
    api_message: str | None = None
    code: str | None = None
    request_id: str | None = None
    retry_after: float | None = None


def read_outcome(
    status: int, headers: dict[str, str], body: bytes, key: str, session_id: str
) -> Reading:
    """Say what a response means. `key` is the secret that no field may show."""
    content = _content(body)
    success = content.get("success")
    has_success = isinstance(success, bool)
    said = [_text(content.get(name)) for name in ("error", "message")]
    words = next((text for text in said if text), "")
    if status == 200 and success is True:
        return _receipt(content, key)
    says_unknown = success is False and content.get("code") == "UNKNOWN_ERROR"
    if status == 500 and says_unknown and not _is_uuid(session_id):
        outcome = "BadRequestError"
    elif words == _BACKEND:
        outcome = "ServiceUnavailableError"
    elif status == 200 and success is False:
        outcome = "NotDeletedError"
    elif status in (404, 410) and success is False and words.lower() in _GONE:
        outcome = "SessionNotFoundError"
    else:
        outcome = row_of_status(status)
    is_refusal = outcome in ("UnauthorizedError", "ForbiddenError")
    message = _shown(words, key)
    return Reading(
        outcome,
        FATES[outcome],
        from_service=has_success and outcome != "UnexpectedResponseError",
        transient=not has_success if is_refusal else outcome not in _NEVER_TRANSIENT,
        http_status=status,
        api_message=message,
        code=_shown(_text(content.get("code")), key),
        request_id=_shown(headers.get("x-request-id", ""), key),
        retry_after=_wait(headers, content, message or ""),
    )


def _is_uuid(session_id: str) -> bool:
    """Say whether PostgreSQL reads an id, or that of a scrape, as a UUID: by groups of digits."""
    groups = session_id.removeprefix("scrape:").split("-")
    are_fours = all(group and len(group) % 4 == 0 for group in groups)
    return are_fours and len("".join(groups)) == 32 and set("".join(groups)) <= _HEXADECIMAL


def _receipt(content: dict[str, object], key: str) -> Reading:
    duration = _figure(content.get("sessionDurationMs"))
    return Reading(
        "DeletionReceipt",
        "GONE",
        from_service=True,
        session_duration_ms=None if duration is None else round(duration),
        credits_billed=_figure(content.get("creditsBilled")),
        session_status=_shown(_text(content.get("status")), key),
    )


def _figure(value: object) -> float | None:
    """Return a number, if it is one that somebody can reckon with."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) else None


def _content(body: bytes) -> dict[str, object]:
    """Return the fields of an object in JSON (RFC 8259); none for anything else.

    Bytes that are not UTF-8 become surrogates, which no JSON that is read here has otherwise.
    """
    text = body.decode(errors="surrogateescape")
    if _depth(text) > _DEEPEST or _has_half_a_pair(text):
        return {}
    try:
        content = json.loads(text, parse_constant=_refuse, parse_int=_integer)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _depth(text: str) -> int:
    """Return how many arrays and objects are open at a time, at most."""
    depth = deepest = 0
    for mark in re.findall(r'(?s)"(?:[^"\\]|\\.)*"|[][{}]', text):  # a text or a bracket
        depth += (mark in "[{") - (mark in "]}")
        deepest = max(deepest, depth)
    return deepest


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _integer(digits: str) -> float:
    return int(digits) if len(digits) < 300 else float(digits)


def _has_half_a_pair(text: str) -> bool:
    """Say whether a text escapes one half of a surrogate pair: it means no character."""
    escapes = re.sub(r"\\[^u]", "  ", text)
    pairs = r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    return re.search(r"\\u[dD][89a-fA-F]", re.sub(pairs, " ", escapes)) is not None


def _text(value: object) -> str:
    """Return a text, with a mark for bytes that are not UTF-8."""
    if not isinstance(value, str):
        return ""
    return value.encode(errors="surrogateescape").decode(errors="replace")


def _shown(text: str, key: str) -> str | None:
    """Return a text without the key, short, and with escapes for what nobody can see."""
    masked = text.replace(key, "***")[:_LONGEST_TEXT]
    shown = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in masked)
    return shown[:_LONGEST_TEXT] or None


def _wait(headers: dict[str, str], content: dict[str, object], message: str) -> float | None:
    """Return the seconds to wait: of the header (RFC 9110, 10.2.3), else of the field or text."""
    asked = headers.get("retry-after", "").strip(" \t")
    if re.fullmatch("[0-9]{1,9}", asked):
        return float(asked)
    now, then = _moment(headers.get("date", "")), _moment(asked)
    if now is not None and then is not None and _has_zone(headers["date"]) == _has_zone(asked):
        return max(0.0, float(then - now))
    seconds = _figure(content.get("retry_after_seconds"))
    if seconds is not None and 0 <= seconds < 10**9:
        return float(seconds)
    # An older service rounds the seconds in its text, down half of the time.
    for digits in re.findall("retry after ([0-9]+) ?s", message.lower()):
        if len(digits) <= 9:
            return int(digits) + 0.5
    return None


def _has_zone(text: str) -> bool:
    return parsedate_to_datetime(text).tzinfo is not None


def _moment(text: str) -> int | None:
    """Return the seconds of a date since 1970, in each form of RFC 9110, 5.6.7."""
    parts = parsedate_tz(text)
    if parts is None:
        return None
    year, month, day, hour, minute, second, *_, offset = parts
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        utc = moment - timedelta(seconds=offset or 0)
    except (ValueError, OverflowError):  # There is no such moment.
        return None
    return calendar.timegm(utc.timetuple())
