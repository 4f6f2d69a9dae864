"""Runs of many sessions that are stopped, or left before their end."""

import asyncio
import contextlib
import gc
import signal
import threading
from collections.abc import (
    AsyncGenerator,
    Callable,
    Iterator,
)
from typing import ParamSpec, TypeVar

import pytest

from firecrawl_interact.core import (
    AsyncDeletions,
    DeleteManySessions,
    DeleteSession,
    DeletionReceipt,
    RateLimitError,
    Response,
    ServiceUnavailableError,
    SessionFate,
    UnreachableError,
)

from . import virtual_time
from .scripted_transport import DESTROYED, RATE_LIMITED, UNAVAILABLE
from .side_by_side import (
    GONE,
    KEY,
    UNKNOWN,
    UNTOUCHED,
    AsyncFunctionTransport,
    FunctionTransport,
    Ids,
    Outcome,
    after,
    library_threads,
    listed,
    many,
    many_awaited,
)

# Some tests leave a run half-way, and look at what that does.
pytestmark = pytest.mark.filterwarnings("ignore:<.*Deletions:RuntimeWarning")


_P = ParamSpec("_P")
_T = TypeVar("_T")


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert not library_threads()


# Stopped


def test_stop_lets_what_is_in_flight_end_with_its_outcome() -> None:
    together = threading.Barrier(2)
    stopped = threading.Event()

    def respond(session_id: str) -> Response:
        if together.wait(10) == 0:
            deletions.stop()
            stopped.set()
        assert stopped.wait(10)
        return DESTROYED

    ids = Ids()
    deletions = many(FunctionTransport(respond), concurrency=2)(ids)
    assert {outcome.session_id for outcome in deletions} == {"0", "1"}
    assert ids.taken == 2


def test_stop_lets_what_is_in_flight_and_awaited_end_with_its_outcome() -> None:
    async def main() -> None:
        ids, transport = Ids(), AsyncFunctionTransport(after(10))
        deletions = many_awaited(transport, concurrency=2)(ids)
        asyncio.get_running_loop().call_at(5, deletions.stop)
        outcomes = await listed(deletions)
        assert {outcome.session_id for outcome in outcomes} == {"0", "1"}
        assert transport.sent == ["0", "1"]
        assert ids.taken == 2

    virtual_time.run(main())


def test_stop_ends_who_waits_with_what_the_last_try_met() -> None:
    transport = FunctionTransport(lambda _: UNAVAILABLE, lambda: deletions.stop())  # noqa: PLW0108 - not yet there
    deletions = many(transport, concurrency=1)(["a"])
    (outcome,) = deletions
    assert isinstance(outcome, ServiceUnavailableError)
    assert outcome.attempts == 1


def test_stop_is_heard_within_a_second_of_a_pause() -> None:
    def on_sleep() -> None:
        if len(transport.sleeps) == 3:
            stopping = threading.Thread(target=deletions.stop)
            stopping.start()
            stopping.join()

    limited = Response(429, {"retry-after": "60"}, b"")
    transport = FunctionTransport(lambda _: limited, on_sleep)
    deletions = many(transport, concurrency=1)(["a"])
    assert isinstance(next(deletions), RateLimitError)
    assert transport.sleeps == [1, 1, 1]
    deletions.close()


def test_after_the_last_outcome_of_a_stopped_run_nothing_is_waited_for() -> None:
    limited = Response(429, {"retry-after": "60"}, b"")
    transport = FunctionTransport(lambda _: limited, lambda: deletions.stop())  # noqa: PLW0108 - not yet there
    deletions = many(transport, concurrency=1)(["a"])
    assert len(list(deletions)) == 1
    assert transport.now == 1


def test_stop_is_heard_from_a_signal_handler_during_a_pause() -> None:
    def handle(number: int, frame: object) -> None:
        deletions.stop()

    limited = Response(429, {"retry-after": "60"}, b"")
    transport = FunctionTransport(lambda _: limited, lambda: signal.raise_signal(signal.SIGTERM))
    deletions = many(transport, concurrency=1)(["a"])
    before = signal.signal(signal.SIGTERM, handle)
    try:
        assert isinstance(next(deletions), RateLimitError)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert transport.sleeps == [1]
    deletions.close()


def test_stop_from_a_signal_handler_takes_effect_while_responses_are_awaited() -> None:
    handled = threading.Event()
    main_thread = threading.get_ident()

    def handle(number: int, frame: object) -> None:
        deletions.stop()
        handled.set()

    def respond(session_id: str) -> Response:
        signal.pthread_kill(main_thread, signal.SIGTERM)
        assert handled.wait(10)
        return DESTROYED

    transport = FunctionTransport(respond)
    deletions = many(transport, concurrency=1)(Ids())
    before = signal.signal(signal.SIGTERM, handle)
    try:
        assert [outcome.session_id for outcome in deletions] == ["0"]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_stop_ends_who_waits_before_what_is_in_flight_ends() -> None:
    refused, paused, received = (threading.Event() for _ in range(3))

    class Transport(FunctionTransport):
        def monotonic(self) -> float:
            if refused.is_set():  # so this may be the last look before it waits for responses
                paused.set()
            return super().monotonic()

    def respond(session_id: str) -> Response:
        if session_id == "refused":
            refused.set()
            return Response(429, {"retry-after": "200"}, b"")
        assert paused.wait(10)
        deletions.stop()
        assert received.wait(10)
        return DESTROYED

    deletions = many(Transport(respond))(["slow", "refused"])
    assert next(deletions).session_id == "refused"
    received.set()
    assert next(deletions).session_id == "slow"
    deletions.close()


def test_stop_is_heard_within_a_second_of_an_awaited_pause() -> None:
    async def main() -> None:
        limited = Response(429, {"retry-after": "60"}, b"")
        transport = AsyncFunctionTransport(after(0, limited))
        deletions = many_awaited(transport, concurrency=1)(["a"])
        asyncio.get_running_loop().call_at(2.5, deletions.stop)
        assert isinstance(await anext(deletions), RateLimitError)
        assert virtual_time.now() <= 3

    virtual_time.run(main())


def test_stop_does_not_wait_for_the_next_id() -> None:
    cancelled = []

    async def ids() -> AsyncGenerator[str]:
        yield "a"
        try:
            await asyncio.sleep(1_000)
        except asyncio.CancelledError:
            cancelled.append(virtual_time.now())
            raise

    async def main() -> None:
        deletions = many_awaited(AsyncFunctionTransport(after(5)))(ids())
        asyncio.get_running_loop().call_at(7, deletions.stop)
        assert len(await listed(deletions)) == 1
        assert virtual_time.now() == 7

    virtual_time.run(main())
    assert cancelled == [7]


def test_an_id_that_comes_as_the_run_is_stopped_has_its_outcome() -> None:
    async def ids() -> AsyncGenerator[str]:
        yield "a"
        await asyncio.sleep(3)
        yield "b"
        await asyncio.sleep(1_000)

    async def main() -> list[Outcome]:
        received: list[Outcome] = []
        deletions = many_awaited(AsyncFunctionTransport(after(2)))(ids())
        async for outcome in deletions:
            received.append(outcome)
            if len(received) == 1:
                await asyncio.sleep(5)  # the next id comes meanwhile
                deletions.stop()
        return received

    receipt, untouched = virtual_time.run(main())
    assert receipt == DeletionReceipt(session_id="a")
    assert isinstance(untouched, UnreachableError)
    assert (untouched.session_id, untouched.session_fate) == ("b", UNTOUCHED)


def test_an_id_that_stops_the_run_as_it_comes_has_its_outcome() -> None:
    runs: list[AsyncDeletions] = []

    async def ids() -> AsyncGenerator[str]:
        yield "a"
        await asyncio.sleep(5)
        runs[0].stop()
        yield "b"

    async def main() -> list[Outcome]:
        runs.append(many_awaited(AsyncFunctionTransport(after(2)))(ids()))
        return await listed(runs[0])

    receipt, untouched = virtual_time.run(main())
    assert receipt == DeletionReceipt(session_id="a")
    assert isinstance(untouched, UnreachableError)
    assert (untouched.session_id, untouched.session_fate) == ("b", UNTOUCHED)


def test_a_run_that_is_stopped_before_it_began_takes_nothing() -> None:
    ids = Ids()
    deletions = many(FunctionTransport())(ids)
    deletions.stop()
    assert list(deletions) == []
    assert ids.taken == 0


def test_an_awaited_run_that_is_stopped_before_it_began_takes_nothing() -> None:
    async def main() -> None:
        ids = Ids()
        deletions = many_awaited(AsyncFunctionTransport())(ids)
        deletions.stop()
        assert await listed(deletions) == []
        assert ids.taken == 0

    virtual_time.run(main())


def test_stop_does_no_harm_twice_or_after_the_end() -> None:
    deletions = many(FunctionTransport(), concurrency=1)(Ids())
    next(deletions)
    deletions.stop()
    deletions.stop()
    assert list(deletions) == []
    deletions.stop()
    assert list(deletions) == []


# Left early


class InFlight:
    """Responds to "0" once "1", "2" and "3" have begun, and those when they are released."""

    def __init__(self) -> None:
        self.ended: list[str] = []
        self._together = threading.Barrier(4)
        self._released = threading.Event()

    def respond(self, session_id: str) -> Response:
        self._together.wait(10)
        if session_id != "0":
            assert self._released.wait(10)
        self.ended.append(session_id)
        return DESTROYED

    def release_soon(self) -> None:
        threading.Thread(target=self._released.set).start()


def test_closing_waits_for_what_is_in_flight_and_keeps_its_outcomes() -> None:
    in_flight = InFlight()
    transport = FunctionTransport(in_flight.respond)
    deletions = many(transport, concurrency=4)(Ids())
    assert next(deletions).session_id == "0"
    in_flight.release_soon()
    deletions.close()
    assert sorted(in_flight.ended) == sorted(transport.sent) == ["0", "1", "2", "3"]
    assert {outcome.session_id for outcome in deletions} == {"1", "2", "3"}
    assert not library_threads()


def test_dropping_the_iterator_lets_what_is_in_flight_end_and_sends_nothing_new() -> None:
    in_flight = InFlight()
    transport = FunctionTransport(in_flight.respond)
    deletions = many(transport, concurrency=4)(Ids())
    next(deletions)
    in_flight.release_soon()
    del deletions
    gc.collect()
    assert not library_threads()
    assert sorted(in_flight.ended) == sorted(transport.sent) == ["0", "1", "2", "3"]


def test_ctrl_c_waits_for_what_is_in_flight_and_sends_nothing_new() -> None:
    main_thread = threading.get_ident()
    ended = []

    def respond(session_id: str) -> Response:
        if session_id == "3":
            signal.pthread_kill(main_thread, signal.SIGINT)
        ended.append(session_id)
        return DESTROYED

    transport = FunctionTransport(respond)
    with pytest.raises(KeyboardInterrupt):
        list(many(transport, concurrency=1)(Ids()))
    assert ended == transport.sent == ["0", "1", "2", "3"]
    assert not library_threads()


async def begin_awaited(transport: AsyncFunctionTransport) -> AsyncDeletions:
    """Receive the first outcome, with three more requests in flight."""
    deletions = many_awaited(transport, concurrency=4)(Ids())
    assert (await anext(deletions)).session_id == "0"
    assert transport.sent == ["0", "1", "2", "3"]
    return deletions


async def soon_and_later(session_id: str) -> Response:
    await asyncio.sleep(1 if session_id == "0" else 50)
    return DESTROYED


def only_this_task_is_left() -> bool:
    return asyncio.all_tasks() == {asyncio.current_task()}


def test_closing_awaits_what_is_in_flight_and_keeps_its_outcomes() -> None:
    async def main() -> None:
        transport = AsyncFunctionTransport(soon_and_later)
        deletions = await begin_awaited(transport)
        await deletions.aclose()
        assert virtual_time.now() == 50
        assert sorted(transport.ended) == transport.sent == ["0", "1", "2", "3"]
        assert only_this_task_is_left()
        assert len(await listed(deletions)) == 3

    virtual_time.run(main())


def test_an_exception_in_the_block_awaits_what_is_in_flight_and_sends_nothing_new() -> None:
    async def main() -> None:
        transport = AsyncFunctionTransport(soon_and_later)
        with contextlib.suppress(ZeroDivisionError):
            async with await begin_awaited(transport):
                raise ZeroDivisionError
        assert sorted(transport.ended) == transport.sent == ["0", "1", "2", "3"]
        assert only_this_task_is_left()

    virtual_time.run(main())


def test_dropping_the_asynchronous_iterator_sends_nothing_new() -> None:
    async def main() -> None:
        transport = AsyncFunctionTransport(soon_and_later)
        await begin_awaited(transport)
        gc.collect()
        await asyncio.sleep(100)
        assert sorted(transport.ended) == transport.sent == ["0", "1", "2", "3"]
        assert only_this_task_is_left()

    virtual_time.run(main())


def test_cancelling_the_consumer_awaits_what_is_in_flight_and_sends_nothing_new() -> None:
    async def main() -> None:
        transport = AsyncFunctionTransport(after(50))
        consumer = asyncio.ensure_future(listed(many_awaited(transport, concurrency=4)(Ids())))
        await asyncio.sleep(20)
        consumer.cancel()
        with pytest.raises(asyncio.CancelledError):
            await consumer
        assert virtual_time.now() == 50
        assert sorted(transport.ended) == transport.sent == ["0", "1", "2", "3"]
        assert only_this_task_is_left()

    virtual_time.run(main())


async def one_refused(session_id: str) -> Response:
    await asyncio.sleep({"refused": 1, "first": 2, "second": 3}[session_id])
    return Response(429, {"retry-after": "60"}, b"") if session_id == "refused" else DESTROYED


def test_a_run_that_is_stopped_in_a_pause_leaves_no_task_behind() -> None:
    async def main() -> None:
        transport = AsyncFunctionTransport(one_refused)
        deletions = many_awaited(transport)(["refused", "first", "second"])
        asyncio.get_running_loop().call_at(5, deletions.stop)
        assert len(await listed(deletions)) == 3
        await asyncio.sleep(0)
        assert virtual_time.now() == 5
        assert only_this_task_is_left()

    virtual_time.run(main())


def test_a_consumer_that_is_cancelled_in_a_pause_leaves_no_task_behind() -> None:
    async def main() -> None:
        transport = AsyncFunctionTransport(one_refused)
        deletions = many_awaited(transport)(["refused", "first", "second"])
        consumer = asyncio.ensure_future(listed(deletions))
        asyncio.get_running_loop().call_at(5, consumer.cancel)
        await asyncio.wait([consumer])
        assert virtual_time.now() == 5
        assert only_this_task_is_left()

    virtual_time.run(main())


def test_a_program_that_cancels_all_its_tasks_loses_no_outcome() -> None:
    async def main() -> None:
        deletions = many_awaited(AsyncFunctionTransport(after(50)), concurrency=4)(Ids())
        consumer = asyncio.ensure_future(listed(deletions))
        await asyncio.sleep(5)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.wait([consumer])
        assert consumer.cancelled()
        assert virtual_time.now() == 5
        assert {outcome.session_fate for outcome in await listed(deletions)} == {UNKNOWN}

    virtual_time.run(main())


def test_a_request_that_another_cancels_fails_the_run_after_the_outcomes() -> None:
    async def respond(session_id: str) -> Response:
        if session_id == "1":
            raise asyncio.CancelledError
        return await after(50)(session_id)

    async def main() -> None:
        deletions = many_awaited(AsyncFunctionTransport(respond), concurrency=3)(Ids())
        outcomes = [await anext(deletions) for _ in range(3)]
        fates = {outcome.session_id: outcome.session_fate for outcome in outcomes}
        assert fates == {"0": GONE, "1": UNKNOWN, "2": GONE}
        with pytest.raises(RuntimeError, match="no request can be sent") as raised:
            await anext(deletions)
        assert isinstance(raised.value.__cause__, asyncio.CancelledError)

    virtual_time.run(main())


def test_closing_cancels_the_wait_for_the_next_id() -> None:
    cancelled = []

    async def ids() -> AsyncGenerator[str]:
        yield "a"
        try:
            await asyncio.sleep(1_000)
        finally:
            cancelled.append(virtual_time.now())

    async def main() -> None:
        deletions = many_awaited(AsyncFunctionTransport(after(5)))(ids())
        await anext(deletions)
        await deletions.aclose()
        assert only_this_task_is_left()

    virtual_time.run(main())
    assert cancelled == [5]


def test_closing_that_is_cancelled_goes_on_to_its_end_and_is_cancelled_then() -> None:
    async def main() -> None:
        transport = AsyncFunctionTransport(soon_and_later)
        deletions = await begin_awaited(transport)
        closing = asyncio.ensure_future(deletions.aclose())
        asyncio.get_running_loop().call_later(5, closing.cancel)
        await asyncio.wait([closing])
        assert closing.cancelled()
        assert virtual_time.now() == 50
        assert sorted(transport.ended) == ["0", "1", "2", "3"]

    virtual_time.run(main())


def test_closing_twice_does_no_harm() -> None:
    both_sent, received = threading.Barrier(2), threading.Event()

    def respond(session_id: str) -> Response:
        both_sent.wait(10)
        assert session_id == "a" or received.wait(10)
        return DESTROYED

    with many(FunctionTransport(respond))(["a", "b"]) as deletions:
        outcomes = [next(deletions)]
        received.set()
        deletions.close()
    assert [outcome.session_id for outcome in [*outcomes, *deletions]] == ["a", "b"]


def test_ctrl_c_in_a_pause_leaves_the_run() -> None:
    def press_ctrl_c() -> None:
        raise KeyboardInterrupt

    transport = FunctionTransport(lambda session_id: RATE_LIMITED, on_sleep=press_ctrl_c)
    deletions = many(transport)(["a"])
    with pytest.raises(KeyboardInterrupt):
        next(deletions)
    assert [type(outcome) for outcome in deletions] == [RateLimitError]
    assert transport.sent == ["a"]


def respond_to_a_first(b_may_end: threading.Event) -> Callable[[str], Response]:
    """Respond once both are sent, and to `b` when it may end."""
    both_sent = threading.Barrier(2)

    def respond(session_id: str) -> Response:
        both_sent.wait(10)
        if session_id == "b":
            b_may_end.wait(10)
        return DESTROYED

    return respond


def test_what_is_in_flight_when_the_shutdown_timeout_is_over_is_unknown() -> None:
    ended = threading.Event()
    delete_session = DeleteSession(FunctionTransport(respond_to_a_first(ended)), KEY)
    with DeleteManySessions(delete_session, shutdown_timeout=0)(["a", "b"]) as deletions:
        assert next(deletions).session_id == "a"
    (outcome,) = deletions
    ended.set()
    assert isinstance(outcome, UnreachableError)
    assert (outcome.session_id, outcome.attempts) == ("b", 1)
    assert outcome.session_fate is SessionFate.UNKNOWN


class PassingTime(FunctionTransport):
    """Three seconds pass between two looks at the clock."""

    def monotonic(self) -> float:
        self.now += 3
        return self.now


@pytest.mark.parametrize("shutdown_timeout", [0, 2])
def test_what_is_in_flight_has_the_shutdown_timeout_from_stop_on(shutdown_timeout: float) -> None:
    ended = threading.Event()
    delete_session = DeleteSession(PassingTime(respond_to_a_first(ended)), KEY)
    delete_many = DeleteManySessions(delete_session, shutdown_timeout=shutdown_timeout)
    deletions = delete_many(["a", "b"])
    assert next(deletions).session_id == "a"
    deletions.stop()
    (outcome,) = deletions
    ended.set()
    assert (outcome.session_id, outcome.session_fate) == ("b", SessionFate.UNKNOWN)
