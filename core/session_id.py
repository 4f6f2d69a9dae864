"""The ids that name a session: its own, or `scrape:` and the id of its scrape."""

import re
import uuid

from msgspec import UNSET

from .errors import InvalidSessionIdError

_OF_SCRAPE = "scrape:"  # No session's id has a colon.
_LONGEST_ID = 120  # Firecrawl's have 36.
_RESERVED = r"[^A-Za-z0-9._~-]"  # RFC 3986, 2.3
# What programs write for a value that is missing.
MISSING_VALUES = frozenset({"none", "null", "undefined", "nan"})


def checked_session_id(session_id: object) -> str:
    """Return the id as text, if it can be sent as one segment of a path.

    `scrape:` and the id of a scrape stand for the session of that scrape.

    Raises:
        InvalidSessionIdError: it cannot, and the message says why. Firecrawl makes no such ids.
    """
    if isinstance(session_id, uuid.UUID):
        return str(session_id)
    if not isinstance(session_id, str):
        kind = type(session_id).__name__
        raise InvalidSessionIdError(f"a session id is a str or a UUID, not {kind}", f"<{kind}>")
    if problem := _problem(bare_id(session_id)):
        raise InvalidSessionIdError(f"the id cannot be sent: {problem}", session_id)
    return str.__str__(session_id)  # An enum of texts would format as its name.


def session_id_of_scrape(scrape_id: object) -> str:
    """Return `scrape:` and the id of a scrape, which stand for the session of that scrape.

    Raises:
        InvalidSessionIdError: this is the id of no scrape. The message says what to pass.
    """
    if isinstance(scrape_id, str) and not is_scrape(scrape_id):
        return checked_session_id(f"{_OF_SCRAPE}{scrape_id}")
    if isinstance(scrape_id, uuid.UUID):
        return f"{_OF_SCRAPE}{scrape_id}"
    kind = type(scrape_id).__name__
    reason = f"scrape_id must be a str or a UUID, not {kind}"
    if isinstance(scrape_id, str):
        reason = "scrape_id begins with scrape: already. Pass the id of the scrape alone"
    elif scrape_id is None:
        reason = "scrape_id is None, so nothing names the scrape. Pass document.metadata.scrape_id"
    elif hasattr(scrape_id, "metadata"):
        reason += ". Pass its metadata.scrape_id"
    elif hasattr(scrape_id, "scrape_id"):
        reason += ". Pass its scrape_id"
    raise InvalidSessionIdError(reason, f"<{kind}>")


def chosen_session_id(session_id: object, scrape_id: object) -> object:
    """Return the id of the session or that of the scrape's session. Exactly one is not UNSET."""
    if (session_id is UNSET) is (scrape_id is UNSET):
        raise TypeError("pass either session_id or scrape_id=, and not both")
    return session_id if scrape_id is UNSET else session_id_of_scrape(scrape_id)


def is_scrape(session_id: str) -> bool:
    """Whether an id is `scrape:` and the id of a scrape, for the session of that."""
    return session_id.startswith(_OF_SCRAPE)


def bare_id(session_id: str) -> str:
    """Return the id of a session or a scrape, without `scrape:`."""
    return session_id.removeprefix(_OF_SCRAPE)


def is_uuid(text: str) -> bool:
    """Whether Firecrawl's database reads a text as a UUID.

    PostgreSQL accepts capitals, too, and a hyphen after any four digits or none.
    """
    return re.fullmatch("(?:[0-9A-Fa-f]{4}-?){7}[0-9A-Fa-f]{4}", text) is not None


def _problem(text: str) -> str:
    """Say why a text cannot be sent as an id. Empty: it can."""
    if not text:
        return "it is empty"
    if reserved := re.search(_RESERVED, text):
        return f"it has the character {reserved[0]!a}"
    if text in {".", ".."}:
        return "it means another path (RFC 3986, 5.2.4)"
    if text.lower() in MISSING_VALUES:
        return f"{text} stands for a value that is missing"
    return f"it is longer than {_LONGEST_ID} characters" if len(text) > _LONGEST_ID else ""
