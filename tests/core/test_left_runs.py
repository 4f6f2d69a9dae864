"""What a run says of itself, and what becomes of requests that nobody waits for any more."""

import asyncio
import copy
import errno
import pickle
import threading

import pytest

from firecrawl_interact.core import (
    ConnectFailedError,
    OutageError,
    Response,
    SessionFate,
    UnreachableError,
)

from . import virtual_time
from .scripted_transport import DESTROYED
from .side_by_side import AsyncFunctionTransport, FunctionTransport, after, many, many_awaited


@pytest.mark.parametrize("journey", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])  # noqa: S301 - our own
def test_an_outage_error_survives_copy_and_pickle(journey: object) -> None:
    error = OutageError("away", lasted=240.0, retry_after=60.0)
    arrived = journey(error)  # type: ignore[operator]  # it is one of the two above
    assert (arrived.lasted, arrived.retry_after) == (240.0, 60.0)
    assert str(arrived) == "away. The run has ended. Run it again in 60 seconds."


def test_a_run_and_its_use_case_say_what_they_are() -> None:
    delete_many = many(FunctionTransport())
    assert repr(delete_many).startswith("DeleteManySessions(DeleteSession(")
    assert repr(many_awaited(AsyncFunctionTransport())).startswith("AsyncDeleteManySessions(")
    with delete_many(["a"]) as deletions:
        assert repr(deletions) == "<Deletions: 0 in flight, 0 waiting, 0 ended>"


def test_out_of_descriptors_lowers_the_concurrency_and_costs_no_session() -> None:
    begun = threading.Barrier(2)
    calls: list[str] = []

    def respond(session_id: str) -> Response:
        calls.append(session_id)
        if session_id == "b" and calls.count("b") == 1:
            begun.wait(10)
            raise ConnectFailedError("no") from OSError(errno.EMFILE, "too many open files")
        if session_id == "a":
            begun.wait(10)
        return DESTROYED

    outcomes = list(many(FunctionTransport(respond), concurrency=2)(["a", "b"]))
    assert {outcome.session_fate for outcome in outcomes} == {SessionFate.GONE}


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


def test_what_is_in_flight_after_the_shutdown_timeout_is_unknown() -> None:
    from firecrawl_interact.core import AsyncDeleteManySessions, AsyncDeleteSession

    async def main() -> None:
        delete_session = AsyncDeleteSession(AsyncFunctionTransport(after(50)), "fc-test")
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
