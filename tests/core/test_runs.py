"""Runs over many sessions, as scenarios: each is played blocking and awaited, on a virtual clock.

A request that has no script is served after a second. Whatever else a run promises is watched in
each of them: see `tests/proof/claims_of_runs.py`.
"""

import uuid

from firecrawl_interact.core import DeletionReceipt, RetryPolicy

from ..simulation.kinds import (
    BAD_CERTIFICATE,
    BROKEN_GATEWAY,
    CONFLICT,
    FAULTY,
    FORBIDDEN,
    LOST,
    NO_CONNECTION,
    NOT_DELETED,
    NOT_FOUND,
    SERVED,
    limited,
)
from ..simulation.play import play
from ..simulation.watch import Scenario, Step
from ..simulation.ways import Awaited, Blocking, Way
from ..simulation.world import Weather
from .expected_runs import Expected, both_ways, each_way

CONFLICT_PAGE = CONFLICT._replace(body=b"<html>")
BAD_ID = "InvalidSessionIdError, untouched"
UNKNOWN = "UnreachableError, unknown"
UNTOUCHED = "UnreachableError, untouched"

RUNS = {
    "each id has one outcome": Expected(
        Scenario(
            ids=["a", "..", "b", "", "c", "a\n", "d"],
            meets={"b": [SERVED.after(2)], "c": [NOT_FOUND.after(3)], "d": [FORBIDDEN.after(4)]},
            weather=Weather(effects=["at once"]),
        ),
        [
            (0, "..", 0, BAD_ID),
            (0, "", 0, BAD_ID),
            (0, "a\n", 0, BAD_ID),
            (1, "a"),
            (2, "b"),
            (3, "c", 1, "SessionNotFoundError, gone"),
            (4, "d", 1, "ForbiddenError, untouched"),
        ],
    ),
    "an id that comes twice has two outcomes": Expected(
        Scenario(ids=["a", "a"]), [(1, "a"), (1, "a")], requests="a a"
    ),
    "a UUID is an id, and what is none is an outcome among the others": Expected(
        Scenario(ids=["a", 5, None, b"a", ["a"], uuid.UUID(int=7)]),
        [
            (0, "5", 0, BAD_ID),
            (0, "None", 0, BAD_ID),
            (0, "b'a'", 0, BAD_ID),
            (0, "['a']", 0, BAD_ID),
            (1, "a"),
            (1, str(uuid.UUID(int=7))),
        ],
    ),
    "outcomes come as they end": Expected(
        Scenario(ids="abc", meets={"a": [SERVED.after(30)], "b": [SERVED.after(10)]}),
        [(1, "c"), (10, "b"), (30, "a")],
    ),
    "each attempt that fails for a moment is retried": Expected(
        Scenario(
            ids="abcde",
            meets={
                "a": [LOST],
                "b": [NO_CONNECTION.after(2), BROKEN_GATEWAY],
                "c": [NOT_DELETED.after(3)],
                "d": [CONFLICT.after(4)],
            },
        ),
        [(1, "e"), (2.5, "a", 2), (4.5, "c", 2), (5.5, "d", 2), (5.5, "b", 3)],
    ),
    "a retry does not wait for what is in flight": Expected(
        Scenario(ids="ab", meets={"a": [SERVED.after(30)], "b": [NOT_DELETED]}),
        [(2.5, "b", 2), (30, "a")],
    ),
    "conflicts are no outage": Expected(
        Scenario(ids="ab", meets={"a": [CONFLICT_PAGE], "b": [CONFLICT_PAGE]}),
        [(2.5, "a", 2), (2.5, "b", 2)],
    ),
    "sessions that are not deleted are no outage": Expected(
        Scenario(ids="ab", meets={"a": [NOT_DELETED], "b": [NOT_DELETED]}),
        [(2.5, "a", 2), (2.5, "b", 2)],
    ),
    "an id that fails by itself has its attempts": Expected(
        Scenario(ids="ab", meets={"a": [NOT_DELETED] * 4, "b": [BAD_CERTIFICATE]}),
        [(1, "b", 1, UNTOUCHED), (7.5, "a", 4, "NotDeletedError, unknown")],
    ),
    "no more requests are in flight than the concurrency allows": Expected(
        Scenario(ids="abcde", concurrency=2), [(1, "a"), (1, "b"), (2, "c"), (2, "d"), (3, "e")]
    ),
    "nothing happens before the first outcome is asked for": Expected(
        Scenario(ids="a", begins_at=10), [(11, "a")]
    ),
    "an id that waits for its retry lets another one go, even at a concurrency of 1": Expected(
        Scenario(ids="abc", concurrency=1, meets={"a": [NOT_DELETED]}),
        [(2, "b"), (3, "a", 2), (4, "c")],
        requests="a b a c",
    ),
    "a consumer that is slow lets no more requests go": Expected(
        Scenario(ids="abcdef", concurrency=2, busy=[100.0]),
        [(1, "a"), (101, "b"), (202, "c"), (302, "d"), (403, "e"), (503, "f")],
    ),
    "a response that comes while the consumer is busy is not overlooked": Expected(
        Scenario(
            ids=["a", "b", Step(2, "c")],
            ids_are_awaited=True,
            meets={"b": [SERVED.after(2)]},
            busy=[10.0],
        ),
        [(1, "a"), (11, "b"), (21, "c")],
        ways=[Awaited],
    ),
    "awaited ids are taken while requests are in flight": Expected(
        Scenario(
            ids=[Step(10, "a"), Step(10, "b"), Step(10, "c")],
            ids_are_awaited=True,
            weather=Weather(seconds=[50.0]),
        ),
        [(60, "a"), (70, "b"), (80, "c")],
        ways=[Awaited],
    ),
    "an id that may go again does not wait for the next one": Expected(
        Scenario(
            ids=["a", "b", Step(1_000, "c")],
            ids_are_awaited=True,
            meets={"a": [limited(5)], "b": [SERVED.after(2)]},
            busy=[10.0],
        ),
        [(2, "b"), (13, "a", 2), (1_001, "c")],
        ways=[Awaited],
    ),
    "a bad id does not wait for the next one": Expected(
        Scenario(ids=["", Step(1_000, "a")], ids_are_awaited=True),
        [(0, "", 0, BAD_ID), (1_001, "a")],
    ),
    "a 429 that is there is read before one more request is sent": Expected(
        Scenario(ids="abc", concurrency=1, meets={"a": [limited(5)]}),
        [(7, "a", 2), (8, "b"), (9, "c")],
        requests="a a b c",
    ),
    "a retry that came due is sent before the next id is asked for": Expected(
        Scenario(
            ids=["a", Step(10, "b"), Step(10, "c")], concurrency=1, meets={"a": [NOT_DELETED]}
        ),
        [(12, "a", 2), (13, "b"), (24, "c")],
        ways=[Blocking],
    ),
    "time that the ids take counts against no deadline": Expected(
        Scenario(
            ids=[Step(4, session_id) for session_id in "abcdef"],
            concurrency=2,
            retry=RetryPolicy(deadline=3),
            meets={"c": [NOT_DELETED]},
        ),
        [(8, "a"), (12, "b"), (17, "d"), (21, "c", 2), (25, "e"), (26, "f")],
        ways=[Blocking],
    ),
    "bad ids do not pile up": Expected(
        Scenario(ids=[""] * 20, concurrency=1), [(0, "", 0, BAD_ID)] * 20
    ),
    "when the ids fail what is in flight or waits has its outcome first": Expected(
        Scenario(ids="ab", ids_fail=True, meets={"a": [SERVED.after(10)], "b": [NOT_DELETED]}),
        [(2.5, "b", 2), (10, "a")],
        raises="FaultyError",
    ),
    "when awaited ids fail what is in flight has its outcome first": Expected(
        Scenario(ids="ab", ids_fail=True, ids_are_awaited=True),
        [(1, "a"), (1, "b")],
        raises="FaultyError",
    ),
    "a fault of the transport fails the run after the outcomes": Expected(
        Scenario(ids="abcd", concurrency=2, meets={"a": [FAULTY], "b": [SERVED.after(2)]}),
        [(1, "a", 1, UNKNOWN), (2, "b")],
        requests="a b",
        raises="RuntimeError",
    ),
    "a run goes on with as many threads as the system allows": Expected(
        Scenario(ids="abcd", thread_fails_at=range(3, 100)),
        [(1, "a"), (1, "b"), (2, "c"), (2, "d")],
        ways=[Blocking],
    ),
    "without any thread a run ends and sends nothing": Expected(
        Scenario(ids="ab", thread_fails_at=range(100)),
        [(0, "a", 0, UNTOUCHED)],
        raises="RuntimeError",
        ways=[Blocking],
    ),
    "a fault of the transport's sleep leaves the run": Expected(
        Scenario(ids="a", meets={"a": [NOT_DELETED]}, sleep_fails_at=1),
        [(1, "a", 1, "NotDeletedError, unknown")],
        raises="FaultyError",
    ),
}


@each_way(RUNS)
def test_a_run(expected: Expected, way: type[Way]) -> None:
    expected.check(way)


@both_ways
def test_an_outcome_is_what_a_single_call_would_give(way: type[Way]) -> None:
    watch = play(Scenario(ids="a", weather=Weather(has_details=False)), way)
    assert watch.outcomes == [
        DeletionReceipt(session_id="a", session_duration_ms=39_095, credits_billed=1)
    ]
