"""A fake of the service for tests: what a test sets up, and what it can look at.

The rules are those of the service's source (github.com/firecrawl/firecrawl, `apps/api`).
`InMemoryTransport` calls it directly; `LoopbackService` puts it behind a real socket.
"""

import math
import threading
import uuid
from collections.abc import Iterable

from firecrawl_interact.core.errors import InvalidSessionIdError
from firecrawl_interact.core.transport import Request, Response
from firecrawl_interact.core.wire import checked_session_id

from . import responses
from .api import Api, Session, name_of, new_name, route_of
from .clock import FakeClock
from .faults import UNHANDLED, FakeServiceError, Fault, NoConnection, Reply, check_fault, or_nan

_EPOCH = 1764022586.0
"""Mon Nov 24 2025 22:16:26 UTC: the Unix time when the service's clock is at 0."""


class FakeService:
    """The service that opens and destroys sessions, with the rules that a client can notice.

    Each key belongs to another team. A session ends by a delete, or when its time is over. The
    clock starts at 0 and moves only when somebody waits, or by `advance`. Safe to share among
    threads. It cannot be copied or pickled: for another process, put it behind a `LoopbackService`.

    Args:
        api_keys: the keys that it knows. With none it is a fork without sign-in: all requests, with
            any key or without, are those of one team.
        rate_limit: requests a minute that it accepts from each team; None: any number. Requests
            that fail count too, and those that open a session do not.
        latency: seconds from a request to its response. It acts at once and responds late.

    Raises:
        FakeServiceError: what it was given cannot work. Each method raises it, too.
    """

    def __init__(
        self,
        api_keys: Iterable[str] = ("fc-test",),
        *,
        rate_limit: int | None = None,
        latency: float = 0.0,
    ) -> None:
        keys = tuple(api_keys)
        if isinstance(api_keys, str) or any(str(key).split() != [key] for key in keys):
            raise FakeServiceError("api_keys must be a list of keys, each without blanks")
        if not 0 <= or_nan(latency) < math.inf:
            raise FakeServiceError(f"latency must be seconds from 0 on, not {latency!r}")
        if rate_limit is not None and (type(rate_limit) is not int or rate_limit < 0):
            raise FakeServiceError(f"rate_limit must be an int from 0 on, not {rate_limit!r}")
        self.latency: float = latency  #: it may be changed
        self.rate_limit: int | None = rate_limit  #: it may be changed; what was sent still counts
        self.clock: FakeClock = FakeClock()
        self._api = Api(keys)
        self._first_key = keys[0] if keys else ""
        self._lock = threading.Lock()
        self._faults: list[tuple[str | None, Fault]] = []
        self._outage: tuple[float, Fault] = (-math.inf, NoConnection())
        self._requests: list[Request] = []

    def open_session(
        self,
        session_id: str | uuid.UUID | None = None,
        *,
        api_key: str | None = None,
        prompt_used: bool = False,
        ttl: float = 600,
        scrape_id: str | None = None,
    ) -> str:
        """Open a session, so that there is one to destroy, and return its id.

        Args:
            session_id: its id, one that `DeleteSession` takes and nobody has; None: a random one.
                The service makes UUIDs alone. It responds with a 500 to a delete of any other id,
                but for one that was opened here.
            api_key: the key of the team that owns it; None: the first key.
            prompt_used: whether a prompt drove it: then an hour costs 420 credits, not 120.
            ttl: its time-to-live, in seconds.
            scrape_id: the id of the scrape whose session it is; None: of none.
        """
        name = new_name(self._now()) if session_id is None else _checked(session_id)
        scrape = None if scrape_id is None else _checked(scrape_id)
        team = self._api.team_of(self._first_key if api_key is None else api_key)
        if team is None:
            raise FakeServiceError("the service knows no such API key: see its api_keys")
        if not or_nan(ttl) > 0:
            raise FakeServiceError(f"a session lives for more than 0 seconds, not {ttl!r}")
        with self._lock:
            if name in self._api.sessions:
                raise FakeServiceError(f"there is a session {name!r} already")
            rate = 420 if prompt_used else 120
            self._api.open(Session(name, team, scrape, self._now(), ttl, rate))
        return name

    def is_open(self, session_id: str | uuid.UUID) -> bool:
        """Return whether a session that there was still runs and costs credits."""
        session = self._api.sessions.get(name_of(str(session_id)))
        if session is None:
            raise FakeServiceError(f"there never was a session {str(session_id)!r}")
        return self._now() < session.ends

    @property
    def sessions_left_open(self) -> list[str]:
        """The ids of the sessions that still run, in the order in which they were opened."""
        with self._lock:
            now = self._now()
            return [session.name for session in self._api.sessions.values() if now < session.ends]

    @property
    def requests(self) -> list[Request]:
        """The requests that reached the service, in order, without their `Authorization`."""
        return list(self._requests)

    def queue(self, *faults: Fault, session_id: str | uuid.UUID | None = None) -> None:
        """Let the next requests meet these faults: one each, in order.

        Args:
            faults: what they meet.
            session_id: the session whose requests meet them; None: requests of any session.
        """
        for fault in faults:
            check_fault(fault)
        if isinstance(session_id, str):
            session_id = session_id.removeprefix("scrape:")
        name = None if session_id is None else _checked(session_id)
        with self._lock:
            self._faults += [(name, fault) for fault in faults]

    @property
    def queued(self) -> list[Fault]:
        """The queued faults that no request has met yet, in order."""
        return [fault for _, fault in self._faults]

    def outage(self, seconds: float, fault: Fault = NoConnection()) -> None:  # noqa: B008 - immutable
        """Start an outage: every request meets this fault. Queued faults stay in the queue.

        Args:
            seconds: how long it lasts on the service's clock. `math.inf`: for ever. 0 ends the
                current outage.
            fault: what each request meets, such as `NoResponse()` or `Reply(503)`.
        """
        check_fault(fault)
        if not or_nan(seconds) >= 0:
            raise FakeServiceError(f"an outage lasts 0 seconds or more, not {seconds!r}")
        self._outage = self.clock.monotonic() + seconds, fault

    def monotonic(self) -> float:
        """Return the time of the clock, in seconds."""
        return self.clock.monotonic()

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass at once on the service's clock."""
        if not 0 <= or_nan(seconds) < math.inf:
            raise FakeServiceError(f"a clock advances by 0 seconds or more, not {seconds!r}")
        self.clock.advance(seconds)

    def respond(self, request: Request, body: bytes = b"") -> tuple[Response, Fault | None]:
        """Handle one request. An adapter calls this, and delivers what is returned.

        Returns:
            The response, to be delivered after `latency` seconds, and the fault that it meets. The
            response is empty for a fault of `UNHANDLED`.
        """
        headers = dict(request.headers)
        names = [name for name in headers if name.lower() == "authorization"]
        authorization = "".join([headers.pop(name) for name in names][:1])
        with self._lock:
            fault = self._next_fault(request)
            if not isinstance(fault, NoConnection):
                self._requests.append(Request(request.method, request.path, headers))
            if isinstance(fault, Reply):
                lowered = {name.lower(): value for name, value in fault.headers.items()}
                return Response(fault.status, lowered, fault.body), fault
            if isinstance(fault, UNHANDLED):
                return Response(0, {}, b""), fault
            now = self._now()
            limit = math.inf if self.rate_limit is None else self.rate_limit
            response = self._api.respond(request, authorization, body, limit, now)
        now += self.latency
        return responses.sent(response, seconds=self.latency, now=now), fault

    def __repr__(self) -> str:
        return (
            f"<FakeService: {len(self.sessions_left_open)} of {len(self._api.sessions)} sessions"
            f" open, requests: {len(self._requests)}, rate limit: {self.rate_limit}>"
        )

    def _now(self) -> float:
        return _EPOCH + self.clock.monotonic()

    def _next_fault(self, request: Request) -> Fault | None:
        ends, fault = self._outage
        if self.clock.monotonic() < ends:
            return fault
        _, name = route_of(request)
        for place, (met_by, fault) in enumerate(self._faults):
            if met_by in {None, name}:
                del self._faults[place]
                return fault
        return None


def _checked(session_id: str | uuid.UUID) -> str:
    try:
        return name_of(checked_session_id(session_id))
    except InvalidSessionIdError as error:
        raise FakeServiceError(f"the service makes no such id: {error.args[0]}") from error
