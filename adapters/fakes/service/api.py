"""What the service does with a request about sessions."""

import math
import re
from collections import defaultdict
from typing import Annotated
from urllib.parse import unquote, urlsplit

import msgspec

from firecrawl_interact.core.transport import Request, Response

from .responses import (
    failure,
    json_response,
    no_such_route,
    rate_limited,
    unauthorized,
    unexpected_error,
)
from .sessions import ADDRESSES, Session, as_uuid, name_of, new_name, written

_KINDS = {
    "sessions": r"/v2/(?:interact|browser)(/?)",
    "session": r"/v2/(?:interact|browser)/([^/]+)/?",
    "execute": r"/v2/(?:interact|browser)/([^/]+)/execute/?",
    "scrape": r"/v2/scrape/([^/]+)/interact/?",
}
_ROUTES = {
    "POST sessions",
    "GET sessions",
    "DELETE session",
    "POST execute",
    "POST scrape",
    "DELETE scrape",
}
_OUTPUT = {"stdout": "done", "result": "done", "stderr": "", "exitCode": 0, "killed": False}
"""What comes of all code."""
_ROUNDING = 1e-6
"""Seconds. Times are floats: a request exactly at the end of a minute is not too early."""


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
        route = f"{request.method} {kind}"
        if route not in _ROUTES:
            return no_such_route(request)
        # Like the service, it looks at the second word alone, whatever the first.
        token = authorization.partition(" ")[2].partition(" ")[0]
        team = self.team_of(token)
        if team is None:
            return unauthorized(authorization, token)
        if route != "POST sessions":  # The limit of those is another one.
            minute = self._count_request(team, now)
            if minute.requests > rate_limit:
                return rate_limited(minute.requests, now=now, resets_at=minute.ends)
        try:
            asked = msgspec.json.decode(body or b"{}", type=_Body)
        except msgspec.MsgspecError:
            return failure(400, "Bad Request", code="BAD_REQUEST")
        if route == "POST sessions":
            new = self.open(Session(new_name(now), team, None, now, asked.ttl))
            content = {"id": new.name, **ADDRESSES, "expiresAt": written(new.ends)}
            return json_response(200, success=True, **content)
        if route == "GET sessions":
            return self._list(team, urlsplit(request.path).query.removeprefix("status="), now)
        return self._act(route, name, team, asked.prompt, now)

    def _count_request(self, team: str, now: float) -> _Minute:
        minute = self._minutes[team]
        if minute.ends - now < _ROUNDING:
            minute = self._minutes[team] = _Minute(now + 60)
        minute.requests += 1
        return minute

    def _list(self, team: str, status: str, now: float) -> Response:
        shown = [one.listed(now) for one in self.sessions.values() if one.team == team]
        newest_first = [one for one in reversed(shown) if status in {"", one["status"]}]
        return json_response(200, success=True, sessions=newest_first)

    def _act(self, route: str, name: str, team: str, prompt: str | None, now: float) -> Response:
        session, is_of_scrape = self.sessions.get(name), route.endswith(" scrape")
        if is_of_scrape:  # If one is open, it is the one that ends last.
            of_scrape = [one for one in self.sessions.values() if one.scrape == name]
            session = max(of_scrape, key=lambda one: one.ends, default=None)
        if session is None and as_uuid(name) is None:
            if is_of_scrape:
                return failure(400, "Invalid job ID format. Job ID must be a valid UUID.")
            return unexpected_error()
        if route == "POST scrape" and (session is None or session.ends <= now):
            session = self.open(Session(new_name(now), team, name, now))
        if session is None:
            return failure(404, "Browser session not found.")
        if session.team != team:
            return failure(403, "Forbidden.")
        if route.startswith("DELETE "):
            return json_response(200, success=True, **session.delete(now))
        if session.ends <= now:
            return failure(410, "Browser session has been destroyed.")
        content = {"sessionId": session.name, **ADDRESSES} if is_of_scrape else {}
        if prompt:
            session.credits_per_hour = 420
            content["output"] = "done"
        return json_response(200, success=True, **content, **_OUTPUT)


def route_of(request: Request) -> tuple[str, str]:
    """Return what a path is about, and the name of the session or of the scrape."""
    path = urlsplit(request.path).path
    for kind, pattern in _KINDS.items():
        if found := re.fullmatch(pattern, path, re.IGNORECASE):
            return kind, name_of(unquote(found[1]))
    return "", ""
