"""The service's sessions, and what it does with a request about one."""

import math
import re
import secrets
import uuid
from collections import defaultdict
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import unquote, urlsplit

import msgspec

from firecrawl_interact.core.transport import Request, Response
from firecrawl_interact.core.wire import is_uuid

from . import responses
from .responses import failure, json_response, no_uuid

_ROUTES = {
    "open": ("POST", r"/v2/(?:interact|browser)(/?)"),
    "session": ("DELETE", r"/v2/(?:interact|browser)/([^/]+)/?"),
    "execute": ("POST", r"/v2/(?:interact|browser)/([^/]+)/execute/?"),
    "scrape": ("POST DELETE", r"/v2/scrape/([^/]+)/interact/?"),
}
_ADDRESSES = dict.fromkeys(("cdpUrl", "liveViewUrl", "interactiveLiveViewUrl"), "wss://127.0.0.1")
"""Where a session could be driven and seen: nobody is there."""
_OUTPUT = {"stdout": "done", "result": "done", "stderr": "", "exitCode": 0, "killed": False}
"""What comes of all code."""
_SETTLED_AFTER = 15
"""Seconds from the end of a session's time until the service notices it, and settles the bill."""
_ROUNDING = 1e-6
"""Seconds. Times are floats: a request exactly at the end of a minute is not too early."""


class Session(msgspec.Struct):
    """One session. Times are seconds since 1970."""

    name: str
    team: str
    scrape: str | None
    created: float
    ttl: float = 600  # seconds that it lives if nobody deletes it
    credits_per_hour: int = 120
    deleted: float = math.inf

    @property
    def ends(self) -> float:
        """When it ended, or will end by itself."""
        return min(self.deleted, self.created + self.ttl)

    def delete(self, now: float) -> dict[str, object]:
        """End it, unless it has ended, and return its receipt."""
        is_settled = now >= min(self.deleted, self.ends + _SETTLED_AFTER)
        self.deleted = min(self.deleted, now)
        # A float of seconds since 1970 is that inexact: this is seldom a whole number.
        milliseconds = (self.ends - self.created) * 1000
        rate = self.credits_per_hour
        credits_billed = max(math.ceil(rate / 60), math.ceil(milliseconds / 3_600_000 * rate))
        receipt = {"status": "stopped", "creditsBilled": credits_billed}
        return receipt if is_settled else {"sessionDurationMs": milliseconds, **receipt}


class _Minute(msgspec.Struct):
    """A fixed window of the rate limit. It begins with a request."""

    ends: float = -math.inf
    requests: int = 0


class _Body(msgspec.Struct):
    ttl: Annotated[float, msgspec.Meta(ge=30, le=3600)] = 600
    prompt: str | None = None


class Api:
    """Keys, teams and their sessions. Times are seconds since 1970."""

    def __init__(self, api_keys: tuple[str, ...]) -> None:
        self.sessions: dict[str, Session] = {}
        self._api_keys = api_keys
        self._minutes: defaultdict[str, _Minute] = defaultdict(_Minute)

    def team_of(self, api_key: str) -> str | None:
        """Return the team of a key; None: the key is not known."""
        if not self._api_keys:
            return ""
        return api_key if api_key in self._api_keys else None

    def open(self, session: Session) -> Session:
        """Open a session."""
        self.sessions[session.name] = session
        return session

    def respond(
        self, request: Request, authorization: str, body: bytes, rate_limit: float, now: float
    ) -> Response:
        """Act as the service does: the route counts first, then the key, then the rate limit."""
        kind, name = route_of(request)
        if not kind:
            return responses.no_such_route(request)
        # Like the service, it looks at the second word alone, whatever the first.
        token = authorization.partition(" ")[2].partition(" ")[0]
        team = self.team_of(token)
        if team is None:
            return responses.unauthorized(authorization, token)
        if kind != "open":  # The limit of what opens a session is another one.
            minute = self._count_request(team, now)
            if minute.requests > rate_limit:
                return responses.rate_limited(minute.requests, now=now, resets_at=minute.ends)
        try:
            asked = msgspec.json.decode(body or b"{}", type=_Body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return failure(400, "Bad Request", code="BAD_REQUEST")
        if kind == "open":
            return self._open(team, asked.ttl, now)
        session = self._find(request.method, kind, name, team, now)
        if session is None:
            is_known_form = _as_uuid(name) is not None
            return failure(404, "Browser session not found.") if is_known_form else no_uuid(kind)
        if session.team != team:
            return failure(403, "Forbidden.")
        if request.method == "DELETE":
            return json_response(200, success=True, **session.delete(now))
        return _use(session, asked.prompt, now)

    def _count_request(self, team: str, now: float) -> _Minute:
        minute = self._minutes[team]
        if minute.ends - now < _ROUNDING:
            minute = self._minutes[team] = _Minute(now + 60)
        minute.requests += 1
        return minute

    def _open(self, team: str, ttl: float, now: float) -> Response:
        session = self.open(Session(new_name(now), team, None, now, ttl))
        expires = datetime.fromtimestamp(session.ends, UTC).isoformat().replace("+00:00", "Z")
        return json_response(200, success=True, id=session.name, expiresAt=expires, **_ADDRESSES)

    def _find(self, method: str, kind: str, name: str, team: str, now: float) -> Session | None:
        """Find the session of a request. A POST for a scrape opens one, if none is open."""
        if kind != "scrape":
            return self.sessions.get(name)
        of_scrape = [session for session in self.sessions.values() if session.scrape == name]
        latest = max(of_scrape, key=lambda session: session.ends, default=None)
        if method == "DELETE" or (latest is not None and latest.ends > now):
            return latest
        if latest is None and _as_uuid(name) is None:
            return None
        return self.open(Session(new_name(now), team, name, now))


def _use(session: Session, prompt: str | None, now: float) -> Response:
    """Return what comes of code or of a prompt."""
    if session.ends <= now:
        return failure(410, "Browser session has been destroyed.")
    content = dict(_OUTPUT)
    if session.scrape is not None:
        content |= {"sessionId": session.name, **_ADDRESSES}
    if prompt:
        session.credits_per_hour = 420
        content["output"] = "done"
    return json_response(200, success=True, **content)


def route_of(request: Request) -> tuple[str, str]:
    """Return what a request is about, and the name of that session or scrape; or nothing."""
    path = urlsplit(request.path).path
    for kind, (methods, pattern) in _ROUTES.items():
        found = re.fullmatch(pattern, path, re.IGNORECASE)
        if found and request.method in methods.split():
            return kind, name_of(unquote(found[1]))
    return "", ""


def new_name(now: float) -> str:
    """Return a random UUID of version 7, which begins with the time (RFC 9562, 5.7)."""
    first = int(now * 1000) << 16 | 7 << 12 | secrets.randbits(12)
    return str(uuid.UUID(int=first << 64 | 2 << 62 | secrets.randbits(62)))


def name_of(session_id: str) -> str:
    """Return an id as the service keeps it, or as a test has opened it."""
    return _as_uuid(session_id) or session_id


def _as_uuid(text: str) -> str | None:
    """Return a UUID as PostgreSQL keeps it, which takes it in braces, too."""
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1]
    return str(uuid.UUID(text)) if is_uuid(text) else None
