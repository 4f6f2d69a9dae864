"""What the service does with a request about sessions."""

import math
import re
from collections import defaultdict
from typing import Annotated
from urllib.parse import unquote, urlsplit

import msgspec

from firecrawl_interact.core.transport import Request, Response

from . import responses
from .responses import failure, json_response
from .sessions import ADDRESSES, Session, as_uuid, name_of, new_name, written

_ROUTES = {
    "sessions": ("GET POST", r"/v2/(?:interact|browser)(/?)"),
    "session": ("DELETE", r"/v2/(?:interact|browser)/([^/]+)/?"),
    "execute": ("POST", r"/v2/(?:interact|browser)/([^/]+)/execute/?"),
    "scrape": ("POST DELETE", r"/v2/scrape/([^/]+)/interact/?"),
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
        if not kind:
            return responses.no_such_route(request)
        # Like the service, it looks at the second word alone, whatever the first.
        token = authorization.partition(" ")[2].partition(" ")[0]
        team = self.team_of(token)
        if team is None:
            return responses.unauthorized(authorization, token)
        opens = (request.method, kind) == ("POST", "sessions")
        if not opens:  # The limit of what opens a session is another one.
            minute = self._count_request(team, now)
            if minute.requests > rate_limit:
                return responses.rate_limited(minute.requests, now=now, resets_at=minute.ends)
        try:
            asked = msgspec.json.decode(body or b"{}", type=_Body)
        except msgspec.MsgspecError:
            return failure(400, "Bad Request", code="BAD_REQUEST")
        if opens:
            new = self.open(Session(new_name(now), team, None, now, asked.ttl))
            content = {"id": new.name, **ADDRESSES, "expiresAt": written(new.ends)}
            return json_response(200, success=True, **content)
        if kind == "sessions":
            return self._list(team, urlsplit(request.path).query.removeprefix("status="), now)
        return self._act(request.method, kind, name, team, asked.prompt, now)

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

    def _act(  # noqa: PLR0913, PLR0917 - what a request says
        self, method: str, kind: str, name: str, team: str, prompt: str | None, now: float
    ) -> Response:
        session = self.sessions.get(name)
        if kind == "scrape":  # If one is open, it is the one that ends last.
            of_scrape = [one for one in self.sessions.values() if one.scrape == name]
            session = max(of_scrape, key=lambda one: one.ends, default=None)
        if session is None and as_uuid(name) is None:
            if kind == "scrape":
                return failure(400, "Invalid job ID format. Job ID must be a valid UUID.")
            return responses.unexpected_error()
        if kind == "scrape" and method == "POST" and (session is None or session.ends <= now):
            session = self.open(Session(new_name(now), team, name, now))
        if session is None:
            return failure(404, "Browser session not found.")
        if session.team != team:
            return failure(403, "Forbidden.")
        if method == "DELETE":
            return json_response(200, success=True, **session.delete(now))
        if session.ends <= now:
            return failure(410, "Browser session has been destroyed.")
        content = {"sessionId": session.name, **ADDRESSES} if kind == "scrape" else {}
        if prompt:
            session.credits_per_hour = 420
            content["output"] = "done"
        return json_response(200, success=True, **content, **_OUTPUT)


def route_of(request: Request) -> tuple[str, str]:
    """Return what a request is about, and the name of that session or scrape; or nothing."""
    path = urlsplit(request.path).path
    for kind, (methods, pattern) in _ROUTES.items():
        found = re.fullmatch(pattern, path, re.IGNORECASE)
        if found and request.method in methods.split():
            return kind, name_of(unquote(found[1]))
    return "", ""
