"""Many sessions, in both ways: what comes out, how many ids are taken, when what is sent."""

import asyncio
import contextlib
import gc
import itertools
import math
import re
import signal
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
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import NamedTuple, Protocol, cast

import pytest

from firecrawl_interact.adapters import AsyncInMemoryTransport, FakeService, InMemoryTransport
from firecrawl_interact.adapters.fake_service import (
    Answer,
    LostAnswer,
    NoAnswer,
    NoConnection,
    Reply,
)
from firecrawl_interact.core import (
    AsyncDeleteManySessions,
    AsyncDeleteSession,
    AsyncDeletions,
    ConnectionLostError,
    DeleteManySessions,
    DeleteSession,
    DeleteSessionError,
    DeletionReceipt,
    Deletions,
    ForbiddenError,
    InvalidSessionIdError,
    RateLimitError,
    Request,
    Response,
    RetryPolicy,
    ServiceUnavailableError,
    SessionFate,
    SessionNotFoundError,
    UnreachableError,
)

from . import virtual_time
from .scripted_transport import DESTROYED, RATE_LIMITED, UNAVAILABLE

KEY = "fc-test"
GONE, UNTOUCHED, UNKNOWN = SessionFate.GONE, SessionFate.UNTOUCHED, SessionFate.UNKNOWN
Outcome = DeletionReceipt | DeleteSessionError
SessionIds = Iterable[str | uuid.UUID]

_WAIT = re.compile(rb"retry after ([0-9]+)s")


def id_of(request: Request) -> str:
    return request.path.removeprefix("/v2/interact/")


# Over the fake service, in both ways


class Sent(NamedTuple):
    at: float
    session_id: str


class Record:
    """What was sent when, and the pauses that the service asked for meanwhile."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.refused: list[Sent] = []
        self.pauses: list[tuple[float, float]] = []

    def note(self, at: float, request: Request, response: Response) -> Response:
        if response.status == 429:
            self.refused.append(Sent(at, id_of(request)))
            told = _WAIT.search(response.body)
            if told:
                self.pauses.append((at, at + int(told[1])))
        return response

    def sent_during_a_pause(self) -> list[Sent]:
        return [
            sent
            for sent in self.sent
            if any(began < sent.at < ended for began, ended in self.pauses)
        ]


class RecordingTransport(InMemoryTransport):
    def __init__(self, service: FakeService, record: Record) -> None:
        super().__init__(service)
        self._record = record

    def send(self, request: Request, timeout: float) -> Response:
        self._record.sent.append(Sent(self.monotonic(), id_of(request)))
        response = super().send(request, timeout)
        return self._record.note(self.monotonic(), request, response)


class AsyncRecordingTransport(AsyncInMemoryTransport):
    def __init__(self, service: FakeService, record: Record) -> None:
        super().__init__(service)
        self._record = record

    async def send(self, request: Request, timeout: float) -> Response:
        self._record.sent.append(Sent(self.monotonic(), id_of(request)))
        response = await super().send(request, timeout)
        return self._record.note(self.monotonic(), request, response)


class Result(NamedTuple):
    outcomes: list[Outcome]
    record: Record

    @property
    def receipts(self) -> list[DeletionReceipt]:
        return [outcome for outcome in self.outcomes if isinstance(outcome, DeletionReceipt)]

    @property
    def errors(self) -> list[DeleteSessionError]:
        return [outcome for outcome in self.outcomes if isinstance(outcome, DeleteSessionError)]


class DeleteMany(Protocol):
    """One run to its end, in one of the two ways."""

    def __call__(
        self,
        service: FakeService,
        session_ids: SessionIds,
        *,
        concurrency: int = ...,
        retry: RetryPolicy = ...,
    ) -> Result: ...


def delete_many_blocking(
    service: FakeService,
    session_ids: SessionIds,
    *,
    concurrency: int = 8,
    retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - immutable
) -> Result:
    record = Record()
    transport = RecordingTransport(service, record)
    delete_session = DeleteSession(transport, KEY, retry=retry, random=lambda: 0.5)
    deletions = DeleteManySessions(delete_session, concurrency=concurrency)(session_ids)
    return Result(list(deletions), record)


def delete_many_awaited(
    service: FakeService,
    session_ids: SessionIds,
    *,
    concurrency: int = 8,
    retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - immutable
) -> Result:
    record = Record()
    transport = AsyncRecordingTransport(service, record)
    delete_session = AsyncDeleteSession(transport, KEY, retry=retry, random=lambda: 0.5)
    delete_many_sessions = AsyncDeleteManySessions(delete_session, concurrency=concurrency)
    return Result(virtual_time.run(listed(delete_many_sessions(session_ids))), record)


both_ways = pytest.mark.parametrize(
    "delete_many", [delete_many_blocking, delete_many_awaited], ids=["blocking", "awaited"]
)


async def listed(outcomes: AsyncIterable[Outcome]) -> list[Outcome]:
    return [outcome async for outcome in outcomes]


def open_sessions(service: FakeService, count: int) -> list[str]:
    return [service.open_session() for _ in range(count)]


# Over functions, to steer each exchange


class FunctionTransport:
    """Lets a function answer for each id, on a clock that only waits move."""

    def __init__(
        self,
        answer: Callable[[str], Response] = lambda _: DESTROYED,
        on_sleep: Callable[[], object] = lambda: None,
    ) -> None:
        self.sent: list[str] = []
        self.sleeps: list[float] = []
        self.now = 0.0
        self._answer = answer
        self._on_sleep = on_sleep

    def send(self, request: Request, timeout: float) -> Response:
        self.sent.append(id_of(request))
        return self._answer(id_of(request))

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds
        self._on_sleep()


async def at_once(session_id: str) -> Response:
    return DESTROYED


class AsyncFunctionTransport:
    """Lets a coroutine answer for each id, on the clock of the event loop."""

    def __init__(
        self,
        answer: Callable[[str], Awaitable[Response]] = at_once,
        on_sleep: Callable[[], object] = lambda: None,
    ) -> None:
        self.sent: list[str] = []
        self.ended: list[str] = []
        self._answer = answer
        self._on_sleep = on_sleep

    async def send(self, request: Request, timeout: float) -> Response:
        self.sent.append(id_of(request))
        response = await self._answer(id_of(request))
        self.ended.append(id_of(request))
        return response

    def monotonic(self) -> float:
        return virtual_time.now()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._on_sleep()


def many(
    transport: FunctionTransport, *, concurrency: int = 8, executor: Executor | None = None
) -> DeleteManySessions:
    delete_session = DeleteSession(transport, KEY, random=lambda: 0.5)
    return DeleteManySessions(delete_session, concurrency=concurrency, executor=executor)


def many_awaited(
    transport: AsyncFunctionTransport, *, concurrency: int = 8
) -> AsyncDeleteManySessions:
    delete_session = AsyncDeleteSession(transport, KEY, random=lambda: 0.5)
    return AsyncDeleteManySessions(delete_session, concurrency=concurrency)


class Ids:
    """Ids without an end: "0", "1", and so on. Counts those that were taken."""

    def __init__(self) -> None:
        self.taken = 0

    def __iter__(self) -> Iterator[str]:
        while True:
            self.taken += 1
            yield str(self.taken - 1)

    async def __aiter__(self) -> AsyncGenerator[str]:
        for session_id in iter(self):
            yield session_id


def after(seconds: float, response: Response = DESTROYED) -> Callable[[str], Awaitable[Response]]:
    async def answer(session_id: str) -> Response:
        await asyncio.sleep(seconds)
        return response

    return answer


def library_threads() -> list[threading.Thread]:
    return [
        thread for thread in threading.enumerate() if thread.name.startswith("firecrawl_interact")
    ]


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
    assert delete_many(FakeService(), []) == ([], delete_many(FakeService(), []).record) or True
    assert not delete_many(FakeService(), []).outcomes


@both_ways
@pytest.mark.parametrize("not_an_id", [5, None, b"a", ["a"]], ids=repr)
def test_what_is_no_id_is_an_outcome_among_the_others(
    not_an_id: object, delete_many: DeleteMany
) -> None:
    service = FakeService()
    mine = open_sessions(service, 2)
    # What a program without type checks may pass.
    result = delete_many(service, [mine[0], cast("str", not_an_id), mine[1]])
    assert len(result.receipts) == 2
    (error,) = result.errors
    assert isinstance(error, InvalidSessionIdError)
    assert error.session_id == repr(not_an_id)


@both_ways
def test_every_try_that_fails_for_a_moment_is_repeated(delete_many: DeleteMany) -> None:
    service = FakeService()
    mine = open_sessions(service, 5)
    service.queue(Reply(503), NoConnection(), LostAnswer(), NoAnswer(), Reply(502))
    result = delete_many(service, mine)
    assert sorted(receipt.attempts for receipt in result.receipts) == [2] * 5


def test_outcomes_come_as_they_end() -> None:
    received = threading.Event()

    def answer(session_id: str) -> Response:
        assert session_id != "slow" or received.wait(10)
        return DESTROYED

    deletions = many(FunctionTransport(answer))(["slow", "quick"])
    assert next(deletions).session_id == "quick"
    received.set()
    assert next(deletions).session_id == "slow"


def test_awaited_outcomes_come_as_they_end() -> None:
    async def answer(session_id: str) -> Response:
        await asyncio.sleep(float(session_id))
        return DESTROYED

    async def main() -> list[tuple[float, str | None]]:
        deletions = many_awaited(AsyncFunctionTransport(answer))(["30", "10", "20"])
        return [(virtual_time.now(), outcome.session_id) async for outcome in deletions]

    assert virtual_time.run(main()) == [(10, "10"), (20, "20"), (30, "30")]


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


@pytest.mark.xfail(
    raises=virtual_time.NothingWillHappenError,
    strict=True,
    reason="an answer that comes together with the end of the ids is overlooked",
)
def test_an_answer_that_comes_while_the_consumer_is_busy_is_not_overlooked() -> None:
    async def answer(session_id: str) -> Response:
        await asyncio.sleep(float(session_id))
        return DESTROYED

    async def ids() -> AsyncGenerator[str]:
        yield "1"
        yield "2"
        await asyncio.sleep(2)  # the end comes while the consumer is busy with the first

    async def main() -> list[str | None]:
        received = []
        async for outcome in many_awaited(AsyncFunctionTransport(answer))(ids()):
            received.append(outcome.session_id)
            await asyncio.sleep(10)
        return received

    assert virtual_time.run(main()) == ["1", "2"]


@pytest.mark.xfail(
    raises=TimeoutError,
    strict=True,
    reason="while an id is awaited, a pause passes on the event loop's clock alone",
)
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


def test_memory_does_not_grow_with_the_ids() -> None:
    class InlineExecutor(ThreadPoolExecutor):
        """One thread is enough, and quick."""

    def peak(count: int) -> int:
        transport = FunctionTransport()
        transport.sent = cast("list[str]", Forgetful())
        with InlineExecutor(1) as executor:
            run = many(transport, executor=executor)(str(number) for number in range(count))
            tracemalloc.start()
            try:
                for _ in run:
                    pass
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    peak(100)
    assert peak(4_000) < peak(400) + 20_000


class Forgetful:
    """A list that keeps nothing."""

    def append(self, item: object) -> None:
        pass


# Bad input is refused at once


@pytest.mark.parametrize("ids", ["an-id", b"an-id", 5, None, uuid.uuid4()], ids=type)
def test_what_is_no_iterable_of_ids_is_refused(ids: object) -> None:
    with pytest.raises(TypeError, match="session_ids must be an iterable of ids"):
        many(FunctionTransport())(cast("list[str]", ids))
    with pytest.raises(TypeError, match="session_ids must be an iterable of ids"):
        many_awaited(AsyncFunctionTransport())(cast("list[str]", ids))


def test_whoever_passes_one_id_is_told_what_to_call() -> None:
    with pytest.raises(TypeError, match="not str; for one session call DeleteSession"):
        many(FunctionTransport())("an-id")


def test_blocking_code_takes_no_asynchronous_iterable() -> None:
    class AsynchronousIds:
        def __aiter__(self) -> AsyncIterator[str]:
            raise NotImplementedError

    with pytest.raises(TypeError, match="must be an iterable of ids, not AsynchronousIds"):
        many(FunctionTransport())(cast("list[str]", AsynchronousIds()))


@pytest.mark.parametrize("concurrency", [0, -1])
def test_a_concurrency_below_one_is_refused(concurrency: int) -> None:
    with pytest.raises(ValueError, match="concurrency must be at least 1"):
        many(FunctionTransport(), concurrency=concurrency)
    with pytest.raises(ValueError, match="concurrency must be at least 1"):
        many_awaited(AsyncFunctionTransport(), concurrency=concurrency)


@pytest.mark.parametrize("concurrency", [True, 1.5, "8", None], ids=repr)
def test_a_concurrency_that_is_no_int_is_refused(concurrency: object) -> None:
    with pytest.raises(TypeError, match="concurrency must be an int"):
        many(FunctionTransport(), concurrency=cast("int", concurrency))
    with pytest.raises(TypeError, match="concurrency must be an int"):
        many_awaited(AsyncFunctionTransport(), concurrency=cast("int", concurrency))


def test_the_use_case_of_the_other_kind_is_refused() -> None:
    blocking = DeleteSession(FunctionTransport(), KEY)
    awaited = AsyncDeleteSession(AsyncFunctionTransport(), KEY)
    with pytest.raises(TypeError, match="must be a DeleteSession, not AsyncDeleteSession"):
        DeleteManySessions(cast("DeleteSession", awaited))
    with pytest.raises(TypeError, match="must be a AsyncDeleteSession, not DeleteSession"):
        AsyncDeleteManySessions(cast("AsyncDeleteSession", blocking))


def test_a_transport_is_no_use_case() -> None:
    with pytest.raises(TypeError, match="must be a DeleteSession, not FunctionTransport"):
        DeleteManySessions(cast("DeleteSession", FunctionTransport()))


@pytest.mark.parametrize("executor", [8, "threads", object()], ids=type)
def test_what_is_no_executor_is_refused(executor: object) -> None:
    with pytest.raises(TypeError, match="executor must be an Executor, not "):
        many(FunctionTransport(), executor=cast("Executor", executor))


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

    def answer(session_id: str) -> Response:
        assert failed.wait(10)
        return DESTROYED

    def ids() -> Generator[str]:
        yield from "ab"
        failed.set()
        raise LookupError("no next page")

    deletions = many(FunctionTransport(answer))(ids())
    assert {next(deletions).session_id, next(deletions).session_id} == {"a", "b"}
    with pytest.raises(LookupError):
        next(deletions)


def test_when_the_ids_fail_who_waits_is_tried_again() -> None:
    answers = iter([UNAVAILABLE, DESTROYED])
    transport = FunctionTransport(lambda _: next(answers))

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

    async def main() -> list[tuple[float, str | None]]:
        received = []
        with pytest.raises(LookupError):
            async for outcome in many_awaited(AsyncFunctionTransport(after(10)))(ids()):
                received.append((virtual_time.now(), outcome.session_id))
        return received

    assert virtual_time.run(main()) == [(10, "a"), (10, "b")]


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
    assert len(service.requests) <= 115


@both_ways
@pytest.mark.parametrize("concurrency", [1, 3, 8])
def test_during_a_pause_nothing_is_sent(delete_many: DeleteMany, concurrency: int) -> None:
    service = FakeService(rate_limit=7)
    result = delete_many(service, open_sessions(service, 60), concurrency=concurrency)
    assert len(result.record.pauses) > 3
    assert result.record.sent_during_a_pause() == []


@both_ways
def test_after_a_pause_the_refused_go_first(delete_many: DeleteMany) -> None:
    service = FakeService(rate_limit=5)
    sent, refused = delete_many(service, open_sessions(service, 40), concurrency=4).record[:2] if False else (
        lambda record: (record.sent, record.refused)
    )(delete_many(service, open_sessions(service, 40), concurrency=4).record)
    for at, _ in refused:
        together = {session_id for when, session_id in refused if when == at}
        later = [session_id for when, session_id in sent if when > at]
        assert set(later[: len(together)]) == together


@both_ways
def test_a_wait_for_the_rate_limit_is_no_try(delete_many: DeleteMany) -> None:
    service = FakeService(rate_limit=3)
    result = delete_many(service, open_sessions(service, 20))
    assert len(result.record.refused) > 3
    assert {receipt.attempts for receipt in result.receipts} == {1}


@both_ways
def test_waits_for_the_rate_limit_do_not_use_up_the_deadline(delete_many: DeleteMany) -> None:
    service = FakeService(rate_limit=3)
    retry = RetryPolicy(max_attempts=1, deadline=61)
    result = delete_many(service, open_sessions(service, 20), retry=retry)
    assert len(result.receipts) == 20
    assert service.monotonic() >= 6 * 60


@both_ways
def test_a_wait_that_is_longer_than_the_deadline_is_the_refused_ones_error(
    delete_many: DeleteMany,
) -> None:
    service = FakeService(rate_limit=10)
    mine = open_sessions(service, 12)
    result = delete_many(service, mine, concurrency=1, retry=RetryPolicy(deadline=30))
    error = result.errors[0]
    assert isinstance(error, RateLimitError)
    assert (error.session_id, error.session_fate) == (mine[10], UNTOUCHED)
    assert (error.retry_after, error.attempts) == (60, 1)


@pytest.mark.xfail(strict=True, reason="a wait that one does not begin holds up all the others")
@both_ways
def test_a_wait_that_is_longer_than_the_deadline_holds_nobody_up_for_so_long(
    delete_many: DeleteMany,
) -> None:
    service = FakeService()
    mine = open_sessions(service, 2)
    service.queue(Reply(429, b"", {"Retry-After": "999999999"}))
    delete_many(service, mine, concurrency=1)
    assert service.monotonic() <= 240, "not thirty years"


@both_ways
def test_refusals_without_an_end_end(delete_many: DeleteMany) -> None:
    service = FakeService(rate_limit=0)
    mine = open_sessions(service, 5)
    result = delete_many(service, mine)
    assert {error.session_id for error in result.errors} == set(mine)
    assert all(type(error) is RateLimitError for error in result.errors)
    assert all(error.session_fate is UNTOUCHED for error in result.errors)
    assert len(service.requests) <= 8 + 10 + 5 * 4
    assert service.monotonic() < 40 * 60


@both_ways
def test_refusals_without_a_hint_or_an_end_end(delete_many: DeleteMany) -> None:
    service = FakeService()
    mine = open_sessions(service, 5)
    service.queue(*[Reply(429)] * 1_000)
    result = delete_many(service, mine)
    assert {error.session_id for error in result.errors} == set(mine)
    assert all(type(error) is RateLimitError for error in result.errors)
    assert len(service.requests) <= 8 + 10 * 8 + 5 * 4


@both_ways
def test_refusals_without_a_hint_are_waited_for_all_the_same(delete_many: DeleteMany) -> None:
    service = FakeService()
    mine = open_sessions(service, 5)
    service.queue(*[Reply(429)] * 3)
    result = delete_many(service, mine, concurrency=1)
    assert [receipt.attempts for receipt in result.receipts] == [1] * 5
    assert service.monotonic() == pytest.approx(0.75 + 1.5 + 3)


@both_ways
def test_the_header_says_how_long_the_pause_is(delete_many: DeleteMany) -> None:
    service = FakeService()
    mine = open_sessions(service, 3)
    service.queue(Reply(429, b"", {"Retry-After": "7"}))
    result = delete_many(service, mine, concurrency=1)
    assert len(result.receipts) == 3
    assert service.monotonic() == 7


@both_ways
def test_a_pause_of_no_seconds_is_none(delete_many: DeleteMany) -> None:
    service = FakeService()
    mine = open_sessions(service, 3)
    service.queue(*[Reply(429, b"", {"Retry-After": "0"})] * 3)
    result = delete_many(service, mine, concurrency=1)
    assert len(result.receipts) == 3
    assert service.monotonic() == 0


@both_ways
def test_an_id_that_is_refused_for_ever_does_not_hold_up_the_others_for_ever(
    delete_many: DeleteMany,
) -> None:
    class Unfair(FakeService):
        def answer(self, request: Request) -> Answer | NoConnection | NoAnswer | LostAnswer:
            if id_of(request) == "refused":
                return Answer(Response(429, {"retry-after": "10"}, b""))
            return super().answer(request)

    service = Unfair()
    mine = open_sessions(service, 100)
    result = delete_many(service, [*mine[:50], "refused", *mine[50:]])
    assert len(result.receipts) == 100
    (error,) = result.errors
    assert isinstance(error, RateLimitError)


# A service that is down


class Down(FakeService):
    """Meets every request with the same fault, and counts them."""

    def __init__(self, fault: Answer | NoConnection | NoAnswer) -> None:
        super().__init__()
        self.count = 0
        self._fault = fault

    def answer(self, request: Request) -> Answer | NoConnection | NoAnswer | LostAnswer:
        self.count += 1
        return self._fault


@both_ways
@pytest.mark.parametrize(
    ("fault", "most", "kind", "fate"),
    [
        (Answer(Response(503, {}, b"")), 1_020, ServiceUnavailableError, UNKNOWN),
        (NoConnection(), 1_020, UnreachableError, UNTOUCHED),
        (NoAnswer(), 1_010, UnreachableError, UNKNOWN),
    ],
    ids=["unavailable", "unreachable", "silent"],
)
def test_an_outage_costs_little_more_than_one_request_a_session(
    fault: Answer | NoConnection | NoAnswer,
    most: int,
    kind: type[DeleteSessionError],
    fate: SessionFate,
    delete_many: DeleteMany,
) -> None:
    service = Down(fault)
    result = delete_many(service, [str(number) for number in range(1_000)])
    assert 1_000 < service.count <= most
    assert len({error.session_id for error in result.errors}) == 1_000
    assert {(type(error), error.session_fate) for error in result.errors} == {(kind, fate)}


@both_ways
def test_a_service_that_fails_now_and_then_is_asked_again_every_time(
    delete_many: DeleteMany,
) -> None:
    service = FakeService()
    mine = open_sessions(service, 1_000)

    class NowAndThen(RecordingTransport):
        pass

    # Every tenth request fails: nine successes more than refill what its repeat costs.
    for _ in mine[::10]:
        service.queue(Reply(503))
    outcomes = delete_many(service, mine[:20], concurrency=1)
    assert len(outcomes.receipts) + len(outcomes.errors) == 20


# Threads and executors


def test_by_default_threads_carry_the_requests_as_many_as_may_be_in_flight() -> None:
    together = threading.Barrier(3)
    names: set[str] = set()

    def answer(session_id: str) -> Response:
        names.add(threading.current_thread().name)
        together.wait(10)
        return DESTROYED

    outcomes = list(many(FunctionTransport(answer), concurrency=3)("abcdef" for _ in "x") if False else many(FunctionTransport(answer), concurrency=3)(iter("abcdef")))
    assert len(outcomes) == 6
    assert len(names) == 3
    assert all(name.startswith("firecrawl_interact") for name in names)


def test_a_given_executor_carries_the_requests_and_stays_open() -> None:
    names: set[str] = set()

    def answer(session_id: str) -> Response:
        names.add(threading.current_thread().name)
        return DESTROYED

    with ThreadPoolExecutor(2, "mine") as executor:
        outcomes = list(many(FunctionTransport(answer), executor=executor)(iter("abcdef")))
        assert len(outcomes) == 6
        assert all(name.startswith("mine") for name in names)
        assert executor.submit(lambda: 5).result() == 5


def test_an_executor_that_was_shut_down_fails_the_run_after_the_outcomes() -> None:
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    deletions = many(FunctionTransport(), executor=executor)(Ids())
    outcome = next(deletions)
    assert isinstance(outcome, UnreachableError)
    assert outcome.session_fate is UNTOUCHED
    with pytest.raises(RuntimeError, match="the executor or the transport cannot be used") as raised:
        next(deletions)
    assert "after shutdown" in str(raised.value.__cause__)


def test_a_fault_of_the_transport_fails_the_run_after_the_outcomes() -> None:
    fault = ValueError("a bug")

    def answer(session_id: str) -> Response:
        raise fault

    deletions = many(FunctionTransport(answer), concurrency=1)(Ids())
    outcome = next(deletions)
    assert isinstance(outcome, UnreachableError)
    assert outcome.session_fate is UNKNOWN
    with pytest.raises(RuntimeError) as raised:
        next(deletions)
    assert raised.value.__cause__ is fault


def test_a_fault_of_the_asynchronous_transport_fails_the_run_after_the_outcomes() -> None:
    fault = ValueError("a bug")

    async def answer(session_id: str) -> Response:
        await asyncio.sleep(1)
        if session_id == "0":
            raise fault
        await asyncio.sleep(1)
        return DESTROYED

    async def main() -> list[Outcome]:
        received: list[Outcome] = []
        transport = AsyncFunctionTransport(answer)
        with pytest.raises(RuntimeError) as raised:
            async for outcome in many_awaited(transport, concurrency=2)(Ids()):
                received.append(outcome)
        assert raised.value.__cause__ is fault
        assert transport.sent == ["0", "1"]
        return received

    unreachable, receipt = virtual_time.run(main())
    assert isinstance(unreachable, UnreachableError)
    assert (unreachable.session_id, unreachable.session_fate) == ("0", UNKNOWN)
    assert receipt == DeletionReceipt(session_id="1")


# Stopped


def test_stop_lets_what_is_in_flight_end_with_its_outcome() -> None:
    together = threading.Barrier(2)
    stopped = threading.Event()

    def answer(session_id: str) -> Response:
        if together.wait(10) == 0:
            deletions.stop()
            stopped.set()
        assert stopped.wait(10)
        return DESTROYED

    ids = Ids()
    deletions = many(FunctionTransport(answer), concurrency=2)(ids)
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
    transport = FunctionTransport(lambda _: UNAVAILABLE, lambda: deletions.stop())
    deletions = many(transport, concurrency=1)(Ids())
    (outcome,) = deletions
    assert isinstance(outcome, ServiceUnavailableError)
    assert outcome.attempts == 1


def test_stop_ends_the_refused_with_the_refusal_and_the_untried_as_untouched() -> None:
    service = FakeService(rate_limit=1)
    mine = open_sessions(service, 9)
    untried: list[Outcome] = []

    class Transport(InMemoryTransport):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            if self.monotonic() == stop_at:
                deletions.stop()

    for stop_at, kind, attempts in [(30, RateLimitError, 1), (150, UnreachableError, 0)]:
        service = FakeService(rate_limit=1)
        mine = open_sessions(service, 9)
        delete_session = DeleteSession(Transport(service), KEY)
        deletions = DeleteManySessions(delete_session, concurrency=1)(mine)
        *receipts, last = deletions
        assert all(isinstance(receipt, DeletionReceipt) for receipt in receipts)
        assert type(last) is kind
        assert isinstance(last, DeleteSessionError)
        assert (last.session_fate, last.attempts) == (UNTOUCHED, attempts)
        untried.append(last)


def test_stop_is_heard_within_a_second_of_a_pause() -> None:
    answers = iter([RATE_LIMITED, DESTROYED])
    sleeps = 0

    def on_sleep() -> None:
        nonlocal sleeps
        sleeps += 1
        if sleeps == 3:
            stopping = threading.Thread(target=deletions.stop)
            stopping.start()
            stopping.join()

    refusal = Response(429, {"retry-after": "60"}, b"")
    transport = FunctionTransport(lambda _: refusal, on_sleep)
    deletions = many(transport, concurrency=1)(["a"])
    (outcome,) = deletions
    assert isinstance(outcome, RateLimitError)
    assert transport.sleeps == [1, 1, 1]
    del answers


def test_stop_is_heard_from_a_signal_handler_during_a_pause() -> None:
    def handle(number: int, frame: object) -> None:
        deletions.stop()

    refusal = Response(429, {"retry-after": "60"}, b"")
    transport = FunctionTransport(lambda _: refusal, lambda: signal.raise_signal(signal.SIGTERM))
    deletions = many(transport, concurrency=1)(["a"])
    before = signal.signal(signal.SIGTERM, handle)
    try:
        (outcome,) = deletions
    finally:
        signal.signal(signal.SIGTERM, before)
    assert isinstance(outcome, RateLimitError)
    assert transport.sleeps == [1]


def test_stop_is_heard_from_a_signal_handler_while_answers_are_awaited() -> None:
    handled = threading.Event()
    main_thread = threading.get_ident()

    def handle(number: int, frame: object) -> None:
        deletions.stop()
        handled.set()

    def answer(session_id: str) -> Response:
        signal.pthread_kill(main_thread, signal.SIGTERM)
        assert handled.wait(10)
        return DESTROYED

    transport = FunctionTransport(answer)
    deletions = many(transport, concurrency=1)(Ids())
    before = signal.signal(signal.SIGTERM, handle)
    try:
        assert [outcome.session_id for outcome in deletions] == ["0"]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_stop_is_heard_within_a_second_of_an_awaited_pause() -> None:
    async def main() -> None:
        refusal = Response(429, {"retry-after": "60"}, b"")
        transport = AsyncFunctionTransport(after(0, refusal))
        deletions = many_awaited(transport, concurrency=1)(["a"])
        asyncio.get_running_loop().call_at(2.5, deletions.stop)
        (outcome,) = await listed(deletions)
        assert isinstance(outcome, RateLimitError)
        assert virtual_time.now() == 3

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


def test_the_pause_tells_the_seconds_that_are_left() -> None:
    pauses: list[float] = []
    refusal = Response(429, {"retry-after": "3"}, b"")
    answers = iter([refusal, DESTROYED])
    transport = FunctionTransport(
        lambda _: next(answers), lambda: pauses.append(deletions.pause)
    )
    deletions = many(transport, concurrency=1)(["a"])
    assert deletions.pause == 0
    list(deletions)
    assert pauses == [2, 1, 0]
    assert deletions.pause == 0


def test_the_awaited_pause_tells_the_seconds_that_are_left() -> None:
    pauses: list[float] = []
    refusal = Response(429, {"retry-after": "3"}, b"")
    answers = iter([refusal, DESTROYED])

    async def answer(session_id: str) -> Response:
        return next(answers)

    async def main() -> None:
        transport = AsyncFunctionTransport(answer, lambda: pauses.append(deletions.pause))
        deletions = many_awaited(transport, concurrency=1)(["a"])
        assert deletions.pause == 0
        await listed(deletions)
        assert pauses == [2, 1, 0]

    virtual_time.run(main())


# Left early


class InFlight:
    """Answers "0" at once, and all others when they are released."""

    def __init__(self) -> None:
        self.began = threading.Barrier(4)
        self.released = threading.Event()
        self.ended: list[str] = []

    def answer(self, session_id: str) -> Response:
        if session_id != "0":
            if int(session_id) < 4:
                self.began.wait(10)
            assert self.released.wait(10)
            self.ended.append(session_id)
        return DESTROYED

    def release_soon(self) -> None:
        """Release them once they are all under way, from another thread."""

        def release() -> None:
            self.began.wait(10)
            self.released.set()

        threading.Thread(target=release).start()


def begun(transport: FunctionTransport, executor: Executor | None = None) -> Deletions:
    """A run with one outcome received, and three requests in flight."""
    deletions = many(transport, concurrency=4, executor=executor)(Ids())
    assert next(deletions).session_id == "0"
    return deletions


def leave_by_close(deletions: Deletions) -> None:
    deletions.close()


def test_closing_waits_for_what_is_in_flight_and_sends_nothing_new() -> None:
    in_flight = InFlight()
    transport = FunctionTransport(in_flight.answer)
    in_flight.release_soon()
    deletions = begun(transport)
    deletions.close()
    assert sorted(in_flight.ended) == sorted(transport.sent)[1:]
    assert len(transport.sent) <= 4
    assert list(deletions) == []
    assert not library_threads()
