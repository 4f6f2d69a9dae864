"""Runs over many sessions, each written down as data, and played blocking and awaited.

Each request takes a second and is served, unless `meets` says what the requests for an id meet, one
after the other. What a run must do besides is watched in each of them: `tests/simulation/watch.py`.
"""

import logging
import math
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import itemgetter

import pytest

from firecrawl_interact.core import DeletionReceipt, RetryPolicy

from ..simulation import kinds as k
from ..simulation.play import play
from ..simulation.watch import Scenario, Step, Watch
from ..simulation.ways import WAYS, Way
from ..simulation.world import MemoryJournal, Outage, Weather, full_journal
from .scripted_transport import log_records


@dataclass(kw_only=True)
class Case:
    """What a run is given, and what must come of it."""

    given: Scenario
    outcomes: Sequence[tuple[object, ...]]  # as `ended` gives them
    sent: str | None = None  # the id of each request. None: nobody looks
    raises: str | None = None  # the run itself, or its end
    over_at: float | None = None  # seconds, when its block has ended. None: nobody looks
    way: str | None = None  # None: both


def ended(watch: Watch) -> list[tuple[object, ...]]:
    """When each outcome came, its id, and which error it is, unless it is a receipt."""
    return [one[:2] if one[2] == "receipt" else one for one in sorted(watch.ended)]


def run_of(
    ids: Sequence[object], meets: Mapping[str, Sequence[k.Kind]] | None = None, **of: object
) -> Scenario:
    return replace(Scenario(ids=ids, meets=meets or {}), **of)  # type: ignore[arg-type] # by name


LATE, LATER = [k.SERVED.after(50)], [k.SERVED.after(60)]
IN_5_S, IN_10_S = [k.SERVED.after(5)], [k.SERVED.after(10)]
PAUSED = {"a": [k.limited(60)]}
AWAY = Weather(outages=[Outage(0, float("inf"), k.BROKEN_GATEWAY)])
IN_30_S = RetryPolicy(deadline=30)
A_UNKNOWN = "UnreachableError"

CASES = {
    "each id has one outcome, and they come as they end": Case(
        given=run_of(
            ["a", "..", "b", "c", "d"],
            {"a": IN_10_S, "b": [k.NOT_FOUND.after(3)], "c": [k.FORBIDDEN.after(4)]},
            weather=Weather(effects=["at once"]),
        ),
        outcomes=[
            (0, "..", "InvalidSessionIdError"),
            (1, "d"),
            (3, "b", "SessionNotFoundError"),
            (4, "c", "ForbiddenError"),
            (10, "a"),
        ],
    ),
    "the time of its requests counts for a session's deadline": Case(
        given=run_of("ab", {"a": [k.SILENCE] * 4}, retry=RetryPolicy(deadline=100)),
        outcomes=[(1, "b"), (100, "a", A_UNKNOWN)],
        sent="a b a",
    ),
    "an id that waits holds no place, even at a concurrency of 1": Case(
        given=run_of("abc", {"a": [k.NOT_DELETED]}, concurrency=1),
        outcomes=[(2, "b"), (3, "a"), (4, "c")],
        sent="a b a c",
    ),
    "a caller that is slow lets no more requests go": Case(
        given=run_of("abcdef", concurrency=2, busy=[100.0]),
        outcomes=[(1, "a"), (101, "b"), (202, "c"), (302, "d"), (403, "e"), (503, "f")],
    ),
    "asynchronous ids are taken while requests are in flight": Case(
        given=run_of(
            [Step(10, "a"), Step(10, "b"), Step(10, "c")], {"a": LATE}, ids_are_awaited=True
        ),
        outcomes=[(21, "b"), (31, "c"), (60, "a")],
        way="awaited",
    ),
    "the wait for the next asynchronous id is no outage, whatever failed before it": Case(
        given=run_of(
            ["a", "b", Step(999, "c")],
            {"a": [k.STOPPING] * 20, "b": [k.STOPPING] * 20},
            ids_are_awaited=True,
        ),
        outcomes=[
            (37.5, "a", "ServiceUnavailableError"),
            (37.5, "b", "ServiceUnavailableError"),
            (1000, "c"),
        ],
        way="awaited",
    ),
    "when the ids fail, what was taken has its outcome first": Case(
        given=run_of(
            "ab", {"a": IN_10_S, "b": [k.NOT_DELETED]}, ids_fail=True, ids_are_awaited=True
        ),
        outcomes=[(2.5, "b"), (10, "a")],
        raises="FaultyError",
    ),
    "a fault of the transport ends the run after the outcomes": Case(
        given=run_of("abcd", {"a": [k.FAULTY], "b": [k.SERVED.after(2)]}, concurrency=2),
        outcomes=[(1, "a", A_UNKNOWN), (2, "b")],
        sent="a b",
        raises="RuntimeError",
    ),
    "an outage that ends the run does not wait for the next asynchronous id": Case(
        given=run_of(
            ["a", "b", Step(1000, "c")], weather=AWAY, retry=IN_30_S, ids_are_awaited=True
        ),
        outcomes=[(31, "a", "ServiceUnavailableError"), (31, "b", "ServiceUnavailableError")],
        raises="RunEndedError",
        over_at=31,
        way="awaited",
    ),
}

ENDED_EARLY = {
    "stop lets what is in flight end, and takes and sends nothing new": Case(
        given=run_of("abcd", {"a": IN_10_S, "b": IN_10_S}, concurrency=2, stop_at=[5.0, 6.0, 20.0]),
        outcomes=[(10, "a"), (10, "b")],
        sent="a b",
        over_at=10,
    ),
    "stop before a run begins lets it take nothing": Case(
        given=run_of("a", begins_at=10.0, stop_at=[5.0]), outcomes=[], over_at=10
    ),
    "stop ends an id that waits before what is in flight ends": Case(
        given=run_of("ab", {"a": [k.limited(200)], "b": IN_5_S}, stop_at=[2.0]),
        outcomes=[(2, "a", "RateLimitError"), (5, "b")],
        over_at=5,
    ),
    "stop is heard within a second of a pause": Case(
        given=run_of("a", PAUSED, stop_at=[2.5]),
        outcomes=[(3, "a", "RateLimitError")],
        over_at=3,
        way="blocking",
    ),
    "stop is heard at once in an awaited pause": Case(
        given=run_of("a", PAUSED, stop_at=[2.5]),
        outcomes=[(2.5, "a", "RateLimitError")],
        over_at=2.5,
        way="awaited",
    ),
    "stop acts once the iterator of ids has returned": Case(
        given=run_of(["a", Step(50, "b"), "c"], stop_at=[5.0]),
        outcomes=[(50, "b", "NotTriedError"), (50, "a")],
        way="blocking",
    ),
    "stop does not wait for the next asynchronous id": Case(
        given=run_of(["a", Step(1000, "b")], ids_are_awaited=True, stop_at=[7.0]),
        outcomes=[(1, "a")],
        over_at=7,
        way="awaited",
    ),
    "what is in flight has the shutdown timeout from stop on": Case(
        given=run_of(
            "ab", {"a": [k.limited(2), *LATE]}, shutdown_timeout=4.5, stop_at=[10.0, 13.0]
        ),
        outcomes=[(1, "b"), (14.5, "a", A_UNKNOWN)],
        over_at=14.5,
    ),
    "the caller's own time counts against the shutdown timeout": Case(
        given=run_of("ab", {"b": LATER}, busy=[50.0], shutdown_timeout=5.0, stop_at=[0.5]),
        outcomes=[(1, "a"), (51, "b", A_UNKNOWN)],
    ),
    "a response that has come counts, however little time there is": Case(
        given=run_of("ab", {"b": IN_5_S}, busy=[10.0], shutdown_timeout=0.0, stop_at=[7.0]),
        outcomes=[(1, "a"), (11, "b")],
    ),
    "leaving the block waits until the attempts end, and keeps their outcomes": Case(
        given=run_of(
            "abcd", {"b": LATE, "c": [k.SERVED.after(89.5)]}, concurrency=3, leave_at_outcome=1
        ),
        outcomes=[(1, "a"), (89.5, "b"), (89.5, "c")],
        sent="a b c",
        over_at=89.5,
    ),
    "an interruption waits for what is in flight, and sends nothing new": Case(
        given=run_of("abcd", {"b": LATE, "c": LATER}, concurrency=3, interrupt_at=[0.5]),
        outcomes=[(60, "a"), (60, "b"), (60, "c")],
        sent="a b c",
        raises="interruption",
        over_at=60,
    ),
    "an interruption while the journal forgets a session costs no outcome": Case(
        given=run_of("a", journal_seconds=[5.0], interrupt_at=[3.0]),
        outcomes=[(3, "a")],
        raises="interruption",
        way="blocking",
    ),
    "a second cancellation cuts nothing short": Case(
        given=run_of("abc", {"b": LATE, "c": LATER}, interrupt_at=[5.0, 6.0]),
        outcomes=[(1, "a"), (60, "b"), (60, "c")],
        raises="interruption",
        over_at=60,
        way="awaited",
    ),
    "a second Ctrl-C ends the wait, and what is in flight is unknown": Case(
        given=run_of("abc", {"b": LATE, "c": LATER}, interrupt_at=[5.0, 6.0]),
        outcomes=[(1, "a"), (6, "b", A_UNKNOWN), (6, "c", A_UNKNOWN)],
        raises="interruption",
        over_at=6,
        way="blocking",
    ),
    "a request that is cancelled has a second to end": Case(
        given=run_of(
            "a",
            {"a": [k.SILENCE]},
            shutdown_timeout=5.0,
            interrupt_at=[1.0],
            ends_when_cancelled_after=50.0,
        ),
        outcomes=[(7, "a", A_UNKNOWN)],
        raises="interruption",
        way="awaited",
    ),
}


def each_case(cases: Mapping[str, Case]) -> Iterator[object]:
    for name, case in cases.items():
        for way in WAYS:
            if case.way in {None, way}:
                yield pytest.param(case, WAYS[way], id=f"{name}, {way}")


@pytest.mark.parametrize(("case", "way"), [*each_case(CASES | ENDED_EARLY)])
def test_a_run(case: Case, way: type[Way]) -> None:
    watch = play(case.given, way, set_up=full_journal)
    assert ended(watch) == sorted(case.outcomes, key=itemgetter(0, 1))
    assert case.sent in {None, " ".join(watch.world.sent)}
    assert case.over_at in {None, watch.over_at}
    raised = {type(error).__name__ for error in watch.raised}
    if raised & {"KeyboardInterrupt", "CancelledError"}:
        raised = {"interruption"}
    assert raised == {case.raises} - {None}
    assert watch.world.flaws == []


def test_an_invalid_id_is_an_outcome_among_the_others(
    way: type[Way],
) -> None:
    watch = play(Scenario(ids=["", "a b", None, uuid.UUID(int=7)]), way)  # a column with a null
    *others, receipt = watch.outcomes
    assert {type(outcome).__name__ for outcome in others} == {"InvalidSessionIdError"}
    assert [getattr(outcome, "__traceback__", 0) for outcome in others] == [None] * 3
    assert (watch.world.flaws, watch.raised) == ([], [])
    assert isinstance(receipt, DeletionReceipt)
    assert receipt.session_id == str(uuid.UUID(int=7))


@pytest.mark.parametrize("ids_are_awaited", [False, True])
@pytest.mark.parametrize("no_id", [b"a", ("a",), {"id": "a"}, math.nan], ids=repr)
def test_what_is_no_id_ends_the_run_after_the_outcomes(
    no_id: object, ids_are_awaited: bool, way: type[Way]
) -> None:
    watch = play(Scenario(ids=["a", no_id, "b"], ids_are_awaited=ids_are_awaited), way)
    assert [outcome.session_id for outcome in watch.outcomes] == ["a"]
    [error] = watch.raised
    assert isinstance(error, TypeError)
    assert str(error).startswith("an item of session_ids must be a str or a UUID, not ")


def test_outcomes_say_why_nobody_waited_for_a_response(way: type[Way]) -> None:
    faulty = play(Scenario(ids="a", meets={"a": [k.FAULTY]}), way)
    assert "the transport failed (FaultyError)" in str(faulty.outcomes[0])
    assert "FaultyError" in str(faulty.raised[0])
    fail = k.Kind(error=lambda: pytest.fail.Exception("This is a BaseException."))
    failed = play(Scenario(ids="a", meets={"a": [fail]}), way)
    assert "no request can be sent (Failed)" in str(failed.raised[0])
    left = play(Scenario(ids="a", meets={"a": LATE}, shutdown_timeout=0, stop_at=[5]), way)
    says = "the run was left before the response was read. The session may still be running"
    assert says in str(left.outcomes[0])


@pytest.mark.parametrize("is_full", [False, True])
def test_the_journal_forgets_what_is_gone_or_a_line_says_so(way: type[Way], is_full: bool) -> None:
    meets = {"b": [k.NOT_FOUND], "c": [k.UNAUTHORIZED], "d": [k.SILENCE] * 4}
    scenario = Scenario(ids="abcd", meets=meets, weather=Weather(effects=["at once"]))
    held = dict.fromkeys("abcd")
    with log_records(logging.WARNING) as records:
        watch = play(scenario, way, set_up=partial(MemoryJournal, held=held, fails=lambda: is_full))
    assert watch.world.flaws == []
    assert list(held) == [*("abcd" if is_full else "cd")]
    text = "session {!r} is gone, but the journal may still have its record: the disk is full"
    lines = [text.format(session_id) for session_id in "ab"] * is_full
    assert sorted(record.getMessage() for record in records) == lines


def test_a_response_that_nobody_can_read_ends_the_run(way: type[Way]) -> None:
    kind = k.Kind(status=503, body=5)  # type: ignore[arg-type] # the point
    watch = play(Scenario(ids="ab", meets={"a": [kind]}), way)
    assert ended(watch) == [(1, "a", "UnreachableError"), (1, "b")]
    [error] = watch.raised
    assert isinstance(error, RuntimeError)
    assert isinstance(error.__cause__, AttributeError | TypeError)


def test_a_run_shows_what_holds_it_back(way: type[Way]) -> None:
    served = {"b": [k.SERVED.after(2)], "c": [k.SERVED.after(61.5)], "d": [k.SERVED.after(70)]}
    meets = {"a": [k.limited(60)] * 2, "e": [k.limited(60)], **served}
    limited = play(Scenario(ids="abcde", meets=meets), way)
    assert [pause and pause.number for pause in limited.pauses] == [1, None, 2, 2, None]
    pause = limited.pauses[0]
    assert pause is not None
    assert (pause.waiting, pause.seconds_left) == (2, 59)
    meets = {"a": [k.LOST] * 2, "b": [k.LOST] * 2, "c": [k.SERVED.after(1.6)]}
    away = play(Scenario(ids="abc", meets=meets, chances=[1.0]), way)
    pause = away.pauses[0]
    assert pause is not None
    assert (pause.waiting, round(pause.seconds_left, 9)) == (2, 0.4)
    stopped = play(Scenario(ids="ab", meets={"a": [k.limited(60)]}, stop_at=[1]), way)
    assert stopped.pauses == [None, None]


def test_what_ended_a_run_before_it_was_left_is_logged(way: type[Way]) -> None:
    with log_records(logging.WARNING) as records:
        watch = play(Scenario(ids="ab", ids_fail=True, leave_at_outcome=1), way)
        play(Scenario(ids="ab", ids_fail=True), way)  # It raises that.
    assert ended(watch) == [(1, "a"), (1, "b")]
    assert watch.raised == []
    text = "the run had ended before it was left: FaultyError('the ids fail')"
    assert [record.getMessage() for record in records] == [text]


FORBIDDEN = {"b": [k.FORBIDDEN.after(2)], "c": [k.FORBIDDEN.after(2)]}
SILENT = Scenario(ids="abc", meets={"b": [k.SILENCE], "c": [k.SILENCE]}, shutdown_timeout=1)


@pytest.mark.parametrize(
    ("scenario", "counts"),
    [
        (replace(SILENT, leave_at_outcome=1), [2]),
        (replace(SILENT, interrupt_at=[5.0]), [2]),
        (replace(SILENT, leave_at_outcome=1, shutdown_timeout=None, interrupt_at=[5.0]), [2]),
        (replace(SILENT, meets=FORBIDDEN, busy=[9.0], leave_at_outcome=2), [1]),  # All have ended.
        (replace(SILENT, stop_at=[5.0]), []),  # The caller takes all outcomes.
        (Scenario(ids="ab", leave_at_outcome=1), []),  # Both are gone.
    ],
)
def test_a_run_that_is_left_logs_how_many_are_left(
    scenario: Scenario, counts: list[int], way: type[Way]
) -> None:
    with log_records(logging.ERROR) as records:
        play(scenario, way)
    text = "a run was closed while {} sessions may still be running: iterate over it"
    assert [record.getMessage() for record in records] == [text.format(count) for count in counts]


def test_a_pause_is_a_warning_when_it_begins(way: type[Way]) -> None:
    weather = Weather(outages=[Outage(0, 20, k.NO_CONNECTION)])
    with log_records(logging.WARNING) as records:
        play(Scenario(ids="abcd", weather=weather), way)
        play(Scenario(ids="a", meets=PAUSED), way)
    ends = "The run ends if this lasts beyond the deadline"
    assert [record.getMessage() for record in records] == [
        f"outage, retry in 0.5 s: no connection. {ends}",
        f"rate limit, retry in 60.0 s: HTTP 429: Rate limit exceeded. {ends}",
    ]
