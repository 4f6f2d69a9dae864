"""One delete under trio, which drives the core itself, and its test."""

import random
from collections.abc import Awaitable, Callable

import trio
from trio.testing import MockClock

from firecrawl_interact import FakeService, InMemoryTransport, Outcome, Reply, RetryPolicy, core


async def delete(
    session_id: str, send: Callable[[core.Request, float], Awaitable[core.Response]]
) -> Outcome:
    """Delete a session, and return the receipt or the error."""
    call = core.Call(
        session_id,
        headers=core.request_headers("fc-test"),
        retry=RetryPolicy(),
        random=random.random,
    )
    ends_at = trio.current_time() + call.retry.deadline
    while timeout := call.begin_attempt(ends_at - trio.current_time()):
        try:
            result: core.Response | core.TransportError
            result = await send(call.request, timeout)
        except core.TransportError as error:
            result = error
        await trio.sleep(call.end_attempt(result, ends_at - trio.current_time()))
    return call.outcome


def test_the_driver_waits_as_long_as_firecrawl_asks() -> None:
    """The clock of trio moves whenever all tasks wait, so the test takes no time."""
    service = FakeService(["fc-test"])
    session_id = service.open_session()
    service.queue(Reply(429, headers={"Retry-After": "120"}))
    transport = InMemoryTransport(service)

    async def send(request: core.Request, timeout: float) -> core.Response:
        return transport.send(request, timeout)

    async def run() -> float:
        began = trio.current_time()
        await delete(session_id, send)
        return trio.current_time() - began

    # Jitter adds two seconds at most.
    assert 120 <= trio.run(run, clock=MockClock(autojump_threshold=0)) <= 122
    assert service.sessions_left_open == []
