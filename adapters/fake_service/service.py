"""The service in memory, for tests: its keys and teams, sessions, billing and rate limit.

The rules are those of the service's source (github.com/firecrawl/firecrawl, `apps/api`).
`InMemoryTransport` calls it directly; `LoopbackService` puts it behind a real socket.
"""

import html
import math
import re
import threading
import time
import unicodedata
import uuid
from collections import deque
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import NoReturn, get_args
from urllib.parse import unquote

import msgspec

from firecrawl_interact.core.transport import Request, Response

from .clock import FakeClock
from .faults import (
    FakeServiceError,
    Fault,
    LostResponse,
    NoConnection,
    NoResponse,
    Reply,
)

_EPOCH = 1764022586.0  # Mon Nov 24 2025 22:16:26 UTC, when the fake's clock stands at 0
_ROUNDING = 1e-6  # floats are rounded: who waits exactly until the end does not come too early
_ROUTE = re.compile(r"/v2/(?:interact|browser)/([^/]+)")


class TimedResponse(msgspec.Struct, frozen=True):
    """What an adapter delivers, and how slowly."""

    response: Response
    seconds_per_byte: float = 0.0


class _Session(msgspec.Struct):
    team: str
    credits_per_hour: int
    created: float
    ended: float | None = None


class _Minute(msgspec.Struct):
    ends: float
    consumed: int = 0


class FakeService:
    """The service that destroys sessions, with the rules that a client can notice.

    Each key is a team of its own. Sessions do not expire by themselves: only a delete ends
    one. The clock starts at 0 and moves only when somebody waits. Safe to share among threads,
    but not to copy or pickle, for a copy would be another service.

    Args:
        api_keys: the keys that it knows. None at all makes it a self-hosted service without
            sign-in, which takes any request, key or none, as one team's.
        rate_limit: requests a minute that it takes from a team; refused ones count too.
        latency: seconds from a request to its response. It acts at once and responds late.

    Raises:
        FakeServiceError: a key, rate limit or latency that cannot work.
    """

    def __init__(
        self,
        api_keys: Iterable[str] = ("fc-test",),
        *,
        rate_limit: int | None = None,
        latency: float = 0.0,
    ) -> None:
        self._api_keys = tuple(api_keys)
        if isinstance(api_keys, str) or any(key.split() != [key] for key in self._api_keys):
            raise FakeServiceError("api_keys must be a list of keys, each without blanks")
        if rate_limit is not None and rate_limit < 0:
            raise FakeServiceError(f"rate_limit must not be negative, but is {rate_limit}")
        if not 0 <= latency < math.inf:
            raise FakeServiceError(f"latency must be seconds from 0 on, not {latency!r}")
        self.latency = latency
        self._rate_limit = rate_limit
        self._lock = threading.Lock()
        self._sessions: dict[str, _Session] = {}
        self._minutes: dict[str, _Minute] = {}
        self._faults: deque[Fault] = deque()
        self._requests: list[Request] = []
        self._clock = FakeClock()

    def open_session(
        self,
        session_id: str | uuid.UUID | None = None,
        *,
        api_key: str | None = None,
        prompt_used: bool = False,
    ) -> str:
        """Open a session, so that there is one to destroy.

        Args:
            session_id: its id; None makes one up.
            api_key: a key of the team that owns it; None means the first.
            prompt_used: whether a prompt drove it: then an hour costs 420 credits, not 120.

        Returns:
            The id.

        Raises:
            FakeServiceError: an unknown key, an id in use, or an id that no URL can carry.
        """
        session_id = str(uuid.uuid4() if session_id is None else session_id)
        if (
            session_id in ("", ".", "..")
            or session_id != session_id.strip()
            or any(unicodedata.category(character) in ("Cc", "Cs") for character in session_id)
        ):
            raise FakeServiceError(f"no URL can carry the session id {session_id!r}")
        team = self._team(api_key) if api_key is not None else (*self._api_keys, "")[0]
        if team is None:
            raise FakeServiceError("the service knows no such API key: see its api_keys")
        with self._lock:
            if session_id in self._sessions:
                raise FakeServiceError(f"there is a session {session_id!r} already")
            created = _EPOCH + self._clock.monotonic()
            self._sessions[session_id] = _Session(team, 420 if prompt_used else 120, created)
        return session_id

    def is_open(self, session_id: str | uuid.UUID) -> bool:
        """Return whether a session still runs, and bills.

        Raises:
            FakeServiceError: there never was such a session.
        """
        with self._lock:
            session = self._sessions.get(str(session_id))
        if session is None:
            raise FakeServiceError(f"there never was a session {str(session_id)!r}")
        return session.ended is None

    @property
    def requests(self) -> list[Request]:
        """The requests that reached the service, in order, without their `Authorization`."""
        with self._lock:
            return list(self._requests)

    def queue(self, *faults: Fault) -> None:
        """Let the next requests meet these faults: one each, in order.

        Raises:
            FakeServiceError: something that is not a fault; then none is queued.
        """
        for fault in faults:
            if type(fault) not in get_args(Fault):
                raise FakeServiceError(f"{fault!r} is not a fault, such as NoResponse()")
        with self._lock:
            self._faults.extend(faults)

    def respond(self, request: Request) -> TimedResponse | NoConnection | NoResponse | LostResponse:
        """Take one request. Called by an adapter, which then delivers what comes back.

        Returns:
            The response, to be delivered after `latency` seconds, or the fault to act out.
        """
        headers = dict(request.headers)
        names = [name for name in headers if name.lower() == "authorization"]
        authorization = "".join([headers.pop(name) for name in names][:1])
        with self._lock:
            fault = self._faults.popleft() if self._faults else None
            if isinstance(fault, NoConnection):
                return fault
            self._requests.append(Request(request.method, request.path, headers))
            if isinstance(fault, NoResponse):
                return fault
            if isinstance(fault, Reply):
                lowered = {name.lower(): value for name, value in fault.headers.items()}
                return TimedResponse(Response(fault.status, lowered, fault.body))
            response = self._act(request, authorization)
        if isinstance(fault, LostResponse):
            return fault
        return TimedResponse(response, fault.seconds_per_byte if fault else 0.0)

    def monotonic(self) -> float:
        """Return the time: the seconds waited so far."""
        return self._clock.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait: the clock moves on at once, or really waits while it runs on the system's."""
        self._clock.sleep(seconds)

    def system_time(self) -> AbstractContextManager[None]:
        """Let the clock run on with the system's while a block lasts. It never jumps back."""
        return self._clock.system_time()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a FakeService cannot be copied or pickled: the copy would be another service. "
            "For another process, put it behind a LoopbackService"
        )

    def _team(self, api_key: str) -> str | None:
        if not self._api_keys:
            return ""
        return api_key if api_key in self._api_keys else None

    def _act(self, request: Request, authorization: str) -> Response:
        # Like the service, it looks at the second word alone, whatever the first.
        token = authorization.partition(" ")[2].partition(" ")[0]
        team = self._team(token)
        if team is None:
            return _json(401, success=False, error=_unauthorized(authorization, token))
        if (excess := self._over_the_rate_limit(team)) is not None:
            return _json(429, success=False, error=excess)
        route = _ROUTE.fullmatch(request.path.partition("?")[0])
        if route is None or request.method != "DELETE":
            return _no_such_route(request)
        session = self._sessions.get(unquote(route[1]))
        if session is None:
            return _json(404, success=False, error="Browser session not found.")
        if session.team != team:
            return _json(403, success=False, error="Forbidden.")
        return _json(200, success=True, **self._settle(session))

    def _settle(self, session: _Session) -> dict[str, object]:
        settled_before = session.ended is not None
        if session.ended is None:
            session.ended = _EPOCH + self._clock.monotonic()
        # Epoch seconds resolve a quarter of a microsecond: this is seldom a whole number.
        milliseconds = (session.ended - session.created) * 1000
        rate = session.credits_per_hour
        credits_billed = max(math.ceil(rate / 60), math.ceil(milliseconds / 3_600_000 * rate))
        receipt = {"status": "stopped", "creditsBilled": credits_billed}
        return receipt if settled_before else {"sessionDurationMs": milliseconds, **receipt}

    def _over_the_rate_limit(self, team: str) -> str | None:
        if self._rate_limit is None:
            return None
        now = self._clock.monotonic()
        minute = self._minutes.get(team)
        if minute is None or minute.ends - now < _ROUNDING:
            minute = self._minutes[team] = _Minute(ends=now + 60)
        minute.consumed += 1
        if minute.consumed <= self._rate_limit:
            return None
        seconds = math.ceil(minute.ends - now - _ROUNDING / 2)
        weekday, month, day, clock, year = time.asctime(time.gmtime(_EPOCH + minute.ends)).split()
        return (
            f"Rate limit exceeded. Consumed (req/min): {minute.consumed}, Remaining (req/min): 0. "
            "Upgrade your plan at https://firecrawl.dev/pricing for increased rate limits or "
            f"please retry after {seconds}s, resets at {weekday} {month} {day:0>2} {year} {clock} "
            "GMT+0000 (Coordinated Universal Time)"
        )


def _unauthorized(authorization: str, token: str) -> str:
    if not authorization:
        return "Unauthorized"
    return "Unauthorized: Invalid token" if token else "Unauthorized: Token missing"


def _json(status: int, /, **content: object) -> Response:
    headers = {"content-type": "application/json; charset=utf-8"}
    return Response(status, headers, msgspec.json.encode(content))


def _no_such_route(request: Request) -> Response:
    text = html.escape(f"Cannot {request.method} {request.path.partition('?')[0]}")
    page = f"<!DOCTYPE html>\n<html><body>\n<pre>{text}</pre>\n</body></html>\n"
    return Response(404, {"content-type": "text/html; charset=utf-8"}, page.encode())
