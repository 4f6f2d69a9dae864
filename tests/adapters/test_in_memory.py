"""How a request in memory ends, and what time it takes. Both transports alike."""

import asyncio
import random
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from types import FrameType, ModuleType
from typing import Any, TypeAlias

import anyio
import pytest
import trio

from firecrawl_interact.adapters import (
    AsyncInMemoryTransport,
    DrippedResponse,
    FakeService,
    Fault,
    HeldResponse,
    InMemoryTransport,
    LoopbackService,
    LostResponse,
    NoConnection,
    NoResponse,
    Reply,
)
from firecrawl_interact.core import (
    MAX_BODY_BYTES,
    AsyncDeleteManySessions,
    AsyncDeleteSession,
    BadResponseError,
    ConnectFailedError,
    ConnectionLostError,
    DeleteManySessions,
    DeleteSession,
    Outcome,
    Request,
    Response,
    RunEndedError,
    SessionFate,
    TimedOutError,
    TransportError,
)

Send = Callable[[FakeService, str], Response]


def request(session_id: str = "00000000-0000-4000-8000-000000000000") -> Request:
    return Request("DELETE", f"/v2/interact/{session_id}", {"Authorization": "Bearer fc-test"})


def by_thread(service: FakeService, session_id: str) -> Response:
    return InMemoryTransport(service).send(request(session_id), 90)


RunLoop: TypeAlias = Callable[[Callable[[], Awaitable[Any]]], Any]  # Any: what a test awaits
LOOPS: dict[str, RunLoop] = {
    "asyncio": lambda main: asyncio.run(main()),  # type: ignore[arg-type]  # a coroutine
    "trio": trio.run,
    "anyio on asyncio": partial(anyio.run, backend="asyncio"),
    "anyio on trio": partial(anyio.run, backend="trio"),
}
event_loops = pytest.mark.parametrize("run_loop", LOOPS.values(), ids=LOOPS)


def by_task(run_loop: RunLoop) -> Send:
    def send(service: FakeService, session_id: str) -> Response:
        awaited = AsyncInMemoryTransport(service)
        response: Response = run_loop(lambda: awaited.send(request(session_id), 90))
        return response

    return send


WORDS = rf"within 90 s$|connection|is encoded|^more than {MAX_BODY_BYTES} bytes in the body$"


@pytest.mark.parametrize(
    "send", [by_thread, *map(by_task, LOOPS.values())], ids=["blocking", *LOOPS]
)
@pytest.mark.parametrize(
    ("fault", "latency", "end", "seconds", "acts"),
    [
        (None, 0, None, 0, True),
        (None, 90, None, 90, True),
        (None, 91, TimedOutError, 90, True),
        (NoConnection(), 70, ConnectFailedError, 0, False),
        (NoResponse(), 0, TimedOutError, 90, False),
        (LostResponse(), 0.25, ConnectionLostError, 0.25, True),
        (LostResponse(), 91, TimedOutError, 90, True),
        (DrippedResponse(2), 0, TimedOutError, 90, True),
        (DrippedResponse(), 10, None, 10 + 77, True),
        (Reply(200, b"x", {"Content-Encoding": "gzip"}), 10, BadResponseError, 10, False),
        (Reply(200, bytes(MAX_BODY_BYTES + 1)), 10, BadResponseError, 10, False),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_request_ends_after_the_services_time(  # noqa: PLR0913, PLR0917 - a row of the table
    send: Send,
    fault: Fault | None,
    latency: float,
    end: type[TransportError] | None,
    seconds: float,
    acts: bool,
) -> None:
    service = FakeService(latency=latency)
    session_id = service.open_session()
    if fault is not None:
        service.queue(fault)
    if end is None:
        assert send(service, session_id).status == 200
    else:
        with pytest.raises(end, match=WORDS) as caught:
            send(service, session_id)
        assert caught.value.transient
        assert not getattr(caught.value, "stale", False)
    assert service.monotonic() == seconds
    assert service.is_open(session_id) is not acts
    assert len(service.requests) == (fault != NoConnection())


def test_a_transport_whose_block_has_ended_refuses_a_request_at_once() -> None:
    service = FakeService()
    with InMemoryTransport(service) as transport:
        pass
    with pytest.raises(ConnectFailedError, match="after it was closed"):
        transport.send(request(), 90)

    async def main() -> None:
        async with AsyncInMemoryTransport(service) as transport:
            pass
        with pytest.raises(ConnectFailedError, match="after it was closed"):
            await transport.send(request(), 90)

    asyncio.run(main())
    assert service.monotonic() == 0


# --- tasks ---------------------------------------------------------------------------------------


def test_a_task_of_asyncio_has_its_response_while_another_thread_imports_trio(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service = FakeService(latency=90)
    session_id = service.open_session()
    monkeypatch.setitem(sys.modules, "trio", ModuleType("trio"))
    assert by_task(LOOPS["asyncio"])(service, session_id).status == 200


@event_loops
def test_each_wait_lets_other_tasks_run(run_loop: RunLoop) -> None:
    order = []

    async def task() -> None:
        transport = AsyncInMemoryTransport(FakeService())
        order.append("sleep")
        await transport.sleep(0)
        order.append("send")
        await transport.send(request(), 90)
        order.append("end")

    async def both() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(task)
            tasks.start_soon(task)

    run_loop(both)
    assert order == ["sleep", "sleep", "send", "send", "end", "end"]


@event_loops
def test_a_request_of_a_task_that_is_cancelled_is_not_sent(run_loop: RunLoop) -> None:
    service = FakeService()

    async def main() -> None:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await AsyncInMemoryTransport(service).send(request(), 90)

    run_loop(main)
    assert service.requests == []


@event_loops
def test_a_held_request_is_in_flight_until_it_is_cancelled(run_loop: RunLoop) -> None:
    service = FakeService()
    session_id = service.open_session()
    service.queue(HeldResponse())

    async def main() -> None:
        transport = AsyncInMemoryTransport(service)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(transport.send, request(session_id), 90)
            await transport.sleep(10_000)
            assert len(service.requests) == 1
            tasks.cancel_scope.cancel()

    run_loop(main)
    assert service.monotonic() == 10_000


@event_loops
def test_of_several_waits_the_shortest_ends_first_and_one_that_is_cancelled_moves_no_clock(
    run_loop: RunLoop,
) -> None:
    service = FakeService()
    transport = AsyncInMemoryTransport(service)
    ended: list[tuple[float, float]] = []

    async def wait(seconds: float) -> None:
        await transport.sleep(seconds)
        ended.append((seconds, service.monotonic()))

    async def main() -> None:
        timer = anyio.CancelScope()

        async def wait_for_timer() -> None:
            with timer:
                await wait(240)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait_for_timer)
            for seconds in (3, 1, 2, 1):
                tasks.start_soon(wait, seconds)
            await wait(2)
            timer.cancel()

    run_loop(main)
    assert ended == [(1, 1), (1, 1), (2, 2), (2, 2), (3, 3)]
    assert service.monotonic() == 3


# --- threads ---------------------------------------------------------------------------------


def delete_each(service: FakeService, session_ids: list[str]) -> list[Outcome]:
    delete_session = DeleteSession(InMemoryTransport(service), "fc-test")
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(delete_session, session_ids))


def delete_by_run(service: FakeService, session_ids: list[str]) -> list[Outcome]:
    delete_session = DeleteSession(InMemoryTransport(service), "fc-test")
    with DeleteManySessions(delete_session)(session_ids) as deletions:
        return list(deletions)


@pytest.mark.parametrize("delete", [delete_each, delete_by_run])
@pytest.mark.parametrize(("sessions", "seconds"), [(8, 70), (12, 140)])
def test_eight_requests_that_start_together_end_together(
    delete: Callable[[FakeService, list[str]], list[Outcome]], sessions: int, seconds: float
) -> None:
    service = FakeService(latency=70)
    for pools in (1, 2):  # of new threads
        assert len(delete(service, [service.open_session() for _ in range(sessions)])) == sessions
        assert service.monotonic() == seconds * pools


def test_a_thread_waits_beside_a_task() -> None:
    service = FakeService(latency=70)
    session_ids = [service.open_session() for _ in range(2)]

    async def main() -> None:
        await asyncio.gather(
            asyncio.to_thread(by_thread, service, session_ids[0]),
            AsyncInMemoryTransport(service).send(request(session_ids[1]), 90),
        )

    asyncio.run(main())
    assert service.sessions_left_open == []
    assert 70 <= service.monotonic() <= 140  # as the thread begins before or after the task's wait


def test_an_interruption_just_after_a_lock_was_taken_leaves_it_free() -> None:
    def interrupt(frame: FrameType, event: str, _: object) -> Any:  # Any: a function of its kind
        if event == "return":
            raise KeyboardInterrupt
        return interrupt if frame.f_code is threading.Condition.__enter__.__code__ else None

    service = FakeService()
    sys.settrace(interrupt)
    with suppress(KeyboardInterrupt):
        service.advance(1)
    sys.settrace(None)
    thread = threading.Thread(target=service.monotonic, daemon=True)
    thread.start()
    thread.join(5)
    assert not thread.is_alive()


def test_a_held_request_of_a_blocking_run_ends_with_its_time_to_shut_down() -> None:
    service = FakeService()
    held, other = service.open_session(), service.open_session()
    service.queue(HeldResponse(), session_id=held)
    delete_session = DeleteSession(InMemoryTransport(service), "fc-test")
    run = DeleteManySessions(delete_session, shutdown_timeout=5)
    with run([held, other]) as deletions:
        assert next(deletions).session_id == other
    [outcome] = deletions
    assert (outcome.session_id, outcome.session_fate) == (held, SessionFate.UNKNOWN)
    assert service.monotonic() == 5


def test_a_consumer_of_a_run_may_wait_for_a_thread_that_waits_in_memory() -> None:
    service = FakeService(latency=1)
    began = time.monotonic()
    delete_session = DeleteSession(InMemoryTransport(service), "fc-test")
    with DeleteManySessions(delete_session, concurrency=2)(
        [service.open_session() for _ in range(3)]
    ) as deletions:
        for _ in deletions:
            thread = threading.Thread(target=delete_session, args=[service.open_session()])
            thread.start()
            thread.join()
    assert service.sessions_left_open == []
    assert time.monotonic() - began < 5  # Who seems busy holds nobody up for long.


def test_threads_whose_requests_have_ended_may_wait_for_each_other() -> None:
    service = FakeService(latency=1)
    all_are_there = threading.Barrier(60)

    def delete_and_meet(session_id: str) -> None:
        by_thread(service, session_id)
        all_are_there.wait(8)

    with ThreadPoolExecutor(60) as pool:
        list(pool.map(delete_and_meet, [service.open_session() for _ in range(60)]))


BUSY = Reply(503, json={"success": False, "error": "Busy."})
FAILED = Reply(502, json={"success": False, "error": "Browser operation failed."})


def lose_responses(service: FakeService, session_ids: list[str]) -> None:
    for session_id in session_ids[5:9]:
        service.queue(LostResponse(), NoResponse(), session_id=session_id)


WEATHER: dict[str, Callable[[FakeService, list[str]], None]] = {
    "nothing": lambda service, ids: None,
    "a rate limit": lambda service, ids: setattr(service, "rate_limit", 10),
    "an outage": lambda service, ids: service.outage(100),
    "an outage in words": lambda service, ids: service.outage(30, BUSY),
    "an outage that is too long": lambda service, ids: service.outage(1000, NoResponse()),
    "a session that fails": lambda service, ids: service.queue(*[FAILED] * 4, session_id=ids[3]),
    "lost responses": lose_responses,
}


@pytest.mark.parametrize("weather", WEATHER)
@pytest.mark.parametrize("latency", [0, 0.3, 70])
def test_a_blocking_run_has_the_outcomes_of_an_awaited_one_in_the_same_time(
    weather: str, latency: float
) -> None:
    def blocking(service: FakeService, ids: list[str], **options: Any) -> None:
        delete_session = DeleteSession(InMemoryTransport(service), "fc-test", **options)
        with DeleteManySessions(delete_session)(ids) as deletions:
            list(deletions)

    async def awaited(service: FakeService, ids: list[str], **options: Any) -> None:
        delete_session = AsyncDeleteSession(AsyncInMemoryTransport(service), "fc-test", **options)
        async with AsyncDeleteManySessions(delete_session)(ids) as deletions:
            [_ async for _ in deletions]

    def what_comes_of(run: Callable[..., object]) -> object:
        service = FakeService(latency=latency)
        ids = [service.open_session(f"session-{number}", ttl=3600) for number in range(20)]
        WEATHER[weather](service, ids)
        told: list[Outcome] = []
        ended = None
        try:
            run(service, ids, random=random.Random(1).random, on_outcome=told.append)  # noqa: S311
        except RunEndedError as error:
            ended = str(error)
        of_each = [(one.session_id, type(one), one.attempts) for one in told]
        return of_each, ended, round(service.monotonic())

    in_tasks = what_comes_of(lambda *given, **options: asyncio.run(awaited(*given, **options)))
    assert what_comes_of(blocking) == in_tasks


@pytest.mark.parametrize("transport_class", [InMemoryTransport, AsyncInMemoryTransport])
def test_what_is_no_fake_service_is_refused_at_once(
    transport_class: type[InMemoryTransport] | type[AsyncInMemoryTransport],
) -> None:
    service = FakeService()
    transport = transport_class(service)
    assert repr(transport) == f"{transport_class.__name__}({service!r})"
    assert "://" not in transport.api_url  # No sweep of a real service takes its sessions.
    for adapter in (transport_class, LoopbackService):
        with pytest.raises(TypeError, match="service must be a FakeService, not str"):
            adapter("fc-test")  # type: ignore[arg-type]  # the mistake
