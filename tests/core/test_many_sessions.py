"""Many sessions, in both ways: what comes out, how many ids are taken, when what is sent."""

import asyncio
import contextlib
import itertools
import math
import threading
import tracemalloc
import uuid
from collections import Counter
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Iterator,
)
from functools import partial

import pytest

from firecrawl_interact.adapters import (
    AsyncInMemoryTransport,
    FakeService,
    InMemoryTransport,
    LostResponse,
    NoConnection,
    NoResponse,
    Reply,
)
from firecrawl_interact.adapters.system_time import SystemTime
from firecrawl_interact.core import (
    AsyncDeleteManySessions,
    AsyncDeleteSession,
    DeleteManySessions,
    DeleteSession,
    DeletionReceipt,
    ForbiddenError,
    InvalidSessionIdError,
    Pause,
    Request,
    Response,
    RetryPolicy,
    SessionNotFoundError,
    UnreachableError,
)

from . import virtual_time
from .scripted_transport import DESTROYED, UNAVAILABLE, response, run
from .side_by_side import (
    KEY,
    UNKNOWN,
    AsyncFunctionTransport,
    DeleteMany,
    FunctionTransport,
    Ids,
    Outcome,
    after,
    both_ways,
    delete_many_blocking,
    id_of,
    library_threads,
    listed,
    many,
    many_awaited,
    open_sessions,
    unchecked,
)

# Some tests leave a run half-way, and look at what that does.
pytestmark = pytest.mark.filterwarnings("ignore:<.*Deletions:RuntimeWarning")


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert not library_threads()


# Outcomes


@both_ways
def test_each_id_has_one_outcome(delete_many: DeleteMany) -> None:
    service = FakeService([KEY, "fc-another"])
    mine = open_sessions(service, 20)
    theirs = service.open_session(api_key="fc-another")
    bad: list[str] = ["..", "", "a\n"]
    result = delete_many(service, [*mine[:10], "never-opened", theirs, *bad, *mine[10:]])
    assert {receipt.session_id for receipt in result.receipts} == set(mine)
    assert not any(service.is_open(session_id) for session_id in mine)
    assert service.is_open(theirs)
    assert Counter(type(error) for error in result.errors) == {
        SessionNotFoundError: 1,
        ForbiddenError: 1,
        InvalidSessionIdError: 3,
    }
    assert {error.session_id for error in result.errors} == {"never-opened", theirs, *bad}


@both_ways
def test_an_outcome_is_what_a_single_call_would_give(delete_many: DeleteMany) -> None:
    service = FakeService()
    session_id = service.open_session(prompt_used=True)
    service.sleep(120)
    (receipt,) = delete_many(service, [session_id]).receipts
    assert receipt == DeletionReceipt(
        session_id=session_id, session_duration_ms=120_000, credits_billed=14, status="stopped"
    )


@both_ways
def test_uuids_are_ids_too(delete_many: DeleteMany) -> None:
    service = FakeService()
    session_id = uuid.UUID(service.open_session())
    (receipt,) = delete_many(service, [session_id]).receipts
    assert receipt.session_id == str(session_id)


@both_ways
def test_an_id_that_comes_twice_has_two_outcomes(delete_many: DeleteMany) -> None:
    service = FakeService()
    session_id = service.open_session()
    first, second = delete_many(service, [session_id, session_id]).receipts
    assert first.session_id == second.session_id == session_id


@both_ways
def test_no_ids_have_no_outcomes(delete_many: DeleteMany) -> None:
    assert delete_many(FakeService(), []).outcomes == []


@both_ways
@pytest.mark.parametrize("not_an_id", [5, None, b"a", ["a"]], ids=repr)
def test_what_is_no_id_is_an_outcome_among_the_others(
    not_an_id: object, delete_many: DeleteMany
) -> None:
    service = FakeService()
    mine = open_sessions(service, 2)
    result = delete_many(service, [mine[0], unchecked(not_an_id), mine[1]])
    assert len(result.receipts) == 2
    (error,) = result.errors
    assert isinstance(error, InvalidSessionIdError)
    assert error.session_id == repr(not_an_id)


@both_ways
def test_each_attempt_that_fails_for_a_moment_is_retried(delete_many: DeleteMany) -> None:
    service = FakeService()
    mine = open_sessions(service, 5)
    service.queue(Reply(503), NoConnection(), LostResponse(), NoResponse(), Reply(502))
    result = delete_many(service, mine)
    assert len(result.receipts) == 5
    assert sum(receipt.attempts for receipt in result.receipts) == 10


def test_outcomes_come_as_they_end() -> None:
    received = threading.Event()

    def respond(session_id: str) -> Response:
        assert session_id != "slow" or received.wait(10)
        return DESTROYED

    deletions = many(FunctionTransport(respond))(["slow", "quick"])
    assert next(deletions).session_id == "quick"
    received.set()
    assert next(deletions).session_id == "slow"


def test_awaited_outcomes_come_as_they_end() -> None:
    async def respond(session_id: str) -> Response:
        await asyncio.sleep(float(session_id))
        return DESTROYED

    async def main() -> list[tuple[float, str | None]]:
        deletions = many_awaited(AsyncFunctionTransport(respond))(["30", "10", "20"])
        return [(virtual_time.now(), outcome.session_id) async for outcome in deletions]

    assert virtual_time.run(main()) == [(10, "10"), (20, "20"), (30, "30")]


def test_a_retry_does_not_wait_for_what_is_in_flight() -> None:
    retried = threading.Event()
    quick_responses = iter([UNAVAILABLE, DESTROYED])

    class Transport(SystemTime):
        def send(self, request: Request, timeout: float) -> Response:
            if id_of(request) == "slow":
                assert retried.wait(10)
                return DESTROYED
            response = next(quick_responses)
            if response is DESTROYED:
                retried.set()
            return response

    delete_session = DeleteSession(Transport(), KEY, retry=RetryPolicy(first_pause=0.001))
    outcomes = list(DeleteManySessions(delete_session)(["slow", "quick"]))
    assert {outcome.session_id for outcome in outcomes} == {"slow", "quick"}
    assert all(isinstance(outcome, DeletionReceipt) for outcome in outcomes)


def test_an_iterator_of_outcomes_that_has_ended_stays_ended() -> None:
    deletions = many(FunctionTransport())(["a"])
    assert len(list(deletions)) == 1
    assert list(deletions) == []


def test_one_use_case_can_run_several_times() -> None:
    delete_many_sessions = many(FunctionTransport())
    assert len(list(delete_many_sessions(["a"]))) == 1
    assert len(list(delete_many_sessions(["a", "b"]))) == 2


# Ids are taken lazily


@pytest.mark.parametrize("concurrency", [1, 2, 8])
def test_hardly_more_ids_are_taken_than_may_be_in_flight(concurrency: int) -> None:
    ids = Ids()
    with contextlib.closing(many(FunctionTransport(), concurrency=concurrency)(ids)) as deletions:
        for received, _ in enumerate(itertools.islice(deletions, 100)):
            assert ids.taken <= received + concurrency + 1


@pytest.mark.parametrize("concurrency", [1, 2, 8])
@pytest.mark.parametrize("kind", [Iterable, AsyncIterable])
def test_hardly_more_ids_are_taken_than_may_be_in_flight_and_awaited(
    kind: type, concurrency: int
) -> None:
    async def main() -> None:
        ids, received = Ids(), 0
        source = iter(ids) if kind is Iterable else aiter(ids)
        deletions = many_awaited(AsyncFunctionTransport(), concurrency=concurrency)(source)
        async with contextlib.aclosing(deletions):
            async for _ in deletions:
                assert ids.taken <= received + concurrency + 1
                await asyncio.sleep(1)
                assert ids.taken <= received + concurrency + 1
                received += 1
                if received == 100:
                    break

    virtual_time.run(main())


def test_nothing_happens_before_the_first_outcome_is_asked_for() -> None:
    ids, transport = Ids(), FunctionTransport()
    many(transport)(ids)
    assert (ids.taken, transport.sent) == (0, [])
    assert not library_threads()


def test_nothing_happens_before_the_first_outcome_is_awaited() -> None:
    async def main() -> None:
        ids, transport = Ids(), AsyncFunctionTransport()
        deletions = many_awaited(transport)(ids)
        await asyncio.sleep(10)
        assert (ids.taken, transport.sent) == (0, [])
        await deletions.aclose()
        assert (ids.taken, transport.sent) == (0, [])

    virtual_time.run(main())


def test_bad_ids_do_not_pile_up() -> None:
    taken = 0

    def ids() -> Generator[str]:
        nonlocal taken
        for taken in itertools.count(1):  # noqa: B007 - counts
            yield ""

    with contextlib.closing(many(FunctionTransport())(ids())) as deletions:
        for received, outcome in enumerate(itertools.islice(deletions, 10_000), 1):
            assert isinstance(outcome, InvalidSessionIdError)
            assert taken == received


def test_bad_ids_do_not_pile_up_when_awaited() -> None:
    async def main() -> None:
        ids, received = itertools.count(), 0
        deletions = many_awaited(AsyncFunctionTransport())("" for _ in ids)
        async with contextlib.aclosing(deletions):
            async for outcome in deletions:
                assert isinstance(outcome, InvalidSessionIdError)
                received += 1
                if received == 5_000:
                    break
        assert next(ids) <= received + 1

    virtual_time.run(main())


def test_a_bad_id_does_not_wait_for_the_next_one() -> None:
    async def ids() -> AsyncGenerator[str]:
        yield ""
        await asyncio.sleep(1_000)

    async def main() -> None:
        deletions = many_awaited(AsyncFunctionTransport())(ids())
        assert isinstance(await anext(deletions), InvalidSessionIdError)
        assert virtual_time.now() == 0
        await deletions.aclose()

    virtual_time.run(main())


@pytest.mark.parametrize("kind", [Iterable, AsyncIterable])
def test_bad_ids_leave_the_event_loop_to_others_too(kind: type) -> None:
    async def asynchronous(ids: Iterable[str]) -> AsyncGenerator[str]:
        for session_id in ids:
            yield session_id

    async def main() -> None:
        bad = itertools.repeat("", 1_000)
        ids = itertools.chain(["good"], bad)
        source = ids if kind is Iterable else asynchronous(ids)
        outcomes = await listed(many_awaited(AsyncFunctionTransport())(source))
        place = [outcome.session_id for outcome in outcomes].index("good")
        assert place < 100, "its response came long before"
        assert virtual_time.now() == 0

    virtual_time.run(main())


def test_a_slow_consumer_does_not_make_more_requests_go() -> None:
    transport = FunctionTransport()
    with contextlib.closing(many(transport, concurrency=3)(Ids())) as deletions:
        for received, _ in enumerate(itertools.islice(deletions, 50)):
            assert len(transport.sent) <= received + 3


def test_a_slow_consumer_does_not_make_more_requests_go_when_awaited() -> None:
    async def main() -> None:
        transport, received = AsyncFunctionTransport(after(1)), 0
        async with contextlib.aclosing(many_awaited(transport, concurrency=3)(Ids())) as deletions:
            async for _ in deletions:
                await asyncio.sleep(1_000)
                assert len(transport.sent) <= received + 3
                received += 1
                if received == 50:
                    break

    virtual_time.run(main())


def test_slow_ids_do_not_hold_up_the_outcomes() -> None:
    async def ids() -> AsyncGenerator[str]:
        for number in range(3):
            await asyncio.sleep(60)
            yield str(number)

    async def main() -> list[float]:
        deletions = many_awaited(AsyncFunctionTransport(after(5)))(ids())
        return [virtual_time.now() async for _ in deletions]

    assert virtual_time.run(main()) == [65, 125, 185]


def test_ids_are_taken_while_requests_are_in_flight() -> None:
    async def ids() -> AsyncGenerator[str]:
        for number in range(3):
            await asyncio.sleep(10)
            yield str(number)

    async def main() -> list[float]:
        deletions = many_awaited(AsyncFunctionTransport(after(100)))(ids())
        return [virtual_time.now() async for _ in deletions]

    assert virtual_time.run(main()) == [110, 120, 130]


def test_a_response_that_comes_while_the_consumer_is_busy_is_not_overlooked() -> None:
    async def respond(session_id: str) -> Response:
        await asyncio.sleep(float(session_id))
        return DESTROYED

    async def ids() -> AsyncGenerator[str]:
        yield "1"
        yield "2"
        await asyncio.sleep(2)  # the end comes while the consumer is busy with the first

    async def main() -> list[str]:
        received = []
        async for outcome in many_awaited(AsyncFunctionTransport(respond))(ids()):
            received.append(outcome.session_id)
            await asyncio.sleep(10)
        return received

    assert virtual_time.run(main()) == ["1", "2"]


def test_a_pause_passes_on_the_transports_clock_while_an_id_is_awaited() -> None:
    service = FakeService(rate_limit=1)
    mine = open_sessions(service, 3)

    async def main() -> None:
        received = asyncio.Event()

        async def ids() -> AsyncGenerator[str]:
            for session_id in mine:
                yield session_id
                await received.wait()
                received.clear()

        delete_session = AsyncDeleteSession(AsyncInMemoryTransport(service), KEY)
        async with asyncio.timeout(1_000):
            async for _ in AsyncDeleteManySessions(delete_session)(ids()):
                received.set()

    virtual_time.run(main())


def test_who_may_go_again_does_not_wait_for_the_next_id() -> None:
    first_responses = iter([Response(429, {"retry-after": "5"}, b""), DESTROYED])

    async def respond(session_id: str) -> Response:
        if session_id == "first":
            await asyncio.sleep(1)
            return next(first_responses)
        await asyncio.sleep(2)
        return DESTROYED

    async def ids() -> AsyncGenerator[str]:
        yield "first"
        yield "second"
        await asyncio.sleep(1_000)

    async def main() -> None:
        deletions = many_awaited(AsyncFunctionTransport(respond))(ids())
        assert (await anext(deletions)).session_id == "second"
        await asyncio.sleep(10)  # the pause passes while the consumer is busy
        assert (await anext(deletions)).session_id == "first"
        assert virtual_time.now() == 13
        await deletions.aclose()

    virtual_time.run(main())


def test_an_outcome_that_is_there_does_not_wait_until_many_more_ids_are_taken() -> None:
    ids = Ids()
    deletions = many(FunctionTransport(), concurrency=2)(ids)
    for number in range(10):
        assert isinstance(next(deletions), DeletionReceipt)
        assert ids.taken <= number + 3
    deletions.close()


def test_a_429_that_is_there_is_read_before_one_more_request_is_sent() -> None:
    responses = iter([Response(429, {"retry-after": "5"}, b"")])
    transport = FunctionTransport(lambda _: next(responses, DESTROYED))
    list(many(transport, concurrency=1)(["0", "1", "2"]))
    assert transport.sent == ["0", "0", "1", "2"]


def test_memory_does_not_grow_with_the_ids() -> None:
    class Forgetful(SystemTime):
        def send(self, request: Request, timeout: float) -> Response:
            return DESTROYED

    def measured(count: int) -> int:
        delete_session = DeleteSession(Forgetful(), KEY)
        delete_many_sessions = DeleteManySessions(delete_session)
        deletions = delete_many_sessions(str(number) for number in range(count))
        tracemalloc.start()
        for _ in deletions:
            pass
        largest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return largest

    def peak(count: int) -> int:
        # A module that is loaded meanwhile, in any thread, only adds to one of the figures.
        return min(measured(count) for _ in range(3))

    assert peak(4_000) < peak(400) + 40_000


# Bad input is refused at once


@pytest.mark.parametrize("ids", ["an-id", b"an-id", 5, None, uuid.uuid4()], ids=type)
def test_what_is_no_iterable_of_ids_is_refused(ids: object) -> None:
    with pytest.raises(TypeError, match="session_ids must be an iterable of ids"):
        many(FunctionTransport())(unchecked(ids))
    with pytest.raises(TypeError, match="session_ids must be an iterable of ids"):
        many_awaited(AsyncFunctionTransport())(unchecked(ids))


def test_the_error_for_a_single_id_says_what_to_call() -> None:
    with pytest.raises(TypeError, match="not str; for one session call DeleteSession"):
        many(FunctionTransport())("an-id")


def test_blocking_code_takes_no_asynchronous_iterable() -> None:
    class AsynchronousIds:
        def __aiter__(self) -> AsyncIterator[str]:
            raise NotImplementedError

    with pytest.raises(TypeError, match="must be an iterable of ids, not AsynchronousIds"):
        many(FunctionTransport())(unchecked(AsynchronousIds()))


@pytest.mark.parametrize(("concurrency", "error"), [(0, ValueError), ("8", TypeError)])
def test_a_concurrency_is_a_whole_number_from_one(
    concurrency: object, error: type[Exception]
) -> None:
    with pytest.raises(error, match=r"^concurrency must be "):
        many(FunctionTransport(), concurrency=unchecked(concurrency))
    with pytest.raises(error, match=r"^concurrency must be "):
        many_awaited(AsyncFunctionTransport(), concurrency=unchecked(concurrency))


@pytest.mark.parametrize(
    "use_case",
    [
        partial(DeleteManySessions, DeleteSession(FunctionTransport(), KEY)),
        partial(AsyncDeleteManySessions, AsyncDeleteSession(AsyncFunctionTransport(), KEY)),
    ],
    ids=["blocking", "awaited"],
)
def test_a_shutdown_timeout_is_none_or_seconds(use_case: Callable[..., object]) -> None:
    for seconds in (None, 0, 0.5):
        use_case(shutdown_timeout=seconds)
    with pytest.raises(ValueError, match=r"^shutdown_timeout must be seconds, at least 0"):
        use_case(shutdown_timeout=-1)
    with pytest.raises(TypeError, match=r"^shutdown_timeout must be seconds"):
        use_case(shutdown_timeout="5")


def test_the_use_case_of_the_other_kind_is_refused() -> None:
    blocking = DeleteSession(FunctionTransport(), KEY)
    awaited = AsyncDeleteSession(AsyncFunctionTransport(), KEY)
    with pytest.raises(TypeError, match="must be of type DeleteSession, not AsyncDeleteSession"):
        DeleteManySessions(unchecked(awaited))
    with pytest.raises(TypeError, match="must be of type AsyncDeleteSession, not DeleteSession"):
        AsyncDeleteManySessions(unchecked(blocking))


def test_a_transport_is_no_use_case() -> None:
    with pytest.raises(TypeError, match="must be of type DeleteSession, not FunctionTransport"):
        DeleteManySessions(unchecked(FunctionTransport()))


# The ids fail half-way


@both_ways
def test_when_the_ids_fail_the_outcomes_so_far_come_first(delete_many: DeleteMany) -> None:
    service = FakeService()
    mine = open_sessions(service, 3)
    error = LookupError("no next page")
    received: list[Outcome] = []

    def ids() -> Generator[str]:
        yield from mine
        raise error

    def run() -> None:
        if delete_many is delete_many_blocking:
            delete_session = DeleteSession(InMemoryTransport(service), KEY)
            for outcome in DeleteManySessions(delete_session)(ids()):
                received.append(outcome)
        else:
            virtual_time.run(run_awaited())

    async def run_awaited() -> None:
        delete_session = AsyncDeleteSession(AsyncInMemoryTransport(service), KEY)
        async for outcome in AsyncDeleteManySessions(delete_session)(ids()):
            received.append(outcome)

    with pytest.raises(LookupError) as raised:
        run()
    assert raised.value is error
    assert {outcome.session_id for outcome in received} == set(mine)
    assert all(isinstance(outcome, DeletionReceipt) for outcome in received)


def test_when_the_ids_fail_what_is_in_flight_ends_with_its_outcome() -> None:
    failed = threading.Event()

    def respond(session_id: str) -> Response:
        assert failed.wait(10)
        return DESTROYED

    def ids() -> Generator[str]:
        yield from "ab"
        failed.set()
        raise LookupError("no next page")

    deletions = many(FunctionTransport(respond))(ids())
    assert {next(deletions).session_id, next(deletions).session_id} == {"a", "b"}
    with pytest.raises(LookupError):
        next(deletions)


def test_when_the_ids_fail_who_waits_is_tried_again() -> None:
    responses = iter([UNAVAILABLE, DESTROYED])
    transport = FunctionTransport(lambda _: next(responses))

    def ids() -> Generator[str]:
        yield "a"
        raise LookupError("no next page")

    deletions = many(transport)(ids())
    assert next(deletions) == DeletionReceipt(session_id="a", attempts=2)
    with pytest.raises(LookupError):
        next(deletions)


def test_when_asynchronous_ids_fail_what_is_in_flight_ends_with_its_outcome() -> None:
    async def ids() -> AsyncGenerator[str]:
        yield "a"
        yield "b"
        await asyncio.sleep(5)
        raise LookupError("no next page")

    async def main() -> None:
        deletions = many_awaited(AsyncFunctionTransport(after(10)))(ids())
        assert {(await anext(deletions)).session_id for _ in range(2)} == {"a", "b"}
        assert virtual_time.now() == 10
        with pytest.raises(LookupError):
            await anext(deletions)

    virtual_time.run(main())


class EndingAtOnce:
    """Asynchronous ids whose end, or failure, is raised before anything can be awaited."""

    def __init__(self, end: Exception) -> None:
        self._ids = iter("ab")
        self._end = end

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    def __anext__(self) -> Awaitable[str]:
        for session_id in self._ids:
            return asyncio.sleep(0, session_id)
        raise self._end


@pytest.mark.parametrize("end", [StopAsyncIteration(), LookupError("no next page")], ids=repr)
def test_when_asynchronous_ids_end_or_fail_at_once_each_has_its_outcome(end: Exception) -> None:
    async def main() -> None:
        deletions = many_awaited(AsyncFunctionTransport(after(10)))(EndingAtOnce(end))
        assert {(await anext(deletions)).session_id for _ in range(2)} == {"a", "b"}
        with pytest.raises(type(end)):
            await anext(deletions)

    virtual_time.run(main())


# The rate limit


@both_ways
@pytest.mark.parametrize("concurrency", [1, 8])
def test_at_ten_requests_a_minute_a_hundred_sessions_take_nine_minutes(
    delete_many: DeleteMany, concurrency: int
) -> None:
    service = FakeService(rate_limit=10)
    result = delete_many(service, open_sessions(service, 100), concurrency=concurrency)
    assert len(result.receipts) == 100
    assert service.monotonic() <= 1.05 * 540
    assert len(service.requests) <= 150


@both_ways
def test_waits_for_the_rate_limit_do_not_use_up_the_deadline(delete_many: DeleteMany) -> None:
    service = FakeService(rate_limit=3)
    retry = RetryPolicy(max_attempts=1, deadline=61)
    result = delete_many(service, open_sessions(service, 20), retry=retry)
    assert len(result.receipts) == 20
    assert service.monotonic() >= 6 * 60


def test_waits_that_the_service_rounds_cost_hardly_more_requests() -> None:
    async def main(latency: float) -> int:
        taken, minute_ends = 0, 0.0

        async def respond(session_id: str) -> Response:
            nonlocal taken, minute_ends
            now = virtual_time.now()
            if now >= minute_ends:
                minute_ends, taken = now + 60, 0
            taken += 1
            if taken > 10:
                seconds = math.floor(minute_ends - now + 0.5) or 1  # as its source does
                error = f"Rate limit exceeded. Please retry after {seconds}s"
                return response(429, {"success": False, "error": error})
            await asyncio.sleep(latency)
            return DESTROYED

        transport = AsyncFunctionTransport(respond)
        outcomes = await listed(many_awaited(transport)(map(str, range(100))))
        assert all(isinstance(outcome, DeletionReceipt) for outcome in outcomes)
        return len(transport.sent)

    assert max(virtual_time.run(main(number / 10)) for number in range(1, 20)) <= 150


def test_a_pause_is_waited_for_and_not_passed_by_looking_at_the_clock() -> None:
    limited = Response(429, {"retry-after": "60"}, b"")
    responses = {"a": iter([limited, DESTROYED]), "b": iter([DESTROYED]), "c": iter([DESTROYED])}

    async def respond(session_id: str) -> Response:
        await asyncio.sleep({"a": 1, "b": 2, "c": 3}[session_id])
        return next(responses[session_id])

    async def main() -> None:
        transport = AsyncFunctionTransport(respond)
        assert len(await listed(many_awaited(transport)(["a", "b", "c"]))) == 3
        assert transport.looks_at_the_clock < 300

    virtual_time.run(main())


# Threads and executors


def test_by_default_threads_carry_the_requests_as_many_as_may_be_in_flight() -> None:
    together = threading.Barrier(3)
    threads: set[threading.Thread] = set()

    def respond(session_id: str) -> Response:
        threads.add(threading.current_thread())
        together.wait(10)
        return DESTROYED

    outcomes = list(many(FunctionTransport(respond), concurrency=3)(iter("abcdef")))
    assert len(outcomes) == 6
    assert len(threads) == 3
    assert all(thread.name == "firecrawl_interact" and thread.daemon for thread in threads)


def test_a_fault_of_the_transport_fails_the_run_after_the_outcomes() -> None:
    fault = ValueError("a bug")

    def respond(session_id: str) -> Response:
        raise fault

    deletions = many(FunctionTransport(respond), concurrency=1)(Ids())
    outcome = next(deletions)
    assert isinstance(outcome, UnreachableError)
    assert outcome.session_fate is UNKNOWN
    with pytest.raises(RuntimeError) as raised:
        next(deletions)
    assert raised.value.__cause__ is fault


def test_a_fault_of_the_transports_sleep_passes() -> None:
    def on_sleep() -> None:
        raise ValueError("a bug")

    deletions = many(FunctionTransport(lambda _: UNAVAILABLE, on_sleep))(["a"])
    with pytest.raises(ValueError, match="a bug"):
        next(deletions)


def test_a_fault_of_the_asynchronous_transports_sleep_passes() -> None:
    def on_sleep() -> None:
        raise ValueError("a bug")

    async def main() -> None:
        transport = AsyncFunctionTransport(after(1, UNAVAILABLE), on_sleep)
        deletions = many_awaited(transport)(["a"])
        with pytest.raises(ValueError, match="a bug"):
            await anext(deletions)
        deletions.stop()  # The error holds it, so that it would warn at any time.

    virtual_time.run(main())


def test_a_fault_of_the_asynchronous_transport_fails_the_run_after_the_outcomes() -> None:
    fault = ValueError("a bug")

    async def respond(session_id: str) -> Response:
        await asyncio.sleep(1)
        if session_id == "0":
            raise fault
        await asyncio.sleep(1)
        return DESTROYED

    async def main() -> list[Outcome]:
        transport = AsyncFunctionTransport(respond)
        deletions = many_awaited(transport, concurrency=2)(Ids())
        received = [await anext(deletions), await anext(deletions)]
        with pytest.raises(RuntimeError) as raised:
            await anext(deletions)
        assert raised.value.__cause__ is fault
        assert transport.sent == ["0", "1"]
        return received

    unreachable, receipt = virtual_time.run(main())
    assert isinstance(unreachable, UnreachableError)
    assert (unreachable.session_id, unreachable.session_fate) == ("0", UNKNOWN)
    assert receipt == DeletionReceipt(session_id="1")


def test_an_awaited_run_says_that_it_needs_asyncio() -> None:
    async def main() -> None:
        deletions = many_awaited(AsyncFunctionTransport())(["a"])
        with pytest.raises(RuntimeError) as raised:
            await anext(deletions)
        assert str(raised.value) == (
            "AsyncDeleteManySessions needs asyncio's event loop. Under another event loop, call"
            " AsyncDeleteSession for each session."
        )
        await deletions.aclose()

    run(main())


def test_a_block_of_an_awaited_run_does_not_begin_without_asyncio() -> None:
    async def main() -> None:
        deletions = many_awaited(AsyncFunctionTransport())(["a"])
        with pytest.raises(RuntimeError, match="AsyncDeleteManySessions needs asyncio's event"):
            async with deletions:
                pytest.fail("the block has begun")
        deletions.stop()

    run(main())


def test_a_collection_of_ids_is_read_where_the_outcomes_are_asked_for() -> None:
    readers: set[threading.Thread] = set()

    class Listed(list[str]):
        def __iter__(self) -> Iterator[str]:
            for session_id in super().__iter__():
                readers.add(threading.current_thread())
                yield session_id

    list(many(FunctionTransport())(Listed("abc")))
    assert readers == {threading.current_thread()}


def test_a_run_shows_what_holds_it_back() -> None:
    async def respond(session_id: str) -> Response:
        await asyncio.sleep(1 if session_id == "a" else 2)
        return response(429, None, {"retry-after": "60"}) if session_id == "a" else DESTROYED

    async def main() -> Pause | None:
        async with many_awaited(AsyncFunctionTransport(respond))(["a", "b"]) as deletions:
            assert deletions.pause is None
            assert (await anext(deletions)).session_id == "b"
            return deletions.pause

    pause = virtual_time.run(main())
    assert pause
    assert (pause.reason, pause.waiting) == ("rate limit", 1)


def test_a_retry_is_waited_for_exactly_and_a_long_pause_second_by_second() -> None:
    ends = iter([UNAVAILABLE, response(429, None, {"retry-after": "10"}), DESTROYED])
    transport = FunctionTransport(lambda session_id: next(ends))
    list(many(transport)(["a"]))
    assert transport.sleeps[:11] == [0.75] + 10 * [1.0]
