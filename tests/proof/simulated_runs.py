"""Whole runs of `DeleteManySessions` and `AsyncDeleteManySessions` in a simulated world."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection, Generator, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import dataclass, field
from typing import Any, NamedTuple, ParamSpec, TypeVar

from firecrawl_interact.core import (
    AsyncDeleteManySessions,
    AsyncDeleteSession,
    DeleteManySessions,
    DeleteSession,
    DeletionReceipt,
    Outcome,
    OutageError,
    RateLimitError,
    Request,
    Response,
    RetryPolicy,
    SessionFate,
)

from ..core.virtual_time import VirtualTimeLoop
from .simulated_world import Attempt, FaultyError, MemoryJournal, Session, World
from .virtual_blocking import BlockingClock, virtual_waits

_P = ParamSpec("_P")
_T = TypeVar("_T")

LONG = 2_000.0
"""Seconds after a run, in which whatever is still under way takes effect."""
_MOST_HELD = 8
"""How many ids a run may hold in an outage, at any concurrency."""


class Step(NamedTuple):
    """What happens when one more id is asked for."""

    seconds: float
    session_id: str


@dataclass(kw_only=True)
class Plan:
    """All that somebody does to a run: the caller, the consumer, and what they gave it."""

    steps: Sequence[Step]
    retry: RetryPolicy = RetryPolicy()
    concurrency: int = 8
    shutdown_timeout: float | None = None
    ids_fail: bool = False
    ids_are_awaited: bool = False
    busy: Sequence[float] = (0.0,)  # seconds of the consumer after each outcome
    stop_at: float | None = None
    stop_at_request: int | None = None
    leave_at_outcome: int | None = None
    interrupt_at: Sequence[float] = ()  # Ctrl-C, or a cancellation
    interrupt_at_submit: int | None = None
    submit_fails_at: int | None = None
    submit_fails_with: Callable[[], Exception] = lambda: BrokenExecutor("no worker")
    start_after: Sequence[float] = (0.0,)  # seconds from `submit` to the request
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
        most = max(self.plan.concurrency, _MOST_HELD) + 2  # one is read ahead, one is handed out
        self.world.claim(held <= most or self.interrupted, "the run holds too many ids")
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
            claim(outcome.session_fate is SessionFate.UNTOUCHED, f"{session_id!a} was touched")
            return True
        self.world.note_outcome(session_id)
        is_gone = outcome.session_fate is SessionFate.GONE
        claim(not (is_gone and session.is_live), f"{session_id} is said to be gone, and lives")
        if isinstance(outcome, DeletionReceipt):
            bills = [receipt.get("creditsBilled") for receipt in session.receipts]
            claim(outcome.credits_billed in bills, f"{session_id} has a receipt of nobody")
        given = self.given[session_id]
        claim(
            outcome.attempts == given, f"{session_id} had {given} requests, not {outcome.attempts}"
        )
        if is_gone and self.journal is not None and not self.journal.not_forgotten[session_id]:
            claim(session_id not in self.journal.held, f"the journal still holds {session_id}")
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
            slack = 2 + max(self.plan.start_after) + max(self.plan.busy) + journals
            self.world.claim(seconds <= longest + slack, f"leaving takes {seconds} s")

    def check_end(self) -> None:
        """All is over, and whatever was under way has taken effect."""
        claim, plan = self.world.claim, self.plan
        claim(not self.world.in_flight, "requests are in flight after the end")
        got = Counter(outcome.session_id for outcome in self.outcomes)
        claim(
            got == Counter(self.taken),
            f"taken, without outcome: {Counter(self.taken) - got}; too many: "
            f"{got - Counter(self.taken)}",
        )
        for outcome in self.outcomes:
            session = self.world.sessions.get(outcome.session_id, Session())
            is_untouched = outcome.session_fate is SessionFate.UNTOUCHED
            claim(
                not (is_untouched and session.is_changed),
                f"{outcome.session_id} is said to be untouched, and was changed",
            )
            claim(session.bills <= 1, f"{outcome.session_id} is billed {session.bills} times")
        for error in self.raised:
            self._check_raised(error)
        was_raised = {type(error) for error in self.raised}
        if self.faults and not self.interrupted:
            claim(was_raised & {FaultyError, RuntimeError, OutageError}, "a failure is not raised")
        if plan.is_only_held_back:
            may_be_alone = self.outcomes[-1:] if self.world.weather.outages else []
            lost = [one for one in self.outcomes if one.session_fate is not SessionFate.GONE]
            claim(len(self.taken) == len(plan.steps), "a run that is held back ends early")
            claim(not lost or lost == may_be_alone, f"an outage or a rate limit costs {lost}")
            claim(not was_raised, f"held back, and raised {self.raised}")

    def _check_raised(self, error: BaseException) -> None:
        claim, deadline = self.world.claim, self.plan.retry.deadline
        if isinstance(error, OutageError):
            since = self.world.last_served
            if isinstance(error.__cause__, RateLimitError):
                since = self.world.last_accepted
            lasted = self.world.clock.now() - since
            was_told = self.world.longest_told > deadline - 0.5
            claim(lasted >= deadline or was_told, f"{error!r}, but only for {lasted} s")
        elif isinstance(error, RuntimeError):
            claim(
                isinstance(error.__cause__, FaultyError | BrokenExecutor),
                f"{error!r} has the cause {error.__cause__!r}",
            )
        else:
            claim(
                isinstance(error, FaultyError | KeyboardInterrupt | asyncio.CancelledError),
                f"{error!r} is raised",
            )


# Awaited


class AsyncTransport:
    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._world = watch.world

    async def send(self, request: Request, timeout: float) -> Response:
        session_id = self._world.give(request, timeout)
        self._watch.given[session_id] += 1
        attempt = self._world.begin(session_id, timeout)
        try:
            await asyncio.sleep(attempt.seconds)
        except asyncio.CancelledError:
            self._world.claim(self._watch.leaves, "a request is cancelled during the run")
            await asyncio.sleep(self._watch.plan.ends_when_cancelled_after)
            self._world.land(attempt)
            raise
        return attempt.end()

    def monotonic(self) -> float:
        return self._world.clock.now()

    async def sleep(self, seconds: float) -> None:
        self._watch.sleep_may_fail()
        await asyncio.sleep(seconds)


class LoopClock:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.now = loop.time
        self.call_later = loop.call_later
        self.call_soon = loop.call_soon


class ThreadlessLoop(VirtualTimeLoop):
    """What a thread would do takes some seconds of virtual time."""

    thread_seconds: Callable[[], float] = staticmethod(lambda: 0.0)

    def run_in_executor(self, executor: object, func: Callable[..., _T], *args: Any) -> Any:  # type: ignore[override]  # Any: as typeshed has it
        future = self.create_future()

        def work() -> None:
            try:
                result = func(*args)  # Nobody can cancel a thread.
            except Exception as error:
                if not future.cancelled():
                    future.set_exception(error)
            else:
                if not future.cancelled():
                    future.set_result(result)

        self.call_later(self.thread_seconds(), work)
        return future


async def _awaited_ids(watch: Watch) -> AsyncGenerator[str]:
    for step in watch.plan.steps:
        if step.seconds:
            await asyncio.sleep(step.seconds)
        yield watch.take(step)
    watch.end_of_ids()


def _plain_ids(watch: Watch) -> Generator[str]:
    for step in watch.plan.steps:
        yield watch.take(step)
    watch.end_of_ids()


async def run_awaited(watch: Watch) -> None:
    """One run, from its first id until all that was under way has taken effect."""
    plan, world, loop = watch.plan, watch.world, asyncio.get_running_loop()
    delete_session = AsyncDeleteSession(
        AsyncTransport(watch),
        None,
        retry=plan.retry,
        journal=watch.journal,
        random=lambda: world.choose((0.0, 0.5, 1.0)),
    )
    deletions = AsyncDeleteManySessions(
        delete_session, concurrency=plan.concurrency, shutdown_timeout=plan.shutdown_timeout
    )(_awaited_ids(watch) if plan.ids_are_awaited else _plain_ids(watch))

    async def consume() -> None:
        async with deletions:
            async for outcome in deletions:
                if not watch.receive(outcome):
                    watch.leave()
                    break
                await asyncio.sleep(world.choose(plan.busy))

    def stop() -> None:
        world.send_no_more()
        watch.interrupted = True
        deletions.stop()

    def cancel() -> None:
        if not consumer.done():
            watch.leave()
            consumer.cancel()

    consumer = asyncio.ensure_future(consume())
    if plan.stop_at is not None:
        loop.call_later(plan.stop_at, stop)
    for seconds in plan.interrupt_at:
        loop.call_later(seconds, cancel)
    await asyncio.wait([consumer])
    watch.check_leaving()
    world.claim(not world.in_flight, "requests are in flight after the run was left")
    if consumer.cancelled():
        watch.raised.append(asyncio.CancelledError())
    elif (error := consumer.exception()) is not None:
        watch.raised.append(error)
    try:
        async for outcome in deletions:
            watch.receive(outcome)
    except Exception as error:
        watch.raised.append(error)
    await asyncio.sleep(LONG)
    world.claim(asyncio.all_tasks() == {asyncio.current_task()}, "a task is left")
    watch.check_end()


# Blocking


class BlockingTransport:
    def __init__(self, watch: Watch, clock: BlockingClock) -> None:
        self._watch = watch
        self._clock = clock

    def send(self, request: Request, timeout: float) -> Response:
        session_id = self._watch.world.give(request, timeout)
        self._watch.given[session_id] += 1
        attempt = self._watch.world.begin(session_id, timeout)
        try:
            self._clock.sleep(attempt.seconds)
        except KeyboardInterrupt:
            self._watch.world.land(attempt)
            raise
        return attempt.end()

    def monotonic(self) -> float:
        return self._clock.now()

    def sleep(self, seconds: float) -> None:
        self._watch.sleep_may_fail()
        self._clock.sleep(seconds)


class VirtualExecutor(Executor):
    """Carries requests side by side, in virtual time."""

    def __init__(self, watch: Watch, clock: BlockingClock) -> None:
        self._watch = watch
        self._clock = clock
        self._submitted = 0

    def submit(  # type: ignore[override]  # all that a run gives it is `transport.send`
        self, function: Callable[[Request, float], Response], request: Request, timeout: float, /
    ) -> Future[Response]:
        watch, world, plan = self._watch, self._watch.world, self._watch.plan
        session_id = world.give(request, timeout)
        self._submitted += 1
        watch.given[session_id] += 1
        if self._submitted == plan.submit_fails_at:
            watch.faults += 1
            raise plan.submit_fails_with()
        future: Future[Response] = Future()
        future.add_done_callback(lambda _: watch.given.subtract([session_id] * future.cancelled()))

        def start() -> None:
            if not future.set_running_or_notify_cancel():
                return
            attempt = world.begin(session_id, timeout)
            self._clock.call_later(attempt.seconds, lambda: _end(future, attempt))

        seconds = world.choose(plan.start_after)
        if seconds:
            self._clock.call_later(seconds, start)
        else:
            start()
        if self._submitted == plan.interrupt_at_submit:
            watch.leave()
            raise KeyboardInterrupt
        return future


def _end(future: Future[Response], attempt: Attempt) -> None:
    try:
        future.set_result(attempt.end())
    except Exception as error:
        future.set_exception(error)


class _LazyIds(Collection[str]):
    """A collection, so that the run reads it without a thread; but it may fail half-way."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def __iter__(self) -> Iterator[str]:
        return _plain_ids(self._watch)

    def __len__(self) -> int:
        return len(self._watch.plan.steps)

    def __contains__(self, session_id: object) -> bool:
        return session_id in list(self)


def run_blocking(watch: Watch, clock: BlockingClock) -> None:
    """One run, from its first id until all that was under way has taken effect."""
    with virtual_waits(clock):
        _run_blocking(watch, clock)
    watch.check_end()


def _run_blocking(watch: Watch, clock: BlockingClock) -> None:
    plan, world = watch.plan, watch.world
    transport = BlockingTransport(watch, clock)
    delete_session = DeleteSession(
        transport,
        None,
        retry=plan.retry,
        journal=watch.journal,
        random=lambda: world.choose((0.0, 0.5, 1.0)),
    )
    deletions = DeleteManySessions(
        delete_session,
        concurrency=plan.concurrency,
        executor=VirtualExecutor(watch, clock),
        shutdown_timeout=plan.shutdown_timeout,
    )(_LazyIds(watch))
    has_ended = False

    def consume() -> None:
        with deletions:
            for outcome in deletions:
                if not watch.receive(outcome):
                    watch.leave()
                    break
                clock.sleep(world.choose(plan.busy))

    def stop() -> None:
        world.send_no_more()
        watch.interrupted = True
        deletions.stop()

    def interrupt() -> None:
        if not has_ended:
            watch.leave()
            raise KeyboardInterrupt

    def note_request(number: int) -> None:
        if number == plan.stop_at_request:
            stop()

    world.on_request = note_request
    if plan.stop_at is not None:
        clock.call_later(plan.stop_at, stop)
    for seconds in plan.interrupt_at:
        clock.call_later(seconds, interrupt)
    try:
        consume()
    except (Exception, KeyboardInterrupt) as error:
        watch.raised.append(error)
    has_ended = True
    watch.check_leaving()
    may_be_lost = plan.interrupt_at_submit or plan.shutdown_timeout is not None
    if watch.leaves < 2 and not may_be_lost:
        world.claim(not world.in_flight, "requests are in flight after the run was left")
    for _ in range(2):
        try:
            for outcome in deletions:
                watch.receive(outcome)
        except (Exception, KeyboardInterrupt) as error:
            watch.raised.append(error)
    clock.sleep(LONG)
