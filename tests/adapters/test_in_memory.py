"""How a request in memory ends, and what time it takes. Both transports alike."""

import asyncio
from collections.abc import Callable

import pytest

from firecrawl_interact.adapters.fakes.in_memory import AsyncInMemoryTransport, InMemoryTransport
from firecrawl_interact.adapters.fakes.service import FakeService
from firecrawl_interact.adapters.fakes.service.faults import (
    DrippedResponse,
    Fault,
    LostResponse,
    NoConnection,
    NoResponse,
)
from firecrawl_interact.core import AsyncDeleteManySessions, AsyncDeleteSession
from firecrawl_interact.core.transport import (
    ConnectFailedError,
    ConnectionLostError,
    Request,
    Response,
    TimedOutError,
    TransportError,
)

Send = Callable[[FakeService, str], Response]


def request(session_id: str = "1") -> Request:
    return Request("DELETE", f"/v2/interact/{session_id}", {"Authorization": "Bearer fc-test"})


def by_thread(service: FakeService, session_id: str) -> Response:
    return InMemoryTransport(service).send(request(session_id), 90)


def by_task(service: FakeService, session_id: str) -> Response:
    return asyncio.run(AsyncInMemoryTransport(service).send(request(session_id), 90))


def without_a_loop(service: FakeService, session_id: str) -> Response:
    with pytest.raises(StopIteration) as finished:  # as it does unless it suspends
        AsyncInMemoryTransport(service).send(request(session_id), 90).send(None)
    response: Response = finished.value.value
    return response


@pytest.mark.parametrize("send", [by_thread, by_task, without_a_loop])
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
        (DrippedResponse(0.25), 10, None, 10 + 0.25 * 77, True),
    ],
    ids=repr,
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
        with pytest.raises(end) as caught:
            send(service, session_id)
        assert caught.value.transient
        assert not getattr(caught.value, "stale", False)
    assert service.monotonic() == seconds
    assert service.is_open(session_id) is not acts
    assert len(service.requests) == (fault != NoConnection())


def test_a_block_gives_its_transport_closes_it_and_leaves_the_others_open() -> None:
    async def send_after_a_block() -> None:
        async with AsyncInMemoryTransport(service) as awaited:
            assert repr(awaited) == f"AsyncInMemoryTransport({service!r})"
        await awaited.send(request(), 90)

    service = FakeService()
    with InMemoryTransport(service) as transport:
        assert repr(transport) == f"InMemoryTransport({service!r})"
    for call in (lambda: transport.send(request(), 90), lambda: asyncio.run(send_after_a_block())):
        with pytest.raises(ConnectFailedError, match="this transport is closed"):
            call()
    assert InMemoryTransport(service).send(request(), 90).status == 404


def test_waiting_lets_asyncios_other_tasks_run() -> None:
    order = []

    async def task() -> None:
        transport = AsyncInMemoryTransport(FakeService())
        order.append("sleep")
        await transport.sleep(1)
        order.append("send")
        await transport.send(request(), 90)
        order.append("end")

    async def both() -> None:
        await asyncio.gather(task(), task())

    asyncio.run(both())
    assert order == ["sleep", "sleep", "send", "send", "end", "end"]


def test_of_several_waits_the_shortest_ends_first_and_one_that_is_cancelled_moves_no_clock() -> (
    None
):
    service = FakeService()
    transport = AsyncInMemoryTransport(service)
    ended: list[tuple[float, float]] = []

    async def wait(seconds: float) -> None:
        await transport.sleep(seconds)
        ended.append((seconds, service.monotonic()))

    async def main() -> None:
        timer = asyncio.create_task(wait(240))
        others = asyncio.gather(wait(3), wait(1), wait(2), wait(1))
        await wait(2)
        timer.cancel()
        await others
        with pytest.raises(asyncio.CancelledError):
            await timer
        assert service.monotonic() == 3

    asyncio.run(main())
    assert ended == [(1, 1), (1, 1), (2, 2), (2, 2), (3, 3)]


@pytest.mark.parametrize("seconds", [3, 30, 200])
def test_a_run_outlasts_an_outage_that_is_shorter_than_its_deadline(seconds: float) -> None:
    service = FakeService()
    session_ids = [service.open_session() for _ in range(100)]
    service.outage(seconds)

    async def main() -> int:
        delete_session = AsyncDeleteSession(AsyncInMemoryTransport(service), "fc-test")
        deletions = AsyncDeleteManySessions(delete_session)(session_ids)
        return len([outcome async for outcome in deletions])

    assert asyncio.run(main()) == 100
    assert service.sessions_left_open == []
    assert seconds <= service.monotonic() < seconds + 20
