"""A scenario, which is a run as data, and a watch, which holds what is seen and claimed of it."""

import asyncio
import re
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from firecrawl_interact import (
    DeletionReceipt,
    Outcome,
    Pause,
    RateLimitError,
    RetryPolicy,
    RunEndedError,
    SessionFate,
)

from .kinds import FaultyError, Kind
from .world import MemoryJournal, Session, Weather, World

_SENDABLE = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._~-]{1,120}")
_A_ROUNDING = 1e-6
_MOST_TAKEN = 1000
"""How many ids of a run of a low concurrency may have no outcome yet: an outage takes some 600."""


class Step(NamedTuple):
    """One more id that is asked for, and the seconds that it takes."""

    seconds: float
    session_id: object


@dataclass(kw_only=True)
class Scenario:
    """What a run is given, what its requests meet, and what its caller does to it.

    An id is a `Step` if it takes time. Each request meets what `meets` has for its session, one
    after the other, and then the weather. All times are in seconds from the begin of the run.
    """

    ids: Sequence[object]
    meets: Mapping[str, Sequence[Kind]] = field(default_factory=dict)
    weather: Weather = field(default_factory=Weather)
    retry: RetryPolicy = RetryPolicy()  # noqa: RUF009 - immutable
    concurrency: int = 8
    shutdown_timeout: float | None = None
    ids_fail: bool = False  # at their end
    ids_are_awaited: bool = False  # in an awaited run
    chances: Sequence[float] = (0.0, 0.5, 1.0)  # what the core draws wherever it draws
    begins_at: float = 0.0  # when the first outcome is asked for
    busy: Sequence[float] = (0.0,)  # seconds of the consumer after each outcome
    stop_at: Sequence[float] = ()
    leave_at_outcome: int | None = None
    interrupt_at: Sequence[float] = ()  # Ctrl-C, or a cancellation
    ends_when_cancelled_after: float = 0.0
    journal_seconds: Sequence[float] = (0.0,)
    is_only_held_back: bool = False  # the world has but rate limits and short outages

    @property
    def steps(self) -> list[Step]:
        return [one if isinstance(one, Step) else Step(0.0, one) for one in self.ids]

    @property
    def sendable_ids(self) -> list[str]:
        ids = [step.session_id for step in self.steps]
        names = [name_of(one) for one in ids if isinstance(one, str | uuid.UUID)]
        return [name for name in names if _SENDABLE.fullmatch(name)]


@dataclass
class Watch:
    """What is seen of one run, and what is claimed of it."""

    world: World
    scenario: Scenario
    journal: MemoryJournal | None = None
    taken: list[str] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    told: list[Outcome] = field(default_factory=list)  # to `on_outcome`
    ended: list[tuple[float, str, str]] = field(default_factory=list)  # seconds, id, outcome
    pauses: list[Pause | None] = field(default_factory=list)  # after each outcome
    raised: list[BaseException] = field(default_factory=list)
    over_at: float = 0.0  # when the block of the run ended
    left_at: float | None = None
    faults: int = 0
    interrupted: bool = False  # it may end before its ids do
    leaves: int = 0

    def take(self, step: Step) -> object:
        self.taken.append(name_of(step.session_id))
        held = len(self.taken) - len(self.outcomes)
        most = max(4 * self.scenario.concurrency, _MOST_TAKEN)
        self.world.claim("memory", held <= most or self.interrupted, "the run holds too many ids")
        return step.session_id

    def end_of_ids(self) -> None:
        if self.scenario.ids_fail:
            self.faults += 1
            raise FaultyError("the ids fail")

    def leave(self) -> None:
        """The run is left now."""
        self.interrupted = True
        self.leaves += 1
        self.world.send_no_more()
        self.left_at = self.world.clock.time() if self.left_at is None else self.left_at

    def receive(self, outcome: Outcome) -> bool:
        """Note an outcome, and say whether the consumer wants another one."""
        self.outcomes.append(outcome)
        claim, session_id = self.world.claim, outcome.session_id
        fate, time = outcome.session_fate, round(self.world.clock.time(), 3)
        what = "receipt" if isinstance(outcome, DeletionReceipt) else type(outcome).__name__
        self.ended.append((time, session_id, what))
        session = self.world.sessions.get(session_id)
        if session is None:  # an id that cannot be sent
            claim("untouched", fate is SessionFate.UNTOUCHED, f"{session_id!a} was touched")
            return True
        session.wanted -= 1
        is_gone = fate is SessionFate.GONE
        is_true = not (is_gone and session.is_live)
        claim("gone", is_true, f"{session_id} is said to be gone, and lives")
        if isinstance(outcome, DeletionReceipt):
            bills = [receipt.get("creditsBilled") for receipt in session.receipts]
            claim("receipt", outcome.credits_billed in bills, f"{session_id}: a receipt of nobody")
        return len(self.outcomes) != self.scenario.leave_at_outcome

    def check_leaving(self) -> None:
        """The block of the run has ended."""
        self.world.may_send = False
        self.over_at = self.world.clock.time()
        are_told = len(self.told) == len(self.taken)
        self.world.claim("one outcome", are_told, "leaving does not tell on_outcome of each id")
        if self.journal is not None and not any(self.scenario.journal_seconds):
            gone = {one.session_id for one in self.told if one.session_fate is SessionFate.GONE}
            held = {one for one in self.journal.held if not self.journal.not_forgotten[one]}
            self.world.claim("journal", not held & gone, f"the journal still holds {held & gone}")
        if self.left_at is not None:
            longest = self.scenario.retry.attempt_timeout
            if self.scenario.shutdown_timeout is not None:
                longest = min(longest, self.scenario.shutdown_timeout)
            longest += max(self.scenario.journal_seconds) * len(self.taken)
            longest += max(self.scenario.busy) + min(1.0, self.scenario.ends_when_cancelled_after)
            seconds = self.over_at - self.left_at
            is_soon = seconds <= longest + _A_ROUNDING
            self.world.claim("leaving", is_soon, f"leaving takes {seconds} s")

    def check_end(self) -> None:
        """All is over, and whatever was under way has taken effect."""
        claim = self.world.claim
        claim("the end", not self.world.in_flight, "requests are in flight after the end")
        got, taken = Counter(one.session_id for one in self.outcomes), Counter(self.taken)
        claim("one outcome", got == taken, f"no outcome: {taken - got}; too many: {got - taken}")
        told = Counter(one.session_id for one in self.told)
        claim("one outcome", told == got, f"on_outcome misses {got - told}; twice: {told - got}")
        sent, counted = Counter(self.world.sent), Counter[str]()
        for outcome in self.outcomes:
            session_id, fate = outcome.session_id, outcome.session_fate
            counted[session_id] += outcome.attempts
            is_changed = self.world.sessions.get(session_id, Session()).is_changed
            is_true = fate is not SessionFate.UNTOUCHED or not is_changed
            claim("untouched", is_true, f"{session_id} is untouched, and was changed")
        for session_id in got:
            number, attempts = sent[session_id], counted[session_id]
            claim("attempts", number == attempts, f"{session_id}: {attempts}, and {number} sent")
        for error in self.raised:
            self._check_raised(error)
        was_raised = {type(error) for error in self.raised}
        if self.faults and not self.interrupted:
            is_raised = was_raised & {FaultyError, RuntimeError, RunEndedError}
            claim("raised", is_raised, "a failure is not raised")
        if self.scenario.is_only_held_back:
            self._check_held_back()

    def _check_held_back(self) -> None:
        claim = self.world.claim
        # With no other id left, one or two that fail can have a reason of their own.
        may_fail = self.outcomes[-2:] if self.world.weather.outages else []
        lost = [one for one in self.outcomes if one.session_fate is not SessionFate.GONE]
        is_whole = len(self.taken) == len(self.scenario.ids)
        claim("held back", is_whole, "a run that is held back ends early")
        claim("held back", all(one in may_fail for one in lost), f"it costs {lost}")
        claim("held back", not self.raised, f"held back, and raised {self.raised}")

    def _check_raised(self, error: BaseException) -> None:
        claim, deadline = self.world.claim, self.scenario.retry.deadline
        if isinstance(error, RunEndedError):
            since = self.world.last_served
            if isinstance(error.__cause__, RateLimitError):
                since = self.world.last_accepted
            lasted = self.world.clock.time() - since
            was_named = self.world.longest_named > deadline - 0.5
            if self.world.has_met_pages_alone:
                deadline = min(deadline, 30)
            claim("raised", lasted >= deadline or was_named, f"{error!r}, but only for {lasted} s")
        elif isinstance(error, RuntimeError):
            known = FaultyError | asyncio.CancelledError
            has_cause = isinstance(error.__cause__, known)
            claim("raised", has_cause, f"{error!r} has the cause {error.__cause__!r}")
        else:
            expected = FaultyError | KeyboardInterrupt | asyncio.CancelledError | TypeError
            claim("raised", isinstance(error, expected), f"{error!r} is raised")


def ids(count: int) -> list[str]:
    return [str(number) for number in range(count)]


def name_of(session_id: object) -> str:
    """Return how an outcome names what was given as an id."""
    is_id = isinstance(session_id, str | uuid.UUID)
    return str(session_id) if is_id else f"<{type(session_id).__name__}>"
