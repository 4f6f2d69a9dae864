"""How a request in memory ends, and what time it takes. Both transports alike."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from firecrawl_interact import (
    AsyncInMemoryTransport,
    DeleteSession,
    DeletionReceipt,
    FakeService,
    Fault,
    InMemoryTransport,
    LostResponse,
    NoConnection,
    NoResponse,
    Outcome,
    Reply,
)
from firecrawl_interact.core import (
    ConnectFailedError,
    ConnectionLostError,
    Request,
    TimedOutError,
    TransportError,
)

from ..core.scripted_transport import ended
from ..core.side_by_side import DeleteMany, listed, many, many_awaited


def request(session_id: str = "00000000-0000-4000-8000-000000000000") -> Request:
    return Request("DELETE", f"/v2/interact/{session_id}", {"Authorization": "Bearer fc-test"})


@pytest.mark.parametrize("transport", [InMemoryTransport, AsyncInMemoryTransport])
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
        (Reply(200), 10, None, 10, False),
    ],
    ids=repr,
)
def test_a_request_ends_after_the_services_time(  # noqa: PLR0913, PLR0917 - a row of the table
    transport: Callable[[FakeService], InMemoryTransport | AsyncInMemoryTransport],
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
        assert ended(transport(service).send(request(session_id), 90)).status == 200
    else:
        with pytest.raises(end, match=r"within 90 s$|connection") as caught:
            ended(transport(service).send(request(session_id), 90))
        assert caught.value.transient
        assert not getattr(caught.value, "stale", False)
    assert service.monotonic() == seconds
    assert service.is_open(session_id) is not acts
    assert len(service.requests) == (fault != NoConnection())


# --- tasks ---------------------------------------------------------------------------------------


def test_the_shortest_wait_ends_first_and_a_cancelled_one_counts_not() -> None:
    service = FakeService()
    transport = AsyncInMemoryTransport(service)
    ended: list[tuple[float, float]] = []

    async def wait(seconds: float) -> None:
        await transport.sleep(seconds)
        ended.append((seconds, service.monotonic()))

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            timer = tasks.create_task(wait(240))
            for seconds in (3, 1, 2, 1):
                tasks.create_task(wait(seconds))
            await wait(2)
            timer.cancel()

    asyncio.run(main())
    assert ended == [(1, 1), (1, 1), (2, 2), (2, 2), (3, 3)]
    assert service.monotonic() == 3


# --- threads -------------------------------------------------------------------------------------


def test_requests_of_many_threads_overlap() -> None:
    service = FakeService(latency=1)
    session_ids = [service.open_session() for _ in range(80)]
    delete_session = DeleteSession(InMemoryTransport(service), "fc-test")
    with ThreadPoolExecutor(8) as threads:
        assert len(list(threads.map(delete_session, session_ids))) == 80
    # 10 s if a busy machine lets each thread begin in time, and 80 s one after the other.
    assert service.monotonic() < 40


# --- runs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("delete_many", "transport"),
    [(many, InMemoryTransport), (many_awaited, AsyncInMemoryTransport)],
    ids=["blocking", "awaited"],
)
def test_a_run_of_twenty_minutes_takes_no_time_of_a_users_test(
    delete_many: DeleteMany, transport: Callable[[FakeService], object]
) -> None:
    service = FakeService(rate_limit=10, latency=1)
    ids = [service.open_session(ttl=3600) for _ in range(200)]
    service.outage(200)
    told: list[Outcome] = []
    began = time.monotonic()
    asyncio.run(listed(delete_many(transport(service), on_outcome=told.append)(ids)))
    assert service.monotonic() > 1200
    assert [type(outcome) for outcome in told] == [DeletionReceipt] * 200
    # Half a second on an idle machine.
    assert time.monotonic() - began < 120
