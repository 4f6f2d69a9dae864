"""What `docs/service.md` says of each response, and whether a response is so."""

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from firecrawl_interact.core import Response


class Rule(NamedTuple):
    """One rule: words of the page, and what differs in a response: nothing, or some words."""

    page: str
    difference: Callable[[Response], str]

    def judge(self, response: Response) -> str:
        """Say whether a response is as the page says."""
        difference = self.difference(response)
        return f"differs: {difference}" if difference else "as the page says"


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


def _page(response: Response) -> str:
    is_html = response.headers.get("content-type", "").startswith("text/html")
    return _first_of(_status(response, 404), "" if is_html else "it is no HTML page")


def _headers(response: Response) -> str:
    headers = response.headers
    missing = [name for name in ("etag", "x-response-time", "date") if name not in headers]
    if headers.get("keep-alive") != "timeout=5":
        missing.append("keep-alive: timeout=5")
    told = [name for name in ("x-request-id", "retry-after") if name in headers]
    return ", ".join([*(f"no {name}" for name in missing), *(f"{name} is there" for name in told)])


OPENED = Rule("Ids are UUIDs of version 7.", lambda response: _opened(response, "id"))
RECEIPT = Rule(
    "200 with `success` true: the session is destroyed and settled.",
    lambda response: _receipt(response, has_duration=True),
)
HEADERS = Rule("Each JSON response has a weak `ETag`", _headers)
REPEATED = Rule(
    "A session that was destroyed before gives 200 without a duration.",
    lambda response: _receipt(response, has_duration=False),
)
SPELLED = Rule("a UUID in upper case, without hyphens or in braces", RECEIPT.difference)
NOT_FOUND = Rule(
    "404 `Browser session not found.`: the service has no record",
    lambda response: _failure(response, 404, "Browser session not found."),
)
NO_UUID = Rule(
    "500 `An unexpected error occurred. ...`, always",
    lambda response: _failure(response, 500, "An unexpected error occurred."),
)
WRONG_KEY = Rule(
    "401, whose text begins with `Unauthorized`",
    lambda response: _failure(response, 401, "Unauthorized"),
)
NO_ROUTE = Rule("404 with an HTML page `Cannot DELETE ...`", _page)
OPENED_BY_SCRAPE = Rule(
    "responds with its `sessionId`", lambda response: _opened(response, "sessionId")
)
RECEIPT_OF_SCRAPE = Rule("ends one session of the scrape", RECEIPT.difference)
NO_SESSION_OF_SCRAPE = Rule("the scrape has had no session", NOT_FOUND.difference)
NO_UUID_OF_SCRAPE = Rule(
    "400 `Invalid job ID format.",
    lambda response: _failure(response, 400, "Invalid job ID format."),
)
