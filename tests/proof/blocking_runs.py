"""Blocking runs in a simulated world, without a real thread."""

from firecrawl_interact.core import (
    DeleteManySessions,
    DeleteSession,
    Deletions,
    Request,
    Response,
)

from .simulated_runs import LONG, NoThreadError, Watch, ids
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


def run_blocking(watch: Watch, clock: BlockingClock) -> None:
    """One run, from its first id until all that was under way has taken effect."""
    threads = 0

    def may_fail() -> None:
        nonlocal threads
        threads += 1
        if threads == watch.plan.thread_fails_at:
            watch.faults += not watch.world.in_flight  # Otherwise the others carry all.
            raise NoThreadError("the system allows no more threads")

    with virtual_waits(clock, may_fail):
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
    if watch.leaves < 2 and plan.shutdown_timeout is None:
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
        shutdown_timeout=plan.shutdown_timeout,
    )(ids(watch))
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
