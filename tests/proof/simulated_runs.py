"""Whole runs of `DeleteManySessions` and `AsyncDeleteManySessions` in a simulated world."""

import asyncio
from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, ParamSpec, TypeVar

from firecrawl_interact.core import (
    DeletionReceipt,
    OutageError,
    Outcome,
    RateLimitError,
    RetryPolicy,
    SessionFate,
)

from .simulated_world import FaultyError, MemoryJournal, Session, World

_P = ParamSpec("_P")
_T = TypeVar("_T")

LONG = 2_000.0
"""Seconds after a run, in which whatever is still under way takes effect."""
_A_ROUNDING = 1e-6
_MOST_HELD = 8
"""How many ids a run may hold in an outage, at any concurrency."""


class NoThreadError(RuntimeError):
    """What Python raises where the system allows no more threads."""


class Step(NamedTuple):
    """What happens when one more id is asked for."""

    seconds: float
    session_id: str


@dataclass(kw_only=True)
class Plan:
    """All that somebody does to a run: the caller, the consumer, and what they gave it."""

    steps: Sequence[Step]
    retry: RetryPolicy = RetryPolicy()  # noqa: RUF009 - immutable
    concurrency: int = 8
    shutdown_timeout: float | None = None
    ids_fail: bool = False
    ids_are_awaited: bool = False
    chances: Sequence[float] = (0.0, 0.5, 1.0)  # what the core draws wherever it draws
    busy: Sequence[float] = (0.0,)  # seconds of the consumer after each outcome
    stop_at: float | None = None
    stop_at_request: int | None = None
    leave_at_outcome: int | None = None
    interrupt_at: Sequence[float] = ()  # Ctrl-C, or a cancellation
    thread_fails_at: int | None = None  # which one cannot be started
    sleep_fails_at: int | None = None
    ends_when_cancelled_after: float = 0.0  # seconds
    journal_seconds: Sequence[float] = (0.0,)
    is_only_held_back: bool = False  # the world has but rate limits and short outages


@dataclass
class Watch:
    """What is seen of one run, and what is claimed of it."""

    world: World
    plan: Plan
    journal: MemoryJournal | None
    taken: list[str] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    given: Counter[str] = field(default_factory=Counter)  # requests, for each session
    raised: list[BaseException] = field(default_factory=list)
    left_at: float | None = None
    sleeps: int = 0
    faults: int = 0
    interrupted: bool = False  # it may end before its ids do
    leaves: int = 0

    def __post_init__(self) -> None:
        self.world.concurrency = self.plan.concurrency
        self.world.longest_pause = self.plan.retry.deadline

    def take(self, step: Step) -> str:
        self.taken.append(step.session_id)
        held = len(self.taken) - len(self.outcomes)
        most = max(self.plan.concurrency, _MOST_HELD if self.world.failures else 2)
        self.world.claim("memory", held <= most or self.interrupted, "the run holds too many ids")
        return step.session_id

    def end_of_ids(self) -> None:
        if self.plan.ids_fail:
            self.faults += 1
            raise FaultyError("the ids fail")

    def sleep_may_fail(self) -> None:
        self.sleeps += 1
        if self.sleeps == self.plan.sleep_fails_at:
            self.faults += 1
            self.leaves += 1  # The error leaves the block.
            raise FaultyError("the clock has a bug")

    def leave(self) -> None:
        """The run is left now."""
        self.interrupted = True
        self.leaves += 1
        self.world.send_no_more()
        self.left_at = self.world.clock.now() if self.left_at is None else self.left_at

    def receive(self, outcome: Outcome) -> bool:
        """Note an outcome, and say whether the consumer wants another one."""
        self.outcomes.append(outcome)
        claim, session_id = self.world.claim, outcome.session_id
        session = self.world.sessions.get(session_id)
        if session is None:  # an id that cannot be sent
            claim(
                "untouched",
                outcome.session_fate is SessionFate.UNTOUCHED,
                f"{session_id!a} was touched",
            )
            return True
        self.world.note_outcome(session_id)
        is_gone = outcome.session_fate is SessionFate.GONE
        claim(
            "gone", not (is_gone and session.is_live), f"{session_id} is said to be gone, and lives"
        )
        if isinstance(outcome, DeletionReceipt):
            bills = [receipt.get("creditsBilled") for receipt in session.receipts]
            claim(
                "receipt", outcome.credits_billed in bills, f"{session_id} has a receipt of nobody"
            )
        given = self.given[session_id]
        claim(
            "attempts",
            outcome.attempts == given,
            f"{session_id} had {given} requests, not {outcome.attempts}",
        )
        if is_gone and self.journal is not None and not self.journal.not_forgotten[session_id]:
            claim(
                "journal",
                session_id not in self.journal.held,
                f"the journal still holds {session_id}",
            )
        return len(self.outcomes) != self.plan.leave_at_outcome

    def check_leaving(self) -> None:
        """The block of the run has ended."""
        self.world.may_send = False
        if self.left_at is not None:
            longest = self.plan.retry.attempt_timeout
            if self.plan.shutdown_timeout is not None:
                longest = min(longest, self.plan.shutdown_timeout)
            seconds = self.world.clock.now() - self.left_at
            journals = max(self.plan.journal_seconds) * (2 * len(self.taken) + 1)
            of_others = max(self.plan.busy) + journals
            of_cancelled = min(1.0, self.plan.ends_when_cancelled_after)
            most = longest + of_others + of_cancelled + _A_ROUNDING
            self.world.claim("leaving", seconds <= most, f"leaving takes {seconds} s")

    def check_end(self) -> None:
        """All is over, and whatever was under way has taken effect."""
        claim, plan = self.world.claim, self.plan
        claim("the end", not self.world.in_flight, "requests are in flight after the end")
        got = Counter(outcome.session_id for outcome in self.outcomes)
        claim(
            "one outcome",
            got == Counter(self.taken),
            f"taken, without outcome: {Counter(self.taken) - got}; too many: "
            f"{got - Counter(self.taken)}",
        )
        for outcome in self.outcomes:
            session = self.world.sessions.get(outcome.session_id, Session())
            is_untouched = outcome.session_fate is SessionFate.UNTOUCHED
            claim(
                "untouched",
                not (is_untouched and session.is_changed),
                f"{outcome.session_id} is said to be untouched, and was changed",
            )
        for error in self.raised:
            self._check_raised(error)
        was_raised = {type(error) for error in self.raised}
        if self.faults and not self.interrupted:
            claim(
                "raised",
                was_raised & {FaultyError, RuntimeError, OutageError},
                "a failure is not raised",
            )
        if plan.is_only_held_back:
            may_be_alone = self.outcomes[-2:] if self.world.weather.outages else []
            lost = [one for one in self.outcomes if one.session_fate is not SessionFate.GONE]
            claim(
                "held back",
                len(self.taken) == len(plan.steps),
                "a run that is held back ends early",
            )
            claim(
                "held back",
                all(one in may_be_alone for one in lost),
                f"an outage or a rate limit costs {lost}",
            )
            claim("held back", not was_raised, f"held back, and raised {self.raised}")

    def _check_raised(self, error: BaseException) -> None:
        claim, deadline = self.world.claim, self.plan.retry.deadline
        if isinstance(error, OutageError):
            since = self.world.last_served
            if isinstance(error.__cause__, RateLimitError):
                since = self.world.last_accepted
            lasted = self.world.clock.now() - since
            was_named = self.world.longest_named > deadline - 0.5
            if self.world.has_met_pages_alone:
                deadline = min(deadline, 30)
            claim("raised", lasted >= deadline or was_named, f"{error!r}, but only for {lasted} s")
        elif isinstance(error, RuntimeError):
            claim(
                "raised",
                isinstance(error.__cause__, FaultyError | NoThreadError),
                f"{error!r} has the cause {error.__cause__!r}",
            )
        else:
            claim(
                "raised",
                isinstance(error, FaultyError | KeyboardInterrupt | asyncio.CancelledError),
                f"{error!r} is raised",
            )


def ids(watch: Watch) -> Generator[str]:
    """The ids of a run's plan, one after the other."""
    for step in watch.plan.steps:
        yield watch.take(step)
    watch.end_of_ids()
