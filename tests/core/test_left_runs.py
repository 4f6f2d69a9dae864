"""What a run says of itself, and what becomes of requests that nobody waits for any more."""

import asyncio
import contextlib
import gc
import threading
import weakref
from collections.abc import Iterable, Iterator
from typing import ParamSpec, TypeVar

import pytest

from firecrawl_interact.core import (
    AsyncDeleteManySessions,
    AsyncDeleteSession,
    DeleteManySessions,
    DeleteSession,
    Deletions,
    Pause,
    RateLimitError,
    Response,
    SessionFate,
    UnreachableError,
)

from . import virtual_time
from .scripted_transport import DESTROYED, UNAVAILABLE, response
from .side_by_side import (
    KEY,
    AsyncFunctionTransport,
    FunctionTransport,
    after,
    listed,
    many,
    many_awaited,
)

_P = ParamSpec("_P")
_T = TypeVar("_T")


def test_eight_requests_are_in_flight_at_a_time_unless_the_user_says_otherwise() -> None:
    delete_many = DeleteManySessions(DeleteSession(FunctionTransport(), KEY))
    delete_many_awaited = AsyncDeleteManySessions(AsyncDeleteSession(AsyncFunctionTransport(), KEY))
    for use_case in (delete_many, delete_many_awaited):
        assert repr(use_case).endswith("concurrency=8)")


def test_a_run_and_its_use_case_say_what_they_are() -> None:
    delete_many = many(FunctionTransport())
    assert repr(delete_many).startswith("DeleteManySessions(DeleteSession(")
    assert repr(many_awaited(AsyncFunctionTransport())).startswith("AsyncDeleteManySessions(")
    deletions = delete_many(["a"])
    assert repr(deletions) == "<Deletions: 0 in flight, 0 waiting, 0 ended>"
    deletions.close()


def test_cancelled_leaving_still_waits_for_what_is_in_flight() -> None:
    async def main() -> None:
        transport = AsyncFunctionTransport(after(50))
        deletions = many_awaited(transport, concurrency=2)(["a", "b"])
        consumer = asyncio.ensure_future(anext(deletions))
        await asyncio.sleep(1)
        consumer.cancel()
        await asyncio.sleep(1)
        consumer.cancel()
        await asyncio.wait([consumer])
        assert virtual_time.now() == 50
        outcomes = [outcome async for outcome in deletions]
        assert {outcome.session_fate for outcome in outcomes} == {SessionFate.GONE}

    virtual_time.run(main())


def test_what_is_awaited_after_the_shutdown_timeout_is_unknown() -> None:
    async def main() -> None:
        delete_session = AsyncDeleteSession(AsyncFunctionTransport(after(50)), KEY)
        delete_many = AsyncDeleteManySessions(delete_session, shutdown_timeout=5)
        deletions = delete_many(["a"])
        consumer = asyncio.ensure_future(anext(deletions))
        await asyncio.sleep(1)
        consumer.cancel()
        await asyncio.wait([consumer])
        assert virtual_time.now() == 6
        [outcome] = [outcome async for outcome in deletions]
        assert isinstance(outcome, UnreachableError)
        assert outcome.session_fate is SessionFate.UNKNOWN

    virtual_time.run(main())


def test_what_is_awaited_has_the_shutdown_timeout_from_stop_on() -> None:
    async def main() -> None:
        delete_session = AsyncDeleteSession(AsyncFunctionTransport(after(50)), KEY)
        deletions = AsyncDeleteManySessions(delete_session, shutdown_timeout=5)(["a"])
        asyncio.get_running_loop().call_at(10, deletions.stop)
        asyncio.get_running_loop().call_at(13, deletions.stop)
        [outcome] = await listed(deletions)
        assert virtual_time.now() == 15
        assert outcome.session_fate is SessionFate.UNKNOWN

    virtual_time.run(main())


@pytest.mark.parametrize(("seconds", "waited"), [(0, 0), (0.5, 0.5), (50, 1)])
def test_a_request_that_is_cancelled_has_a_second_to_end(seconds: float, waited: float) -> None:
    ended: list[str] = []

    async def respond(session_id: str) -> Response:
        try:
            return await after(50)(session_id)
        finally:
            await asyncio.sleep(seconds)
            ended.append(session_id)

    async def main() -> None:
        delete_session = AsyncDeleteSession(AsyncFunctionTransport(respond), "fc-test")
        delete_many = AsyncDeleteManySessions(delete_session, shutdown_timeout=5)
        async with delete_many(["a"]) as deletions:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(anext(deletions), 1)
        assert ended == (["a"] if seconds == waited else [])
        (outcome,) = await listed(deletions)
        assert "the run was left before the response was read" in str(outcome)
        assert virtual_time.now() == 1 + 5 + waited

    virtual_time.run(main())


def test_an_awaited_run_holds_nothing_of_requests_that_have_ended() -> None:
    tasks: weakref.WeakSet[asyncio.Task[object] | None] = weakref.WeakSet()

    async def respond(session_id: str) -> Response:
        tasks.add(asyncio.current_task())
        return DESTROYED

    async def main() -> None:
        async with many_awaited(AsyncFunctionTransport(respond))(map(str, range(50))) as deletions:
            assert len(await listed(deletions)) == 50
            gc.collect()
            assert len(tasks) < 10

    virtual_time.run(main())


class LateIds:
    """An id, and what comes only when it is let through: another id, or the end."""

    def __init__(self, *later: str) -> None:
        self.may_go_on = threading.Event()
        self._later = later

    def __iter__(self) -> Iterator[str]:
        yield "a"
        assert self.may_go_on.wait(10)
        yield from self._later


def stop_and_take_the_rest(deletions: Deletions) -> None:
    deletions.stop()
    assert list(deletions) == []


def failing_ids() -> Iterator[str]:
    yield from "ab"
    raise LookupError("no next page")


def test_what_ended_a_run_before_it_was_left_is_logged_and_keeps_no_outcome_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    both_sent, failed = threading.Barrier(2), threading.Event()

    def respond(session_id: str) -> Response:
        both_sent.wait(10)
        assert failed.wait(10)
        return DESTROYED

    def ids() -> Iterator[str]:
        yield from "ab"
        failed.set()
        raise LookupError("no next page")

    with many(FunctionTransport(respond))(ids()) as deletions:
        outcomes = [next(deletions)]
    assert {outcome.session_id for outcome in [*outcomes, *deletions]} == {"a", "b"}
    assert "the run had ended before it was left: no next page" in caplog.text


def test_what_ended_an_awaited_run_before_it_was_left_is_logged_and_keeps_no_outcome_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        async with many_awaited(AsyncFunctionTransport(after(5)))(failing_ids()) as deletions:
            outcomes = [await anext(deletions)]
        outcomes += await listed(deletions)
        assert {outcome.session_id for outcome in outcomes} == {"a", "b"}

    virtual_time.run(main())
    assert "the run had ended before it was left: no next page" in caplog.text


def test_a_run_says_what_holds_it_back() -> None:
    pauses: list[Pause | None] = []
    responses = iter([response(429, headers={"retry-after": "60"}), DESTROYED])
    transport = FunctionTransport(
        lambda _: next(responses), on_sleep=lambda: pauses.append(deletions.pause)
    )
    deletions = many(transport)(["a"])
    assert (deletions.pause, deletions.last_failure) == (None, None)
    assert [outcome.session_fate for outcome in deletions] == [SessionFate.GONE]
    assert {pause.reason for pause in pauses if pause} == {"rate limit"}
    assert deletions.pause is None
    assert isinstance(deletions.last_failure, RateLimitError)


_TICK = 1 / 1024


class TickingTransport(FunctionTransport):
    """Its clock moves whenever it is looked at, and its waits end a few ticks early."""

    def __init__(self, responses: Iterable[Response], *, early: int) -> None:
        super().__init__(lambda _: next(pending))
        pending = iter(responses)
        self._early = early * _TICK

    def monotonic(self) -> float:
        self.now += _TICK
        return super().monotonic()

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.now -= min(seconds, self._early)


@pytest.mark.parametrize("early", range(12))
def test_a_retry_that_is_due_while_the_run_looks_at_the_clock_is_sent_without_a_wait(
    early: int,
) -> None:
    transport = TickingTransport([UNAVAILABLE, DESTROYED], early=early)
    [outcome] = many(transport)(["a"])
    assert outcome.session_fate is SessionFate.GONE
    assert all(seconds > 0 for seconds in transport.sleeps)
