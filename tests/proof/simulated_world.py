"""The world of a simulated run: the service and its sessions, the network, time, and a journal.

It knows what is so, whether anybody sees it or not. Whatever is left to chance is asked of
`choose`: a seed chooses at random, an enumeration takes each way in its turn. Nothing here is
taken from the library but the types of its ports.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeVar

from firecrawl_interact.core import (
    BadResponseError,
    ConnectFailedError,
    ConnectionLostError,
    JournalError,
    Request,
    Response,
    TimedOutError,
)

from ..core.limiters import Limiter

_T = TypeVar("_T")


class Choose(Protocol):
    def __call__(self, options: Sequence[_T], /) -> _T:
        """Take one of the options."""


class Clock(Protocol):
    def now(self) -> float: ...

    def call_later(self, seconds: float, callback: Callable[[], object], /) -> object: ...

    def call_soon(self, callback: Callable[[], object], /) -> object:
        """Call it once what was begun already has had its turn."""


class FaultyError(Exception):
    """What a transport, an executor, an iterator or a clock raises, and must not."""


class Session:
    """One session, and what requests did to it."""

    def __init__(self, credits_billed: int = 0) -> None:
        self.credits_billed = credits_billed
        self.is_live = True
        self.is_known = True  # not known: the service has forgotten it
        self.is_changed = False  # a request has changed it
        self.receipts: list[dict[str, object]] = []  # what the service has confirmed
        self.requests = 0
        self.in_flight = 0

    def copy(self) -> "Session":
        """What is so of it now, for those who come later."""
        copy = Session(self.credits_billed)
        copy.is_live, copy.is_known = self.is_live, self.is_known
        return copy

    def end(self) -> None:
        self.is_live = False

    def destroy(self) -> None:
        self.is_changed = self.is_changed or self.is_live
        self.end()


class Kind(NamedTuple):
    """What the sender of a request sees, unless the service does what it should."""

    status: int = 0
    body: bytes = b""
    error: Callable[[], Exception] | None = None
    headers: tuple[tuple[str, str], ...] = ()
    may_act: bool = True  # whether the service may have destroyed the session all the same
    fails_as_outage: bool = False


def _failure(status: int, words: str, *, may_act: bool = True, outage: bool = False) -> Kind:
    body = json.dumps({"success": False, "error": words}).encode()
    return Kind(status, body, may_act=may_act, fails_as_outage=outage)


SERVED = Kind()
SILENCE = Kind(error=lambda: TimedOutError("silence"), fails_as_outage=True)
LOST = Kind(error=lambda: ConnectionLostError("lost"), fails_as_outage=True)
STALE = Kind(error=lambda: ConnectionLostError("closed", stale=True), fails_as_outage=True)
NO_CONNECTION = Kind(
    error=lambda: ConnectFailedError("no connection"), may_act=False, fails_as_outage=True
)
BAD_CERTIFICATE = Kind(
    error=lambda: ConnectFailedError("bad certificate", transient=False), may_act=False
)
NO_HTTP = Kind(error=lambda: BadResponseError("no HTTP", transient=False))
FAULTY = Kind(error=lambda: FaultyError("the transport has a bug"))
BROKEN_GATEWAY = Kind(502, b"<html>nginx</html>", fails_as_outage=True)
STOPPING = _failure(502, "Browser is still stopping. Retry deletion shortly.", outage=True)
BUSY = Kind(503, b"{}", headers=(("retry-after", "20"),), fails_as_outage=True)
CONFLICT = _failure(409, "Browser operation conflicts.")
BACKEND = _failure(401, "Hangar request failed.", outage=True)
NOT_DELETED = _failure(200, "Not stopped.")
NO_ROUTE = Kind(404, b"<html>Cannot DELETE</html>")
PAGE = Kind(200, b"<html>Welcome</html>")
UNAUTHORIZED = _failure(401, "Unauthorized: Invalid token", may_act=False)
FORBIDDEN = _failure(403, "Forbidden.", may_act=False)
LIMITED = _failure(429, "Rate limit exceeded.", may_act=False)
LIMITED_FOR_20 = LIMITED._replace(headers=(("retry-after", "20"),))

OUTAGES = (NO_CONNECTION, SILENCE, LOST, BROKEN_GATEWAY, BUSY, STOPPING)
TROUBLES = (
    *OUTAGES,
    STALE,
    BAD_CERTIFICATE,
    NO_HTTP,
    CONFLICT,
    BACKEND,
    NOT_DELETED,
    NO_ROUTE,
    PAGE,
    UNAUTHORIZED,
    FORBIDDEN,
    LIMITED,
    LIMITED_FOR_20,
)


class Flaw(NamedTuple):
    """Something that is not as a claim says."""

    claim: str
    what: str


class Outage(NamedTuple):
    begins: float
    ends: float
    kind: Kind


@dataclass
class Weather:
    """What requests meet."""

    kinds: Sequence[Kind] = (SERVED,)
    seconds: Sequence[float] = (1.0,)
    seconds_of_429: float = 0.2
    later: Sequence[float] = (30.0,)  # when a request takes effect whose response does not wait
    outages: Sequence[Outage] = ()
    limiter: Limiter | None = None
    named_wait: Callable[[float], int | None] = math.ceil
    is_named_in_header: bool = True


class Attempt(NamedTuple):
    """One request on its way: it ends after so many seconds, by calling `end`."""

    session_id: str
    seconds: float
    end: Callable[[], Response]


@dataclass
class World:
    """What is so, and what must never be and was: `flaws`, each in words."""

    clock: Clock
    choose: Choose
    weather: Weather = field(default_factory=Weather)
    sessions: dict[str, Session] = field(default_factory=dict)
    effects: Sequence[str] = ("none", "at once", "later")  # of a request whose end hides it
    has_details: bool = True  # whether figures are chosen that no claim depends on
    calm_after: float = math.inf  # requests
    concurrency: float = math.inf  # the most requests that may be in flight
    longest_pause: float = math.inf  # a longer wait ends a run, and pauses nobody
    may_send: bool = True  # a run that was stopped, left or ended may not
    flaws: list[Flaw] = field(default_factory=list)
    requests: int = 0
    last_served: float = -math.inf  # when the last request was sent whose response shows no outage
    last_accepted: float = -math.inf  # when the last response came that was no 429
    longest_named: int = 0  # seconds
    on_request: Callable[[int], object] = lambda number: None
    _in_flight: int = 0
    _named_at: float = math.inf
    _paused_until: float = -math.inf
    _ended: set[str] = field(default_factory=set)

    @property
    def in_flight(self) -> int:
        return self._in_flight

    def open(self, session_id: str) -> Session:
        session = self.sessions[session_id] = Session(len(self.sessions) + 1)
        return session

    def claim(self, claim: str, is_so: object, flaw: str) -> None:
        """Note a flaw if something is not as a claim says."""
        if not is_so:
            self.flaws.append(Flaw(claim, f"at {self.clock.now():.3f} s: {flaw}"))

    def send_no_more(self) -> None:
        """From now on nothing may be given to be sent."""

        def forbid() -> None:
            self.may_send = False

        self.clock.call_soon(forbid)

    def note_outcome(self, session_id: str) -> None:
        """From now on no request may be sent for it."""
        self._ended.add(session_id)

    def give(self, request: Request, timeout: float) -> str:
        """A request is given to whoever carries it. Return its session's id."""
        session_id = request.path.rpartition("/")[2]
        is_delete = (request.method, request.path) == ("DELETE", f"/v2/interact/{session_id}")
        self.claim("one session", is_delete, f"{request.method} {request.path} is sent")
        self.claim("the end", self.may_send, f"{session_id} is sent after the end")
        self.claim(
            "requests", session_id not in self._ended, f"{session_id} is sent after its outcome"
        )
        # The run may not have seen yet what comes in the same moment.
        is_paused = self._named_at < self.clock.now() < self._paused_until
        self.claim("requests", not is_paused, f"{session_id} is sent during a pause")
        self.claim("requests", timeout > 0, f"{session_id} has a timeout of {timeout} s")
        return session_id

    def begin(self, session_id: str, timeout: float) -> Attempt:
        """A request is sent."""
        now, session = self.clock.now(), self.sessions[session_id]
        self.claim("requests", not session.in_flight, f"{session_id} is sent twice at a time")
        self.requests += 1
        session.requests += 1
        session.in_flight += 1
        self._in_flight += 1
        self.claim(
            "requests", self._in_flight <= self.concurrency, "too many requests are in flight"
        )
        self.on_request(self.requests)
        attempt = self._meet(session_id, session, now, timeout)
        return attempt._replace(seconds=min(attempt.seconds, timeout))

    def land(self, attempt: Attempt) -> None:
        """The sender waits no longer for the end of a request."""
        self.sessions[attempt.session_id].in_flight -= 1
        self._in_flight -= 1

    def _meet(self, session_id: str, session: Session, now: float, timeout: float) -> Attempt:
        kind, wait = self._kind_at(now)
        seconds = self._seconds_until_response(kind, wait)
        for outage in self.weather.outages:
            if now < outage.begins < now + min(seconds, timeout):
                kind, seconds, wait = LOST, outage.begins - now, 0.0
        if seconds >= timeout:
            kind = SILENCE
        response = self._respond(kind, wait, session)

        def end() -> Response:
            self.land(attempt)
            if kind.error is not None:
                raise kind.error()
            if not kind.fails_as_outage:
                self.last_served = max(self.last_served, now)
            if response.status == 429:
                self._note_pause(response)
            else:
                self.last_accepted = self.clock.now()
            if response.status == 200 and b'"success": true' in response.body:
                session.receipts.append(json.loads(response.body))
            return response

        attempt = Attempt(session_id, seconds, end)
        return attempt

    def _seconds_until_response(self, kind: Kind, wait: float) -> float:
        if self.requests > self.calm_after:
            seconds = self.weather.seconds[0]
        else:
            seconds = math.inf if kind is SILENCE else self.choose(self.weather.seconds)
        return min(seconds, self.weather.seconds_of_429) if wait else seconds

    def _respond(self, kind: Kind, wait: float, session: Session) -> Response:
        if wait:
            return self._limited(wait)
        if kind is SERVED:
            return self._serve(session)
        if kind.may_act:
            effect = self.choose(self.effects)
            if effect == "at once":
                session.destroy()
            elif effect == "later":
                self.clock.call_later(self.choose(self.weather.later), session.destroy)
        return Response(kind.status, dict(kind.headers), kind.body)

    def _kind_at(self, now: float) -> tuple[Kind, float]:
        """What a request that is sent now meets, and for how long a limit holds it back."""
        if self.requests > self.calm_after:
            return SERVED, 0.0
        for outage in self.weather.outages:
            if outage.begins <= now < outage.ends:
                return outage.kind, 0.0
        wait = self.weather.limiter.request(now) if self.weather.limiter else 0.0
        return (LIMITED, wait) if wait else (self.choose(self.weather.kinds), 0.0)

    def _detail(self, options: Sequence[_T]) -> _T:
        return self.choose(options) if self.has_details else options[-1]

    def _serve(self, session: Session) -> Response:
        if not session.is_known:
            failure = self._detail((404, 410))
            return Response(
                failure, {}, b'{"success": false, "error": "Browser session not found."}'
            )
        content: dict[str, object] = {"success": True}
        bill: dict[str, object] = {"creditsBilled": session.credits_billed}
        if session.is_live:
            content |= self._detail(({}, bill | {"sessionDurationMs": 39095.25}))
        else:
            content |= self._detail(({}, bill | {"status": "stopped"}))
        session.destroy()
        return Response(200, {}, json.dumps(content).encode())

    def _limited(self, wait: float) -> Response:
        named = self.weather.named_wait(wait)
        words = "Rate limit exceeded."
        headers = {}
        if named is not None and self.weather.is_named_in_header:
            headers["retry-after"] = str(named)
        elif named is not None:
            words += f" Please retry after {named}s, resets at ..."
        return Response(429, headers, json.dumps({"success": False, "error": words}).encode())

    def _note_pause(self, response: Response) -> None:
        words = response.body.decode().partition("retry after ")[2].partition("s,")[0]
        named = int(response.headers.get("retry-after") or words or 0)
        self.longest_named = max(self.longest_named, named)
        if named <= self.longest_pause:
            self._named_at = self.clock.now()
            self._paused_until = max(self._paused_until, self._named_at + named)


@dataclass
class MemoryJournal:
    """A journal whose content outlives the process, in a world that knows what lives.

    Args:
        world: whose sessions it remembers.
        fails: whether the next record cannot be written.
    """

    world: World
    held: dict[str, None] = field(default_factory=dict)
    fails: Callable[[], bool] = lambda: False
    not_forgotten: Counter[str] = field(default_factory=Counter)

    def opened(self, session_id: str, /) -> None:
        if self.fails():
            raise JournalError("the disk is full", session_id=session_id)
        self.held[session_id] = None

    def gone(self, session_id: str, /) -> None:
        is_live = self.world.sessions[session_id].is_live
        self.world.claim("journal", not is_live, f"the journal forgets {session_id}, which lives")
        if self.fails():
            self.not_forgotten[session_id] += 1
            raise JournalError("the disk is full", session_id=session_id)
        self.held.pop(session_id, None)
