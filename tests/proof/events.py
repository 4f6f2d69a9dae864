"""One or two events, and then a calm and truthful service: what a call says, and what it costs.

An event is what comes back for one request, with one of the things that it may have done to the
session meanwhile. All have equal weight, which says nothing of how often they happen.
"""

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from firecrawl_interact.core import (
    BadResponseError,
    ConnectFailedError,
    ConnectionLostError,
    Response,
    TimedOutError,
    TransportError,
)

SESSION_ID = "0199a7c4-5d1e-7b60-9f3a-2c8e4d6b1a57"
A_RESPONSE = 1.0
"""Seconds from a request to its response."""

NOTHING, DESTROYED = "nothing", "destroyed"
HIDDEN = (NOTHING, DESTROYED)
"""What a request may have done whose response does not tell."""


class Event(NamedTuple):
    """What comes back, and what it did."""

    name: str
    comes: Response | TransportError
    did: str


class EventfulService:
    """Meets each request with the next event. After the last one it is calm and truthful."""

    def __init__(self, events: Sequence[Event]) -> None:
        self._events = iter(events)
        self._next = next(self._events, None)
        self.requests = 0
        self.is_live, self.has_confirmed = True, False

    @property
    def refuses(self) -> bool:
        """Whether the next connection does not come about."""
        return self._next is not None and isinstance(self._next.comes, ConnectFailedError)

    def meet(self) -> Response | TransportError:
        """Take one DELETE of the session, and return what comes back."""
        self.requests += 1
        event, self._next = self._next, next(self._events, None)
        comes = event.comes if event else _CALM if self.is_live else _CALM_ONCE_MORE
        self.is_live = self.is_live and event is not None and event.did == NOTHING
        if isinstance(comes, Response) and b'"success": true' in comes.body:
            self.has_confirmed = True
        return comes


def _json(status: int, content: object) -> Response:
    return Response(status, {"content-type": "application/json"}, json.dumps(content).encode())


def _words(status: int, words: str) -> Response:
    return _json(status, {"success": False, "error": words})


def _page(status: int, text: bytes = b"<html><h1>nginx</h1></html>") -> Response:
    return Response(status, {"content-type": "text/html"}, text)


def _redirect(status: int) -> Response:
    return Response(status, {"content-type": "text/html", "location": "/sign-in"}, b"")


_FRACTION = {"success": True, "sessionDurationMs": 39095.00002861023, "creditsBilled": 2}
_CLOUDFLARE = {"success": False, "errors": [{"code": 7003, "message": "No route"}], "result": None}

EVENTS: dict[str, tuple[Response | TransportError, Sequence[str]]] = {
    "200, success": (_json(200, {"success": True}), [DESTROYED]),
    "200, a fractional duration": (_json(200, _FRACTION), [DESTROYED]),
    "200, success false": (_words(200, "Not stopped."), HIDDEN),
    "200, {}": (_json(200, {}), HIDDEN),
    "200, empty": (_page(200, b""), HIDDEN),
    "200, truncated": (_page(200, b'{"success":tr'), HIDDEN),
    "200, a list": (_json(200, []), HIDDEN),
    "200, a login page": (_page(200, b"<html>Sign in</html>"), HIDDEN),
    **{f"{status}": (_page(status, b""), HIDDEN) for status in (202, 204)},
    **{f"{status}": (_redirect(status), HIDDEN) for status in (301, 302, 307)},
    "404, a page": (_page(404), HIDDEN),
    "404, empty": (_page(404, b""), HIDDEN),
    "404, a router's": (_json(404, {"success": False, "message": "Route not found"}), HIDDEN),
    "404, Cloudflare's": (_json(404, _CLOUDFLARE), HIDDEN),
    "404, the backend's": (_words(404, "Hangar request failed."), HIDDEN),
    **{f"{status}": (_page(status), HIDDEN) for status in (405, 406, 408)},
    "409": (_words(409, "Browser operation conflicts with another."), HIDDEN),
    "410, a page": (_page(410), HIDDEN),
    **{f"{status}": (_page(status), HIDDEN) for status in (418, 421, 425)},
    "401, the backend's": (_words(401, "Hangar request failed."), HIDDEN),
    "429, told": (_words(429, "Rate limit exceeded. Please retry after 20s, resets at"), [NOTHING]),
    "429, a page": (_page(429), [NOTHING]),
    "500": (_words(500, "An unexpected error occurred."), HIDDEN),
    "502, in words": (_words(502, "Browser is still stopping. Retry deletion shortly."), HIDDEN),
    "502, a page": (_page(502), HIDDEN),
    **{f"{status}": (_page(status), HIDDEN) for status in (503, 504, 520, 599)},
    "refused": (ConnectFailedError("refused"), [NOTHING]),
    "timed out": (TimedOutError("silence"), HIDDEN),
    "lost": (ConnectionLostError("lost"), HIDDEN),
    "stale": (ConnectionLostError("closed", stale=True), HIDDEN),
    "garbled": (BadResponseError("not HTTP"), HIDDEN),
    "too large": (BadResponseError("more than 1 MiB", transient=False), HIDDEN),
}


def all_events() -> Iterator[Event]:
    """Each event with each thing that it may have done."""
    for name, (comes, effects) in EVENTS.items():
        for did in effects:
            yield Event(name, comes, did)


_CALM = _json(200, _FRACTION)
_CALM_ONCE_MORE = _json(200, {"success": True, "status": "stopped", "creditsBilled": 2})
