"""Blocking runs in a simulated world, without a thread."""

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Executor, Future

from firecrawl_interact.core import (
    DeleteManySessions,
    DeleteSession,
    Deletions,
    Request,
    Response,
)

from .simulated_runs import LONG, Watch, ids
from .simulated_world import Attempt
from .virtual_blocking import BlockingClock, virtual_waits


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
        return ids(self._watch)

    def __len__(self) -> int:
        return len(self._watch.plan.steps)

    def __contains__(self, session_id: object) -> bool:
        return session_id in list(self)


def run_blocking(watch: Watch, clock: BlockingClock) -> None:
    """One run, from its first id until all that was under way has taken effect."""
    with virtual_waits(clock):
        _run_blocking(watch, clock)
    watch.check_end()


def _consume(watch: Watch, clock: BlockingClock, deletions: Deletions) -> None:
    with deletions:
        for outcome in deletions:
            if not watch.receive(outcome):
                watch.leave()
                break
            clock.sleep(watch.world.choose(watch.plan.busy))


def _take_what_is_left(watch: Watch, deletions: Deletions) -> None:
    try:
        for outcome in deletions:
            watch.receive(outcome)
    except (Exception, KeyboardInterrupt) as error:
        watch.raised.append(error)


def _check_left(watch: Watch) -> None:
    plan, world = watch.plan, watch.world
    watch.check_leaving()
    may_be_lost = plan.interrupt_at_submit or plan.shutdown_timeout is not None
    if watch.leaves < 2 and not may_be_lost:
        world.claim("the end", not world.in_flight, "requests are in flight after the run was left")


def _run_blocking(watch: Watch, clock: BlockingClock) -> None:
    plan, world = watch.plan, watch.world
    transport = BlockingTransport(watch, clock)
    delete_session = DeleteSession(
        transport,
        None,
        retry=plan.retry,
        journal=watch.journal,
        random=lambda: world.choose(plan.chances),
    )
    deletions = DeleteManySessions(
        delete_session,
        concurrency=plan.concurrency,
        executor=VirtualExecutor(watch, clock),
        shutdown_timeout=plan.shutdown_timeout,
    )(_LazyIds(watch))
    has_ended = False

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
        _consume(watch, clock, deletions)
    except (Exception, KeyboardInterrupt) as error:
        watch.raised.append(error)
    has_ended = True
    _check_left(watch)
    for _ in range(2):
        _take_what_is_left(watch, deletions)
    clock.sleep(LONG)
