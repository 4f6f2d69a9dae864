"""Runs that are stopped, or left before their end, as scenarios: see `test_runs`."""

import asyncio

import pytest

from firecrawl_interact.core import Response

from ..simulation.kinds import NOT_DELETED, SERVED, SILENCE, Kind, limited
from ..simulation.play import play
from ..simulation.watch import Ended, Scenario, Step
from ..simulation.ways import Awaited, Blocking, Way
from ..simulation.world import Weather
from . import virtual_time
from .expected_runs import Expected, each_way
from .scripted_transport import DESTROYED
from .side_by_side import AsyncFunctionTransport, many_awaited

UNKNOWN = "UnreachableError, unknown"
UNTOUCHED = "UnreachableError, untouched"
LIMITED = "RateLimitError, untouched"
CANCELLED = Kind(error=asyncio.CancelledError)

TEN_SECONDS_EACH = Weather(seconds=[10.0])
TWO_GONE = [(10.0, "a"), (10.0, "b")]

STOPPED = {
    "stop lets what is in flight end, and takes and sends nothing new": Expected(
        Scenario(ids="abcd", concurrency=2, weather=TEN_SECONDS_EACH, stop_at=[5]),
        TWO_GONE,
        requests="a b",
        over_at=10,
    ),
    "stop does no harm twice or after the end": Expected(
        Scenario(ids="abcd", concurrency=2, weather=TEN_SECONDS_EACH, stop_at=[5, 6, 20]), TWO_GONE
    ),
    "stop before a run begins lets it take nothing": Expected(
        Scenario(ids="ab", begins_at=10, stop_at=[5]), [], over_at=10
    ),
    "stop ends an id that waits with what its last attempt met": Expected(
        Scenario(ids="ab", meets={"a": [NOT_DELETED], "b": [SERVED.after(5)]}, stop_at=[1.25]),
        [(1.25, "a", 1, "NotDeletedError, unknown"), (5, "b")],
        requests="a b",
    ),
    "stop ends an id that is paused before what is in flight ends": Expected(
        Scenario(ids="ab", meets={"a": [limited(200)], "b": [SERVED.after(5)]}, stop_at=[2]),
        [(2, "a", 1, LIMITED), (5, "b")],
        over_at=5,
    ),
    "stop is heard within a second of a pause, and ends it": Expected(
        Scenario(ids="a", meets={"a": [limited(60)]}, stop_at=[2.5]),
        [(3, "a", 1, LIMITED)],
        over_at=3,
        ways=[Blocking],
    ),
    "stop is heard at once in an awaited pause": Expected(
        Scenario(ids="a", meets={"a": [limited(60)]}, stop_at=[2.5]),
        [(2.5, "a", 1, LIMITED)],
        over_at=2.5,
        ways=[Awaited],
    ),
    "stop acts once the iterator of ids has returned": Expected(
        Scenario(ids=["a", Step(50, "b"), "c"], stop_at=[5]),
        [(50, "a"), (50, "b", 0, UNTOUCHED)],
        ways=[Blocking],
    ),
    "stop does not wait for the next id that is awaited": Expected(
        Scenario(ids=["a", Step(1_000, "b")], ids_are_awaited=True, stop_at=[7]),
        [(1, "a")],
        over_at=7,
        ways=[Awaited],
    ),
    "an id that has come when the run is stopped has its outcome": Expected(
        Scenario(
            ids=["a", Step(3, "b"), Step(1_000, "c")], ids_are_awaited=True, busy=[5.0], stop_at=[4]
        ),
        [(1, "a"), (6, "b", 0, UNTOUCHED)],
        over_at=11,
        ways=[Awaited],
    ),
    "what is in flight has the shutdown timeout from stop on": Expected(
        Scenario(ids="ab", meets={"a": [SERVED.after(50)]}, shutdown_timeout=5, stop_at=[10, 13]),
        [(1, "b"), (15, "a", 1, UNKNOWN)],
        over_at=15,
    ),
    "a shutdown timeout of 0 waits for nothing after stop": Expected(
        Scenario(ids="a", meets={"a": [SERVED.after(50)]}, shutdown_timeout=0, stop_at=[10]),
        [(10, "a", 1, UNKNOWN)],
        over_at=10,
    ),
}

SOON_AND_LATER = {"a": [SERVED], "b": [SERVED.after(50)], "c": [SERVED.after(60)]}
ALL_GONE = [(1, "a"), (60, "b"), (60, "c")]

LEFT = {
    "leaving the block waits for what is in flight, and keeps its outcomes": Expected(
        Scenario(ids="abcd", concurrency=3, meets=SOON_AND_LATER, leave_at_outcome=1),
        ALL_GONE,
        requests="a b c",
        over_at=60,
    ),
    "leaving the block waits until the attempts end": Expected(
        Scenario(ids="ab", meets={"b": [SERVED.after(89.5)]}, leave_at_outcome=1),
        [(1, "a"), (89.5, "b")],
        over_at=89.5,
    ),
    "an interruption waits for what is in flight, and sends nothing new": Expected(
        Scenario(ids="abcd", concurrency=3, meets=SOON_AND_LATER, interrupt_at=[0.5]),
        [(60, "a"), (60, "b"), (60, "c")],
        requests="a b c",
        raises="interruption",
        over_at=60,
    ),
    "a second cancellation cuts nothing short": Expected(
        Scenario(ids="abc", meets=SOON_AND_LATER, interrupt_at=[5, 6]),
        ALL_GONE,
        raises="interruption",
        over_at=60,
        ways=[Awaited],
    ),
    "a second Ctrl-C ends the wait, and what is in flight is unknown": Expected(
        Scenario(ids="abc", meets=SOON_AND_LATER, interrupt_at=[5, 6]),
        [(1, "a"), (6, "b", 1, UNKNOWN), (6, "c", 1, UNKNOWN)],
        raises="interruption",
        over_at=6,
        ways=[Blocking],
    ),
    "an interruption ends a pause": Expected(
        Scenario(ids="a", meets={"a": [limited(60)]}, interrupt_at=[5.5]),
        [(5.5, "a", 1, LIMITED)],
        requests="a",
        raises="interruption",
        over_at=5.5,
    ),
    "an interruption does not wait for the next id that is awaited": Expected(
        Scenario(ids=["a", Step(1_000, "b")], ids_are_awaited=True, interrupt_at=[7]),
        [(1, "a")],
        raises="interruption",
        over_at=7,
        ways=[Awaited],
    ),
    "what is in flight when the shutdown timeout is over is unknown": Expected(
        Scenario(ids="abc", meets=SOON_AND_LATER, shutdown_timeout=52, leave_at_outcome=1),
        [(1, "a"), (53, "b"), (53, "c", 1, UNKNOWN)],
        over_at=53,
    ),
    "a request that is cancelled may end in half a second": Expected(
        Scenario(
            ids="a",
            meets={"a": [SILENCE]},
            shutdown_timeout=5,
            interrupt_at=[1],
            ends_when_cancelled_after=0.5,
        ),
        [(6.5, "a", 1, UNKNOWN)],
        raises="interruption",
        ways=[Awaited],
    ),
    "a request that is cancelled has a second to end": Expected(
        Scenario(
            ids="a",
            meets={"a": [SILENCE]},
            shutdown_timeout=5,
            interrupt_at=[1],
            ends_when_cancelled_after=50,
        ),
        [(7, "a", 1, UNKNOWN)],
        raises="interruption",
        ways=[Awaited],
    ),
    "a program that cancels all its tasks loses no outcome": Expected(
        Scenario(ids="abc", meets=SOON_AND_LATER, cancel_all_at=5),
        [(1, "a"), (5, "b", 1, UNKNOWN), (5, "c", 1, UNKNOWN)],
        raises="interruption",
        over_at=5,
        ways=[Awaited],
    ),
    "a request that another cancels fails the run after the outcomes": Expected(
        Scenario(ids="abcd", concurrency=3, meets=SOON_AND_LATER | {"a": [CANCELLED]}),
        [(1, "a", 1, UNKNOWN), (50, "b"), (60, "c")],
        raises="RuntimeError",
    ),
}


@each_way(STOPPED | LEFT)
def test_a_run(expected: Expected, way: type[Way]) -> None:
    expected.check(way)


@pytest.mark.parametrize("way", [Blocking, Awaited])
def test_what_ended_a_run_before_it_was_left_is_logged_and_keeps_no_outcome_back(
    way: type[Way], caplog: pytest.LogCaptureFixture
) -> None:
    watch = play(Scenario(ids="ab", ids_fail=True, leave_at_outcome=1), way)
    assert watch.ended == [Ended(1, "a"), Ended(1, "b")]
    assert watch.raised == []
    assert "the run had ended before it was left: the ids fail" in caplog.text


def test_a_run_that_is_left_waits_for_an_attempt_and_a_second_if_a_transport_never_ends() -> None:
    async def respond(session_id: str) -> Response:
        await asyncio.sleep(1 if session_id == "a" else 1_000)
        return DESTROYED

    async def main() -> float:
        async with many_awaited(AsyncFunctionTransport(respond))(["a", "b"]) as deletions:
            await anext(deletions)
        return virtual_time.now()

    assert virtual_time.run(main()) == 1 + 90 + 1
