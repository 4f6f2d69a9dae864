"""What must hold for every run, whatever the service, the network and the consumer do."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firecrawl_interact.core import (
    AsyncDeleteManySessions,
    AsyncDeleteSession,
    AsyncDeletions,
    ConnectFailedError,
    ConnectionLostError,
    DeleteManySessions,
    DeleteSession,
    DeletionReceipt,
    OutageError,
    Request,
    Response,
    RetryPolicy,
    SessionFate,
    SessionNotFoundError,
    TimedOutError,
)

from . import virtual_time
from .scripted_transport import (
    API_KEY,
    DESTROYED,
    RATE_LIMITED,
    UNAUTHORIZED,
    UNAVAILABLE,
    page,
    response,
)
from .side_by_side import InlineExecutor, Outcome, library_threads

# Some tests leave a run half-way, and look at what that does.
pytestmark = pytest.mark.filterwarnings("ignore:<.*Deletions:RuntimeWarning")


RETRY = RetryPolicy(deadline=100)


# A world of its own


class Attempt(NamedTuple):
    """How one attempt ends."""

    end: Response | Exception
    destroys: bool = False
    seconds: float = 1.0
    wait: float = 0.0
    """Seconds for which the service asks everybody to wait."""


class Step(NamedTuple):
    """What happens when one more id is asked for."""

    seconds: float
    session_id: str | None
    """None: a good one, like none before."""


class IdsError(Exception):
    """What the ids raise half-way."""


def refused(seconds: int) -> Attempt:
    limited = response(429, {"success": False}, {"retry-after": str(seconds)})
    return Attempt(limited, wait=seconds if seconds <= RETRY.deadline else 0.0)


FINE = Attempt(DESTROYED, destroys=True)

ends = st.one_of(
    st.just(FINE),
    st.builds(refused, st.sampled_from([0, 1, 7, 60, 100, 300])),
    st.sampled_from(
        [
            Attempt(RATE_LIMITED),
            Attempt(UNAVAILABLE),
            Attempt(UNAVAILABLE, destroys=True),
            Attempt(TimedOutError("silence"), destroys=True),
            Attempt(TimedOutError("silence")),
            Attempt(ConnectionLostError("lost"), destroys=True),
            Attempt(ConnectionLostError("closed", stale=True)),
            Attempt(ConnectFailedError("refused")),
            Attempt(ConnectFailedError("bad certificate", transient=False)),
            Attempt(UNAUTHORIZED),
            Attempt(response(404, {"success": False})),
            Attempt(response(200, {"success": False})),
            Attempt(page(200, b"<html>"), destroys=True),
        ]
    ),
)
seconds = st.sampled_from([0.0, 0.0, 0.1, 1.0, 5.0, 70.0])
attempts = st.builds(lambda end, seconds: end._replace(seconds=seconds), ends, seconds)
steps = st.builds(Step, seconds, st.one_of(st.none(), st.none(), st.sampled_from(["", ".."])))
moments = st.one_of(*[st.none()] * 3, st.integers(0, 20))


@dataclass(kw_only=True)
class Plan:
    """All that is left to chance in one run."""

    attempts: list[Attempt]
    steps: list[Step]
    ids_end_after: float
    ids_fail: bool
    concurrency: int
    stop_at_request: int | None
    stop_at_outcome: int | None
    leave_at_outcome: int | None
    faulty_request: int | None
    """The transport raises there what it must not."""


plans = st.builds(
    Plan,
    attempts=st.lists(attempts, max_size=30),
    steps=st.lists(steps, max_size=15),
    ids_end_after=seconds,
    ids_fail=st.booleans(),
    concurrency=st.sampled_from([1, 2, 3, 8]),
    stop_at_request=moments,
    stop_at_outcome=moments,
    leave_at_outcome=moments,
    faulty_request=moments,
)


@dataclass
class World:
    """Plays a plan, and watches what is sent."""

    plan: Plan
    clock: Callable[[], float]
    stop: Callable[[], None] = lambda: None
    taken: list[str] = field(default_factory=list)
    destroyed: set[str] = field(default_factory=set)
    perhaps_reached: set[str] = field(default_factory=set)
    outcomes: list[Outcome] = field(default_factory=list)
    sent: list[tuple[float, str]] = field(default_factory=list)
    pauses: list[tuple[float, float]] = field(default_factory=list)
    in_flight: list[str] = field(default_factory=list)
    most_in_flight: int = 0
    left: bool = False
    flaws: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, request: Request) -> Attempt:
        session_id = request.path.rpartition("/")[2]
        with self.lock:
            if session_id in self.in_flight:
                self.flaws.append(f"{session_id} is sent twice at a time")
            if session_id in {outcome.session_id for outcome in self.outcomes}:
                self.flaws.append(f"{session_id} is sent after its end")
            if self.left:
                self.flaws.append(f"{session_id} is sent after the end of the run")
            self.in_flight.append(session_id)
            self.most_in_flight = max(self.most_in_flight, len(self.in_flight))
            number = len(self.sent)
            self.sent.append((self.clock(), session_id))
            attempt = self.plan.attempts[number] if number < len(self.plan.attempts) else FINE
            if number == self.plan.faulty_request:
                attempt = Attempt(ValueError("a bug"))
        if number == self.plan.stop_at_request:
            self.stop()
        return attempt

    def end(self, request: Request, attempt: Attempt) -> Response:
        session_id = request.path.rpartition("/")[2]
        with self.lock:
            self.in_flight.remove(session_id)
            if attempt.destroys:
                self.destroyed.add(session_id)
            if isinstance(attempt.end, Exception):
                if not isinstance(attempt.end, ConnectFailedError):
                    self.perhaps_reached.add(session_id)
                # Each failure is raised once, as by a real transport.
                raise copied(attempt.end)
            if attempt.end.status in (200, 502):
                self.perhaps_reached.add(session_id)
            if attempt.wait:
                self.pauses.append((self.clock(), self.clock() + attempt.wait))
        return attempt.end

    def take(self, step: Step) -> str:
        session_id = f"id-{len(self.taken)}" if step.session_id is None else step.session_id
        self.taken.append(session_id)
        return session_id

    def receive(self, outcome: Outcome) -> bool:
        """Note an outcome, and say whether to go on."""
        self.outcomes.append(outcome)
        if len(self.outcomes) == self.plan.stop_at_outcome:
            self.stop()
        return len(self.outcomes) != self.plan.leave_at_outcome

    def check(self, raised: BaseException | None) -> None:
        """Assert all that must hold after any run."""
        assert not self.flaws
        assert not self.in_flight
        assert self.most_in_flight <= self.plan.concurrency
        assert not [
            sent
            for sent in self.sent
            if any(began < sent[0] < ended for began, ended in self.pauses)
        ], "sent during a pause"
        assert Counter(outcome.session_id for outcome in self.outcomes) == Counter(self.taken)
        for outcome in self.outcomes:
            if isinstance(outcome, DeletionReceipt):
                assert outcome.session_id in self.destroyed
            elif outcome.session_fate is SessionFate.GONE:
                assert isinstance(outcome, SessionNotFoundError)
            elif outcome.session_fate is SessionFate.UNTOUCHED:
                assert outcome.session_id not in self.perhaps_reached
            assert 0 <= outcome.attempts <= len(self.sent)
        if isinstance(raised, RuntimeError):
            assert isinstance(raised.__cause__, ValueError)
        elif isinstance(raised, IdsError):
            assert self.plan.ids_fail
        else:
            assert raised is None or isinstance(raised, OutageError)


def copied(error: Exception) -> Exception:
    if isinstance(error, ConnectionLostError):
        return ConnectionLostError("lost", transient=error.transient, stale=error.stale)
    if isinstance(error, ConnectFailedError | TimedOutError):
        return type(error)("failed", transient=error.transient)
    return error


# Awaited: requests, ids and consumer side by side, on a clock that jumps


class AsyncTransport:
    def __init__(self, world: World) -> None:
        self._world = world

    async def send(self, request: Request, timeout: float) -> Response:
        attempt = self._world.begin(request)
        try:
            await asyncio.sleep(min(attempt.seconds, timeout))
        except asyncio.CancelledError:
            self._world.flaws.append(f"{request.path} is cancelled")
            raise
        return self._world.end(request, attempt)

    def monotonic(self) -> float:
        return virtual_time.now()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def asynchronous_ids(world: World) -> AsyncGenerator[str]:
    for step in world.plan.steps:
        if step.seconds:
            await asyncio.sleep(step.seconds)
        yield world.take(step)
    await asyncio.sleep(world.plan.ids_end_after)
    if world.plan.ids_fail:
        raise IdsError


def plain_ids(world: World) -> Generator[str]:
    for step in world.plan.steps:
        yield world.take(step)
    if world.plan.ids_fail:
        raise IdsError


def awaited_deletions(world: World, *, plain: bool) -> AsyncDeletions:
    delete_session = AsyncDeleteSession(
        AsyncTransport(world), API_KEY, retry=RETRY, random=lambda: 0.5
    )
    delete_many = AsyncDeleteManySessions(delete_session, concurrency=world.plan.concurrency)
    return delete_many(plain_ids(world) if plain else asynchronous_ids(world))


def awaited(plan: Plan, *, plain: bool, busy: list[float], stop_at: float | None = None) -> None:
    """Run a plan to its end, and check.

    Args:
        plan: what happens.
        plain: whether the ids are a plain iterable.
        busy: for how many seconds the consumer does something else after each outcome.
        stop_at: when the run is stopped.
    """

    async def main() -> None:
        world = World(plan, virtual_time.now)
        deletions = awaited_deletions(world, plain=plain)
        world.stop = deletions.stop
        if stop_at is not None:
            asyncio.get_running_loop().call_at(stop_at, deletions.stop)
        raised: Exception | None = None
        pauses = iter(busy)
        try:
            async for outcome in deletions:
                if not world.receive(outcome):
                    await deletions.aclose()
                    world.left = True
                    async for rest in deletions:
                        world.outcomes.append(rest)
                    break
                await asyncio.sleep(next(pauses, 0.0))
        except Exception as error:
            raised = error
        await asyncio.sleep(1_000)
        world.check(raised)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    virtual_time.run(main())


@given(plans, st.booleans(), st.one_of(st.none(), st.floats(0, 300)))
def test_every_awaited_run_ends_with_one_true_outcome_for_each_id(
    plan: Plan, plain: bool, stop_at: float | None
) -> None:
    awaited(plan, plain=plain, busy=[], stop_at=stop_at)


@given(plans, st.lists(seconds, min_size=15))
def test_a_consumer_that_does_other_things_between_the_outcomes_changes_nothing(
    plan: Plan, busy: list[float]
) -> None:
    awaited(plan, plain=False, busy=busy)


@given(plans, st.booleans(), st.floats(0, 300))
def test_a_run_that_is_cancelled_ends_what_is_in_flight_and_sends_nothing_new(
    plan: Plan, plain: bool, cancelled_at: float
) -> None:
    async def main() -> None:
        world = World(plan, virtual_time.now)
        deletions = awaited_deletions(world, plain=plain)

        async def consume() -> None:
            async for outcome in deletions:
                world.receive(outcome)

        consumer = asyncio.ensure_future(consume())
        asyncio.get_running_loop().call_at(cancelled_at, consumer.cancel)
        await asyncio.wait([consumer])
        world.left = True
        raised = None if consumer.cancelled() else consumer.exception()
        try:
            async for outcome in deletions:
                world.outcomes.append(outcome)
        except Exception as error:
            raised = error
        await asyncio.sleep(1_000)
        world.check(raised)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    virtual_time.run(main())


# Blocking


class Clock:
    now = 0.0


class BlockingTransport:
    """Moves the clock on by the length of each attempt, or by waits alone."""

    def __init__(self, world: World, clock: Clock, *, timed: bool) -> None:
        self._world = world
        self._clock = clock
        self._timed = timed

    def send(self, request: Request, timeout: float) -> Response:
        attempt = self._world.begin(request)
        if self._timed:
            self._clock.now += min(attempt.seconds, timeout)
        return self._world.end(request, attempt)

    def monotonic(self) -> float:
        return self._clock.now

    def sleep(self, seconds: float) -> None:
        self._clock.now += seconds


def blocking(plan: Plan, executor: Executor | None) -> None:
    """Run a plan to its end, and check."""
    clock = Clock()
    world = World(plan, lambda: clock.now)
    # Several at a time take no time: which id knows of a 429 by then would be a matter of luck.
    timed = executor is not None and plan.concurrency == 1
    transport = BlockingTransport(world, clock, timed=timed)
    delete_session = DeleteSession(transport, API_KEY, retry=RETRY, random=lambda: 0.5)
    delete_many_sessions = DeleteManySessions(
        delete_session, concurrency=plan.concurrency, executor=executor
    )
    deletions = delete_many_sessions(plain_ids(world))
    world.stop = deletions.stop
    raised: Exception | None = None
    try:
        for outcome in deletions:
            if not world.receive(outcome):
                deletions.close()
                world.left = True
                world.outcomes.extend(deletions)
                break
    except Exception as error:
        raised = error
    world.check(raised)


@given(plans)
def test_every_run_ends_with_one_true_outcome_for_each_id(plan: Plan) -> None:
    blocking(plan, InlineExecutor())


@given(plans)
def test_every_run_over_threads_ends_with_one_true_outcome_for_each_id(plan: Plan) -> None:
    blocking(plan, None)
    assert not library_threads()
