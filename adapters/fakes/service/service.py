"""A fake of the service for tests: its keys and teams, sessions, billing and rate limit.

The rules are those of the service's source (github.com/firecrawl/firecrawl, `apps/api`).
`InMemoryTransport` calls it directly; `LoopbackService` puts it behind a real socket.
"""

import math
import re
import threading
import uuid
from collections import defaultdict, deque
from collections.abc import Iterable
from typing import NoReturn
from urllib.parse import unquote

import msgspec

from firecrawl_interact.core.errors import InvalidSessionIdError
from firecrawl_interact.core.transport import Request, Response
from firecrawl_interact.core.wire import checked_session_id

from .clock import FakeClock
from .faults import (
    FakeServiceError,
    Fault,
    LostResponse,
    NoConnection,
    NoResponse,
    Reply,
    check_fault,
)
from .rate_limit import Minute
from .responses import (
    EPOCH,
    Session,
    json_response,
    no_such_route,
    rate_limited,
    unauthorized,
)

_ROUTE = re.compile(r"/v2/(?:interact|browser)/([^/]+)")


class TimedResponse(msgspec.Struct, frozen=True):
    """A response, and how slowly an adapter delivers it."""

    response: Response
    seconds_per_byte: float = 0.0


class FakeService:
    """The service that destroys sessions, with the rules that a client can notice.

    Each key belongs to another team. Sessions do not expire: only a delete ends one. The clock
    starts at 0 and advances only when somebody waits. Safe to share among threads, but not to
    copy or pickle, since a copy would be another service.

    Args:
        api_keys: the keys that it knows. With none it is a self-hosted service without sign-in:
            all requests, with any key or without, are those of one team.
        rate_limit: requests a minute that it accepts from each team; None: any number. Requests
            that fail count too.
        latency: seconds from a request to its response. It acts at once and responds late.

    Raises:
        FakeServiceError: a key, rate limit or latency cannot work.
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
        if not 0 <= latency < math.inf:
            raise FakeServiceError(f"latency must be seconds from 0 on, not {latency!r}")
        if rate_limit is not None and (type(rate_limit) is not int or rate_limit < 0):
            raise FakeServiceError(f"rate_limit must be an int from 0 on, not {rate_limit!r}")
        self.latency: float = latency  #: it may be changed
        self.rate_limit: int | None = (
            rate_limit  #: it may be changed; what a team sent still counts
        )
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}
        self._minutes: defaultdict[str, Minute] = defaultdict(Minute)
        self._faults: deque[Fault] = deque()
        self._outage: tuple[Fault, float] | None = None
        self._requests: list[Request] = []
        self.clock: FakeClock = FakeClock()

    def open_session(
        self,
        session_id: str | uuid.UUID | None = None,
        *,
        api_key: str | None = None,
        prompt_used: bool = False,
    ) -> str:
        """Open a session, so that there is one to destroy.

        Args:
            session_id: its id; None: a random one.
            api_key: the key of the team that owns it; None: the first key.
            prompt_used: whether a prompt drove it: then an hour costs 420 credits, not 120.

        Returns:
            The id.

        Raises:
            FakeServiceError: an unknown key, an id in use, or an id that `DeleteSession` refuses.
        """
        try:
            session_id = checked_session_id(uuid.uuid4() if session_id is None else session_id)
        except InvalidSessionIdError as error:
            raise FakeServiceError(f"the service makes no such id: {error.args[0]}") from error
        team = self._team(api_key) if api_key is not None else (*self._api_keys, "")[0]
        if team is None:
            raise FakeServiceError("the service knows no such API key: see its api_keys")
        with self._lock:
            if session_id in self._sessions:
                raise FakeServiceError(f"there is a session {session_id!r} already")
            credits_per_hour = 420 if prompt_used else 120
            self._sessions[session_id] = Session(team, credits_per_hour, self._now())
        return session_id

    def is_open(self, session_id: str | uuid.UUID) -> bool:
        """Return whether a session still runs and costs credits.

        Raises:
            FakeServiceError: there never was such a session.
        """
        with self._lock:
            session = self._sessions.get(str(session_id))
        if session is None:
            raise FakeServiceError(f"there never was a session {str(session_id)!r}")
        return session.ended is None

    @property
    def sessions_left_open(self) -> list[str]:
        """The ids of the sessions that still run, in the order in which they were opened."""
        with self._lock:
            return [name for name, session in self._sessions.items() if session.ended is None]

    @property
    def requests(self) -> list[Request]:
        """The requests that reached the service, in order, without their `Authorization`."""
        with self._lock:
            return list(self._requests)

    def queue(self, *faults: Fault) -> None:
        """Let the next requests meet these faults: one each, in order.

        Raises:
            FakeServiceError: something is not a fault; then none is queued.
        """
        for fault in faults:
            check_fault(fault)
        with self._lock:
            self._faults.extend(faults)

    def outage(self, seconds: float, fault: Fault = NoConnection()) -> None:  # noqa: B008 - immutable
        """Start an outage: every request meets this fault. Queued faults stay in the queue.

        Args:
            seconds: how long it lasts on the service's clock. `math.inf`: for ever. 0 ends the
                current outage.
            fault: what each request meets, such as `NoResponse()` or `Reply(503)`.

        Raises:
            FakeServiceError: `fault` is not a fault, or `seconds` is negative or no number.
        """
        check_fault(fault)
        if not seconds >= 0:
            raise FakeServiceError(f"an outage lasts 0 seconds or more, not {seconds!r}")
        with self._lock:
            self._outage = fault, self.clock.monotonic() + seconds

    def respond(self, request: Request) -> TimedResponse | NoConnection | NoResponse | LostResponse:
        """Handle one request. An adapter calls this, and delivers what is returned.

        Returns:
            The response, to be delivered after `latency` seconds, or the fault to simulate.
        """
        headers = dict(request.headers)
        names = [name for name in headers if name.lower() == "authorization"]
        authorization = "".join([headers.pop(name) for name in names][:1])
        with self._lock:
            fault = self._next_fault()
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
        """Return the time of the clock, in seconds."""
        return self.clock.monotonic()

    def sleep(self, seconds: float) -> None:
        """Advance the clock at once. While a `LoopbackService` serves, really wait."""
        self.clock.sleep(seconds)

    def __repr__(self) -> str:
        return (
            f"<FakeService: {len(self.sessions_left_open)} of {len(self._sessions)} sessions open,"
            f" requests: {len(self._requests)}, rate limit: {self.rate_limit}>"
        )

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a FakeService cannot be copied or pickled: the copy would be another service. "
            "For another process, put it behind a LoopbackService"
        )

    def _next_fault(self) -> Fault | None:
        if self._outage and self.clock.monotonic() < self._outage[1]:
            return self._outage[0]
        return self._faults.popleft() if self._faults else None

    def _now(self) -> float:
        return EPOCH + self.clock.monotonic()

    def _team(self, api_key: str) -> str | None:
        if not self._api_keys:
            return ""
        return api_key if api_key in self._api_keys else None

    def _act(self, request: Request, authorization: str) -> Response:
        # Like the service, it looks at the second word alone, whatever the first.
        token = authorization.partition(" ")[2].partition(" ")[0]
        team = self._team(token)
        if team is None:
            return unauthorized(authorization, token)
        minute, now = self._minutes[team], self.clock.monotonic()
        minute.count_request(now)
        if self.rate_limit is not None and minute.requests > self.rate_limit:
            return rate_limited(minute.requests, minute.ends_at - now, resets_at=minute.ends_at)
        route = _ROUTE.fullmatch(request.path.partition("?")[0])
        if route is None or request.method != "DELETE":
            return no_such_route(request)
        session = self._sessions.get(unquote(route[1]))
        if session is None:
            return json_response(404, success=False, error="Browser session not found.")
        if session.team != team:
            return json_response(403, success=False, error="Forbidden.")
        return json_response(200, success=True, **session.settle(self._now()))
