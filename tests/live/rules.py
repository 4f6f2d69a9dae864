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


def opened(response: Response, name: str = "id") -> str:
    """Ids are UUIDs of version 7."""
    if response.status != 200:
        return f"HTTP {response.status}, not 200"
    session_id = str(content_of(response).get(name))
    is_version_7 = re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f-]{17}", session_id)
    return "" if is_version_7 else f"{name} is no UUID of version 7"


def destroyed(response: Response) -> str:
    """200 with `success` true: the session is destroyed and settled."""
    duration = content_of(response).get("sessionDurationMs")
    return _settled(response) or _not_a_number("sessionDurationMs", duration)


def destroyed_before(response: Response) -> str:
    """A session that was destroyed before gives 200 without a duration."""
    has_duration = content_of(response).get("sessionDurationMs") is not None
    return _settled(response) or ("sessionDurationMs is there" if has_duration else "")


def _settled(response: Response) -> str:
    if response.status != 200:
        return f"HTTP {response.status}, not 200"
    content = content_of(response)
    if content.get("success") is not True:
        return f"success is {content.get('success')!r}, not true"
    return _not_a_number("creditsBilled", content.get("creditsBilled"))


def _not_a_number(name: str, found: object) -> str:
    is_number = isinstance(found, int | float) and not isinstance(found, bool) and found >= 0
    return "" if is_number else f"{name} is {found!r}"


def refused(status: int, words: str) -> Rule:
    """Return the rule that a failure has this status, and that its text begins so."""

    def rule(response: Response) -> str:
        content = content_of(response)
        if response.status != status:
            return f"HTTP {response.status}, not {status}"
        if content.get("success") is not False:
            return f"success is {content.get('success')!r}, not false"
        return "" if str(content.get("error")).startswith(words) else f"the text is not {words!r}"

    return rule


def no_route(response: Response) -> str:
    """A path that the service does not know gives a page, `Cannot DELETE ...`."""
    if response.status != 404:
        return f"HTTP {response.status}, not 404"
    is_html = response.headers.get("content-type", "").startswith("text/html")
    return "" if is_html else "it is no HTML page"
