"""The world of a simulated run: the service and its sessions, the network, time, and a journal.

It knows what is so, whether anybody sees it or not. Whatever is left to chance is asked of
`choose`. Nothing here is taken from the library but the types of its ports.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, Protocol, TypeVar

from firecrawl_interact import JournalError
from firecrawl_interact.core import Request, Response

from .kinds import LIMITED, LOST, NOT_FOUND, SERVED, SILENCE, Kind

_T = TypeVar("_T")


class Choose(Protocol):
    def __call__(self, options: Sequence[_T], /) -> _T:
        """Take one of the options."""


def first_of(options: Sequence[_T], /) -> _T:
    return options[0]


class Limiter(Protocol):
    def request(self, now: float) -> float:
        """Count a request. Return 0 if it is accepted, else the seconds until one would be."""


class Clock(Protocol):
    def time(self) -> float: ...

    def call_later(self, seconds: float, callback: Callable[[], object], /) -> object: ...

    def call_soon(self, callback: Callable[[], object], /) -> object:
        """Call it once what was begun already has had its turn."""


@dataclass(eq=False)
class Session:
    """One session, and what requests did to it."""

    credits_billed: int = 0
    script: Iterator[Kind] = field(
        default_factory=partial(iter, ())
    )  # what its first requests meet
    is_live: bool = True
    is_known: bool = True  # not known: the service has forgotten it
    wanted: int = 0  # how often it is among the ids, without an outcome yet
    is_changed: bool = False  # a request has changed it
    receipts: list[dict[str, object]] = field(default_factory=list)  # that the service has sent
    in_flight: int = 0

    def copy(self) -> "Session":
        """What is so of it now, for those who come later."""
        return Session(self.credits_billed, iter(()), self.is_live, self.is_known, wanted=1)

    def end(self) -> None:
        self.is_live = False

    def destroy(self) -> None:
        self.is_changed = self.is_changed or self.is_live
        self.end()


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
    """What requests meet that have no script."""

    kinds: Sequence[Kind] = (SERVED,)
    seconds: Sequence[float] = (1.0,)
    seconds_of_429: float = 0.2
    effects: Sequence[str] = ("none", "at once", "later")  # of a request whose end hides it
    later: Sequence[float] = (30.0,)  # when a request takes effect whose response does not wait
    outages: Sequence[Outage] = ()
    limiter: Callable[[], Limiter] | None = None
    named_wait: Callable[[float], int | None] = math.ceil
    is_named_in_header: bool = True


class Attempt(NamedTuple):
    """One request on its way: it ends after so many seconds, by calling `end`."""

    session: Session
    seconds: float
    end: Callable[[], Response]


@dataclass
class World:
    """What is so, and what must never be and was: `flaws`, each in words."""

    clock: Clock
    choose: Choose = first_of
    weather: Weather = field(default_factory=Weather)
    concurrency: float = math.inf  # the most requests that may be in flight
    longest_pause: float = math.inf  # a longer wait ends a run, and pauses nobody
    may_send: bool = True  # a run that was stopped, left or ended may not
    sessions: dict[str, Session] = field(default_factory=dict)
    flaws: list[Flaw] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)  # the id of each request
    in_flight: int = 0
    in_vain: int = 0  # requests that met an outage
    last_served: float = -math.inf  # when the last request was sent whose response shows no outage
    last_accepted: float = -math.inf  # when the last response came that was no 429
    longest_named: int = 0  # seconds
    has_met_pages_alone: bool = True  # all others ended in the page of somebody else
    _named_at: float = math.inf
    _paused_until: float = -math.inf

    def __post_init__(self) -> None:
        self._limiter = self.weather.limiter() if self.weather.limiter else None

    def open(self, session_id: str, script: Sequence[Kind] = ()) -> None:
        new = Session(len(self.sessions) + 1, iter(script))
        self.sessions.setdefault(session_id, new).wanted += 1

    def claim(self, claim: str, is_so: object, flaw: str) -> None:
        """Note a flaw if something is not as a claim says."""
        if not is_so:
            self.flaws.append(Flaw(claim, f"at {self.clock.time():.3f} s: {flaw}"))

    def send_no_more(self) -> None:
        """From now on nothing may be given to be sent."""
        self.clock.call_soon(lambda: setattr(self, "may_send", False))

    def begin(self, request: Request, timeout: float) -> Attempt:
        """A request is sent."""
        session_id, now = request.path.rpartition("/")[2], self.clock.time()
        session = self.sessions[session_id]
        is_delete = (request.method, request.path) == ("DELETE", f"/v2/interact/{session_id}")
        # The run may not have seen yet what comes in the same moment.
        is_paused = self._named_at < now < self._paused_until
        is_wanted = session.in_flight < session.wanted
        is_room = self.in_flight < self.concurrency
        self.claim("one session", is_delete, f"{request.method} {request.path} is sent")
        self.claim("the end", self.may_send, f"{session_id} is sent after the end")
        self.claim("requests", is_wanted, f"{session_id} is sent twice or after its outcome")
        self.claim("requests", not is_paused, f"{session_id} is sent during a pause")
        self.claim("requests", timeout > 0, f"{session_id} has a timeout of {timeout} s")
        self.claim("requests", is_room, "too many requests are in flight")
        self.sent.append(session_id)
        session.in_flight += 1
        self.in_flight += 1
        attempt = self._meet(session, now, timeout)
        return attempt._replace(seconds=min(attempt.seconds, timeout))

    def land(self, session: Session) -> None:
        """The sender waits no longer for the end of a request."""
        session.in_flight -= 1
        self.in_flight -= 1

    def _meet(self, session: Session, now: float, timeout: float) -> Attempt:
        kind, wait = self._kind_at(session, now)
        seconds = self._seconds_until_response(kind, wait)
        for outage in self.weather.outages:
            if now < outage.begins < now + min(seconds, timeout):
                kind, seconds, wait = LOST, outage.begins - now, 0.0
        if seconds >= timeout:
            kind = SILENCE
        response = self._respond(kind, wait, session)

        def end() -> Response:
            self.land(session)
            self.has_met_pages_alone = self.has_met_pages_alone and kind.is_a_page
            if kind.error is not None:
                raise kind.error()
            if not kind.fails_as_outage:
                self.last_served = max(self.last_served, now)
            if response.status == 429:
                self._note_pause(response)
            else:
                self.last_accepted = self.clock.time()
            if response.status == 200 and b'"success": true' in response.body:
                session.receipts.append(json.loads(response.body))
            return response

        return Attempt(session, seconds, end)

    def _kind_at(self, session: Session, now: float) -> tuple[Kind, float]:
        """What a request that is sent now meets, and for how long a limit holds it back."""
        for scripted in session.script:
            return scripted, 0.0
        for outage in self.weather.outages:
            if outage.begins <= now < outage.ends:
                self.in_vain += 1
                return outage.kind, 0.0
        wait = self._limiter.request(now) if self._limiter else 0.0
        return (LIMITED, wait) if wait else (self.choose(self.weather.kinds), 0.0)

    def _seconds_until_response(self, kind: Kind, wait: float) -> float:
        seconds = kind.seconds
        if seconds is None:
            seconds = math.inf if kind is SILENCE else self.choose(self.weather.seconds)
        return min(seconds, self.weather.seconds_of_429) if wait else seconds

    def _respond(self, kind: Kind, wait: float, session: Session) -> Response:
        if wait:
            return self._limited(wait)
        if kind.status == 0 and kind.error is None:
            return self._serve(session)
        if kind.may_act:
            effect = self.choose(self.weather.effects)
            if effect == "at once":
                session.destroy()
            elif effect == "later":
                self.clock.call_later(self.choose(self.weather.later), session.destroy)
        return Response(kind.status, dict(kind.headers), kind.body)

    def _serve(self, session: Session) -> Response:
        if not session.is_known:
            return Response(self.choose((404, 410)), {}, NOT_FOUND.body)
        bill = {"creditsBilled": session.credits_billed}
        more = {"sessionDurationMs": 39095.25} if session.is_live else {"status": "stopped"}
        content = {"success": True} | self.choose((bill | more, {}))
        session.destroy()
        return Response(200, {}, json.dumps(content).encode())

    def _limited(self, wait: float) -> Response:
        named, headers, words = self.weather.named_wait(wait), {}, "Rate limit exceeded."
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
            self._named_at = self.clock.time()
            self._paused_until = max(self._paused_until, self._named_at + named)


def full_journal(world: "World") -> "MemoryJournal":
    """Return a journal that holds each session."""
    return MemoryJournal(world, dict.fromkeys(world.sessions))


@dataclass
class MemoryJournal:
    """A journal whose content outlives the process, in a world that knows what lives."""

    world: World
    held: dict[str, None] = field(default_factory=dict)
    fails: Callable[[], bool] = lambda: False  # whether the next record cannot be written
    wait: Callable[[], object] = lambda: None  # as long as a record takes
    not_forgotten: Counter[str] = field(default_factory=Counter)

    def opened(self, session_id: str, /) -> None:
        self.wait()
        if self.fails():
            raise JournalError("the disk is full", session_id=session_id)
        self.held[session_id] = None

    def gone(self, session_id: str, /) -> None:
        self.wait()
        is_live = self.world.sessions[session_id].is_live
        self.world.claim("journal", not is_live, f"the journal forgets {session_id}, which lives")
        if self.fails():
            self.not_forgotten[session_id] += 1
            raise JournalError("the disk is full", session_id=session_id)
        self.held.pop(session_id, None)
