"""The first `interact` of the official client is interrupted, while its session is being opened.

Whatever interrupts it, the block waits for the session and deletes it.
"""

import asyncio
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import pytest

from firecrawl_interact import (
    AsyncSessionScope,
    FakeService,
    LoopbackService,
    Reply,
    SessionFate,
    SessionScope,
    async_delete_session_for,
    delete_session_for,
)

from ..postgres import wait_until

pytestmark = pytest.mark.enable_socket
Untyped: TypeAlias = Any  # as all of firecrawl-py
Work: TypeAlias = Callable[[], Coroutine[None, None, None]]


@pytest.fixture(params=[0.8, *(pytest.param(n, marks=pytest.mark.exhaustive) for n in (5, 20))])
def service(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> FakeService:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return FakeService(opens_in=request.param)


def is_opening(service: FakeService) -> bool:
    return any(request.path.endswith("/interact") for request in service.requests)


class TimeLimitError(BaseException):
    """What a framework raises in a job that has had its time."""


def give_up(*_: object) -> None:
    raise TimeLimitError


@contextmanager
def interruption(service: FakeService, handler: Any) -> Iterator[None]:  # Any: as `signal` has it
    """Let a signal come while the session is being opened."""

    def interrupt() -> None:
        wait_until(lambda: is_opening(service))
        signal.pthread_kill(main.ident or 0, signal.SIGUSR1)

    before, main = signal.signal(signal.SIGUSR1, handler), threading.main_thread()
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        yield
    finally:
        thread.join()
        signal.signal(signal.SIGUSR1, before)


def fate_of(block: SessionScope | AsyncSessionScope) -> SessionFate:
    assert block.outcome is not None
    return block.outcome.session_fate


def gateway_gives_up(service: FakeService, scrape_id: str) -> None:
    """Let a gateway answer for the service, which goes on."""
    service.open_session(scrape_id=scrape_id, opens_in=service.opens_in)
    service.queue(Reply(504, b"<html>"), session_id=scrape_id)


def use(
    service: FakeService,
    before: Callable[[FakeService, str], object] = lambda *_: None,
    **options: Untyped,
) -> SessionFate:
    """Run the first example until its block ends, and return the fate of the session."""
    from firecrawl import Firecrawl  # type: ignore[import-untyped]

    with LoopbackService(service) as loopback:
        firecrawl = Firecrawl("fc-test", loopback.api_url, max_retries=1, **options)
        with delete_session_for(firecrawl) as delete_session:
            scrape_id = firecrawl.scrape("https://example.com").metadata.scrape_id
            block = delete_session.on_exit(scrape_id=scrape_id)
            with pytest.raises(BaseException) as raised, block:  # noqa: PT011, PT012 - any of them
                before(service, scrape_id)
                firecrawl.interact(scrape_id, prompt="Open the first link.")
    assert not isinstance(raised.value, AssertionError)
    return fate_of(block)


SIGNALS = {
    "Ctrl-C": signal.default_int_handler,
    "SIGTERM with a handler": lambda *_: sys.exit(143),
    "a job's time limit": give_up,
}


@pytest.mark.parametrize("handler", SIGNALS.values(), ids=SIGNALS)
def test_signal(service: FakeService, handler: Any) -> None:
    with interruption(service, handler):
        fate = use(service)
    assert (fate, service.sessions_left_open) == (SessionFate.GONE, [])


def test_read_timeout(service: FakeService) -> None:
    fate = use(service, timeout=service.opens_in / 2)
    assert (fate, service.sessions_left_open) == (SessionFate.GONE, [])


def test_gateway_that_gives_up(service: FakeService) -> None:
    fate = use(service, before=gateway_gives_up)
    assert (fate, service.sessions_left_open) == (SessionFate.GONE, [])


# Awaited


async def cancel(work: Work, opening: Awaitable[None]) -> None:
    task = asyncio.ensure_future(work())
    await opening
    task.cancel()
    await task


async def time_out(work: Work, opening: Awaitable[None]) -> None:
    async with asyncio.timeout(None) as timeout:
        task = asyncio.ensure_future(opening)
        task.add_done_callback(lambda _: timeout.reschedule(0))
        await work()


async def fail_beside(work: Work, opening: Awaitable[None]) -> None:
    async def fail() -> None:
        await opening
        raise TimeLimitError

    async with asyncio.TaskGroup() as group:
        group.create_task(work())
        group.create_task(fail())


async def read_too_long(work: Work, opening: Awaitable[None]) -> None:
    await asyncio.gather(work(), opening)


WAYS = [cancel, time_out, fail_beside, read_too_long]


@pytest.mark.parametrize("way", WAYS, ids=[way.__name__ for way in WAYS])
def test_awaited(
    service: FakeService, way: Callable[[Work, Coroutine[None, None, None]], Any]
) -> None:
    fate = asyncio.run(use_awaited(service, way))
    assert (fate, service.sessions_left_open) == (SessionFate.GONE, [])


async def use_awaited(
    service: FakeService, way: Callable[[Work, Coroutine[None, None, None]], Any]
) -> SessionFate:
    from firecrawl import AsyncFirecrawl

    async def opening() -> None:
        while not is_opening(service):
            await asyncio.sleep(0.05)

    async def work() -> None:
        async with block:
            await firecrawl.interact(scrape_id, prompt="Open the first link.")

    timeout = service.opens_in / 2 if way is read_too_long else 60
    with LoopbackService(service) as loopback:
        firecrawl = AsyncFirecrawl(
            "fc-test", api_url=loopback.api_url, max_retries=1, timeout=timeout
        )
        async with async_delete_session_for(firecrawl) as delete_session:
            scrape_id = (await firecrawl.scrape("https://example.com")).metadata.scrape_id
            block = delete_session.on_exit(scrape_id=scrape_id)
            with pytest.raises(BaseException) as raised:  # noqa: PT011 - any of them
                await way(work, opening())
    assert not isinstance(raised.value, AssertionError)
    return fate_of(block)


@pytest.mark.parametrize("status", [402, 403, 404, 409, 429])
def test_an_answer_of_firecrawl_is_final(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(service: FakeService, scrape_id: str) -> None:
        failure = Reply(status, json={"success": False, "error": "No."})
        service.queue(failure, session_id=scrape_id)

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    service = FakeService()
    assert use(service, before=refuse) is SessionFate.GONE
    assert [request.method for request in service.requests] == ["POST", "POST", "DELETE"]
