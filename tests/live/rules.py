"""What `docs/service.md` says of each response, and whether a response is so."""

import json
import re
from collections.abc import Callable
from typing import Any, TypeAlias

from firecrawl_interact.core import Response

Rule: TypeAlias = Callable[[Response], str]
"""Says what differs in a response. Empty: it is as the page says."""


def content_of(response: Response) -> dict[str, Any]:  # Any: of JSON
    """Return the JSON object of a response, empty if it has none."""
    try:
        content = json.loads(response.body)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _first_of(*differences: str) -> str:
    return next(filter(None, differences), "")


def _status(response: Response, expected: int) -> str:
    return "" if response.status == expected else f"HTTP {response.status}, not {expected}"


def _success(response: Response, expected: bool) -> str:
    found = content_of(response).get("success")
    return "" if found is expected else f"success is {found!r}, not {expected}"


def _opened(response: Response, name: str) -> str:
    found = str(content_of(response).get(name))
    is_version_7 = re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f-]{17}", found)
    return _first_of(
        _status(response, 200), "" if is_version_7 else f"{name} is no UUID of version 7"
    )


def _number(response: Response, name: str, *, is_there: bool) -> str:
    found = content_of(response).get(name)
    if (found is not None) is not is_there:
        return f"{name} is {'missing' if is_there else 'there'}"
    is_number = isinstance(found, int | float) and not isinstance(found, bool) and found >= 0
    return "" if is_number or not is_there else f"{name} is {found!r}"


def _receipt(response: Response, *, has_duration: bool) -> str:
    return _first_of(
        _status(response, 200),
        _success(response, True),
        _number(response, "creditsBilled", is_there=True),
        _number(response, "sessionDurationMs", is_there=has_duration),
    )


def _failure(response: Response, status: int, words: str) -> str:
    """Compare the beginning of the text."""
    error = content_of(response).get("error")
    has_words = isinstance(error, str) and error.startswith(words)
    return _first_of(
        _status(response, status),
        _success(response, False),
        "" if has_words else f"the text is not {words!r}",
    )


def opened(response: Response) -> str:
    """Ids are UUIDs of version 7."""
    return _opened(response, "id")


def opened_by_scrape(response: Response) -> str:
    """A scrape's session has an id, too, under another name."""
    return _opened(response, "sessionId")


def destroyed(response: Response) -> str:
    """200 with `success` true: the session is destroyed and settled."""
    return _receipt(response, has_duration=True)


def destroyed_before(response: Response) -> str:
    """A session that was destroyed before gives 200 without a duration."""
    return _receipt(response, has_duration=False)


def not_found(response: Response) -> str:
    """The service has no record of the session, or of one of the scrape."""
    return _failure(response, 404, "Browser session not found.")


def no_uuid(response: Response) -> str:
    """An id that is no UUID gives a 500, always."""
    return _failure(response, 500, "An unexpected error occurred.")


def no_uuid_of_scrape(response: Response) -> str:
    return _failure(response, 400, "Invalid job ID format.")


def wrong_key(response: Response) -> str:
    return _failure(response, 401, "Unauthorized")


def no_route(response: Response) -> str:
    """A path that the service does not know gives a page, `Cannot DELETE ...`."""
    is_html = response.headers.get("content-type", "").startswith("text/html")
    return _first_of(_status(response, 404), "" if is_html else "it is no HTML page")
