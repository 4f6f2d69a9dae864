"""Which ids can be sent. What no service has ever made is refused before anything is sent."""

import re
import reprlib
import uuid
from collections.abc import AsyncIterable, Iterable
from typing import TypeAlias

from .errors import InvalidSessionIdError

SessionIds: TypeAlias = Iterable[str | uuid.UUID]
"""The ids of many sessions."""
AsyncSessionIds: TypeAlias = AsyncIterable[str | uuid.UUID]
"""The ids of many sessions, awaited one by one."""

LONGEST = 120
"""In characters. The service's own ids have 36; twice 120 still fit into the name of a file."""

# RFC 3986, 2.3: unreserved; and 5.2.4: the dots alone mean another path.
SENDABLE = re.compile(rf"(?!\.\.?\Z)[A-Za-z0-9._~-]{{1,{LONGEST}}}")

_USUAL_REASONS = {
    '"': "jq writes it around each id: use jq -r",
    "'": "quotes are not a part of the id",
    ",": "it comes from a list: pass each id alone",
    "[]{}": "this looks like JSON: pass each id alone, as jq -r '.[]' writes them",
    " \t\n\r;": "these may be several ids: pass each alone",
    "#": "a comment is not a part of the id",
    "%": "an id is never percent-encoded",
    "/:?": "pass the id alone, without a URL around it",
    "\ufeff": "it comes from a file with a byte order mark: save the file without one",
}


def checked_session_id(session_id: object) -> str:
    """Return the id as text, if it can name one session in one segment of a path.

    Raises:
        InvalidSessionIdError: it cannot. The message names what is wrong with it.
    """
    if isinstance(session_id, uuid.UUID):
        return str(session_id)
    if not isinstance(session_id, str):
        kind = type(session_id).__name__
        raise InvalidSessionIdError(
            f"a session id is a str or a uuid.UUID, not {kind}", session_id=reprlib.repr(session_id)
        )
    session_id = str.__str__(session_id)  # A subclass could give another text later.
    if SENDABLE.fullmatch(session_id):
        return session_id
    raise InvalidSessionIdError(
        f"the id cannot be sent: {_problem(session_id)}", session_id=session_id
    )


def _problem(session_id: str) -> str:
    if not session_id:
        return "it is empty"
    if session_id in {".", ".."}:
        return "it means another path (RFC 3986, 5.2.4)"
    wrong = re.search("[^A-Za-z0-9._~-]", session_id)
    if wrong is None:
        return f"it is longer than {LONGEST} characters"
    named = f"it has the character {wrong[0]!a}"
    if SENDABLE.fullmatch(session_id.strip()):
        return f"{named} (remove the white space around the id)"
    reasons = [reason for characters, reason in _USUAL_REASONS.items() if wrong[0] in characters]
    return f"{named} ({reasons[0]})" if reasons else named
