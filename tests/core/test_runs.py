"""Runs over many sessions, written down as text, and each played blocking and awaited.

The first clause is the ids; `b@5` takes 5 s to come. `b: lost, served after 5` is what the requests
for `b` meet, of `simulation.kinds`, and `away 8: lost` what all others meet for the first 8 s; they
are served after a second else. Other clauses are fields of `Scenario` and of `RetryPolicy`.

Behind `=>` stands each outcome as `Watch` writes it, or `no outcome`; with neither, nobody looks.
`sent` is the id of each request, `sleeps` the seconds of each wait, `pauses` what holds the run
back after each outcome, `raises` all that is raised, and `over at` when the run's block has ended.

Whatever else a run promises is watched in each of them: see `tests/proof/claims_of_runs.py`.
"""

import ast
import logging
import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar
from unittest.mock import Mock

import pytest

from firecrawl_interact.core import DeletionReceipt, RetryPolicy, SessionFate

from ..simulation import kinds
from ..simulation.play import play
from ..simulation.watch import Scenario, Step
from ..simulation.ways import WAYS, Awaited, Blocking, Way, both_ways
from ..simulation.world import Outage, Weather, full_journal

_T = TypeVar("_T")

RUNS = """
each id has one outcome, and they come as they end
    a .. b c d; a: served after 10; b: not found after 3; c: forbidden after 4
    => 0 .. x0 InvalidSessionIdError untouched; 1 d; 3 b SessionNotFoundError gone;
    4 c ForbiddenError untouched; 10 a
an id that comes twice has two outcomes
    a a => 1 a; 1 a; sent: a a
each attempt that fails for a moment is retried
    a b c d e; a: lost; b: no connection after 2, broken gateway; c: not deleted after 3;
    d: conflict after 4
    => 1 e; 2.5 a x2; 4.5 c x2; 5.5 b x3; 5.5 d x2
a retry does not wait for what is in flight
    a b; a: served after 30; b: not deleted => 2.5 b x2; 30 a
nothing happens before the first outcome is asked for
    a; begins at 10 => 11 a
an id that waits for its retry lets another one go, even at a concurrency of 1
    a b c; concurrency 1; a: not deleted => 2 b; 3 a x2; 4 c; sent: a b a c
a consumer that is slow lets no more requests go
    a b c d e f; concurrency 2; busy 100
    => 1 a; 101 b; 202 c; 302 d; 403 e; 503 f
outcomes come in the order in which they ended, even to a consumer that is busy
    a b c; b: served after 5; c: served after 3; busy 10 => 1 a; 11 c; 21 b
a response that comes while the consumer is busy is not overlooked
    a b c@2; ids are awaited; b: served after 2; busy 10; only awaited => 1 a; 11 b; 21 c
awaited ids are taken while requests are in flight
    a@10 b@10 c@10; ids are awaited; a: served after 50; only awaited => 21 b; 31 c; 60 a
an id that may go again does not wait for the next one
    a b c@1000; ids are awaited; a: limited for 5; b: served after 2; busy 10; only awaited
    => 2 b; 13 a x2; 1001 c
a bad id does not wait for the next one
    .. a@1000; ids are awaited => 0 .. x0 InvalidSessionIdError untouched; 1001 a
a 429 that is there is read before one more request is sent
    a b c; concurrency 1; a: limited for 5 => 7 a x2; 8 b; 9 c; sent: a a b c
a retry that came due is sent before the next id is asked for
    a b@10 c@10; concurrency 1; a: not deleted; only blocking => 12 a x2; 13 b; 24 c
time that the ids take counts against no deadline
    a@4 b@4 c@4 d@4 ..@4 f@4; concurrency 2; deadline 3; c: not deleted; only blocking
    => 8 a; 12 b; 17 c x2; 17 d; 21 .. x0 InvalidSessionIdError untouched; 26 f
when the ids fail what is in flight or waits has its outcome first
    a b; ids fail; a: served after 10; b: not deleted => 2.5 b x2; 10 a; raises: FaultyError
so does what is in flight when awaited ids fail
    a b; ids fail; ids are awaited; a: served after 10; b: not deleted; only awaited
    => 2.5 b x2; 10 a; raises: FaultyError
what ended a run first is raised
    a; ids fail; a: faulty after 10 => 10 a UnreachableError unknown; raises: FaultyError
a fault of the transport fails the run after the outcomes
    a b c d; concurrency 2; a: faulty; b: served after 2
    => 1 a UnreachableError unknown; 2 b; sent: a b; raises: RuntimeError
if no more threads can start a run ends with what is in flight, and raises
    a b c d; thread fails at 3; only blocking
    => 0 c x0 NotTriedError untouched; 1 a; 1 b; raises: RuntimeError
without any thread a run ends and sends nothing
    a b; thread fails at 1; only blocking
    => 0 a x0 NotTriedError untouched; raises: RuntimeError
a fault of the transport's sleep leaves the run
    a; a: not deleted; sleep fails at 1 => 1 a NotDeletedError unknown; raises: FaultyError
a run waits by its transport
    a; a: not deleted, limited for 3; only awaited => sleeps: 0.5 3
a blocking run waits by its transport for a second at a time
    a; a: not deleted, limited for 3; only blocking => sleeps: 0.5 1 1 1
a run shows what holds it back
    a b .. c; concurrency 2; away 8: no connection => pauses: outage none none none
what ended a run is raised after the outcomes, even if it is stopped and may wait for nothing
    a; ids fail; a: limited for 100; shutdown timeout 0; stop at 5 => raises: FaultyError
an outage that outlasts the deadline ends the run after the outcomes
    a b c; concurrency 2; deadline 30; away inf: broken gateway
    => 31 a x3 ServiceUnavailableError unknown; 31 b x4 ServiceUnavailableError unknown;
    31 c x2 ServiceUnavailableError unknown; raises: RunEndedError
an outage that ends the run does not wait for the next id that is awaited
    a b c@1000; ids are awaited; concurrency 2; deadline 30; away inf: broken gateway; only awaited
    => raises: RunEndedError; over at: 31
"""

ENDED_EARLY = """
stop lets what is in flight end, and takes and sends nothing new, however often it is called
    a b c d; concurrency 2; a: served after 10; b: served after 10; stop at 5 6 20
    => 10 a; 10 b; sent: a b; over at: 10
a fault of the transport ends no run that was stopped
    a b; a: faulty after 10; stop at 5 => 1 b; 10 a UnreachableError unknown
stop before a run begins lets it take nothing
    a b; begins at 10; stop at 5 => no outcome; over at: 10
stop ends an id that is paused before what is in flight ends
    a b; a: limited for 200; b: served after 5; stop at 2
    => 2 a RateLimitError untouched; 5 b; over at: 5
stop is heard within a second of a pause, and ends it
    a; a: limited for 60; stop at 2.5; only blocking => 3 a RateLimitError untouched; over at: 3
stop is heard at once in an awaited pause
    a; a: limited for 60; stop at 2.5; only awaited => 2.5 a RateLimitError untouched; over at: 2.5
stop acts once the iterator of ids has returned
    a b@50 c; stop at 5; only blocking => 50 a; 50 b x0 NotTriedError untouched
stop does not wait for the next id that is awaited
    a b@1000; ids are awaited; stop at 7; only awaited => 1 a; over at: 7
an id that has come when the run is stopped has its outcome
    a b@3 c@1000; ids are awaited; busy 5; stop at 4; only awaited
    => 1 a; 6 b x0 NotTriedError untouched; over at: 11
what is in flight has the shutdown timeout from stop on
    a b; a: served after 50; shutdown timeout 4.5; stop at 10 13
    => 1 b; 14.5 a UnreachableError unknown; over at: 14.5
a shutdown timeout of 0 waits for nothing after stop
    a; a: served after 50; shutdown timeout 0; stop at 10.25
    => 10.25 a UnreachableError unknown; over at: 10.25
the consumer's own time counts against the shutdown timeout
    a b; b: served after 80; busy 50; shutdown timeout 5; stop at 0.5
    => 1 a; 51 b UnreachableError unknown
leaving the block waits for requests even if one of the threads never began
    a b c; b: served after 50; thread fails at 3; leave at outcome 1; only blocking
    => 0 c x0 NotTriedError untouched; 50 a; 50 b
leaving the block waits no longer than the shutdown timeout
    a b; b: served after 50; shutdown timeout 0.5; leave at outcome 1
    => 1 a; 1.5 b UnreachableError unknown; over at: 1.5
leaving the block waits until the attempts end, and keeps their outcomes
    a b c d; concurrency 3; b: served after 50; c: served after 89.5; leave at outcome 1
    => 1 a; 89.5 b; 89.5 c; sent: a b c; over at: 89.5
an interruption waits for what is in flight, and sends nothing new
    a b c d; concurrency 3; b: served after 50; c: served after 60; interrupt at 0.5
    => 60 a; 60 b; 60 c; sent: a b c; raises: interruption; over at: 60
a second cancellation cuts nothing short
    a b c; b: served after 50; c: served after 60; interrupt at 5 6; only awaited
    => 1 a; 60 b; 60 c; raises: interruption; over at: 60
a second Ctrl-C ends the wait, and what is in flight is unknown
    a b c; b: served after 50; c: served after 60; interrupt at 5 6; only blocking
    => 1 a; 6 b UnreachableError unknown; 6 c UnreachableError unknown; raises: interruption;
    over at: 6
an interruption ends a pause
    a; a: limited for 60; interrupt at 5.5
    => 5.5 a RateLimitError untouched; sent: a; raises: interruption; over at: 5.5
an interruption does not wait for the next id that is awaited
    a b@1000; ids are awaited; interrupt at 7; only awaited => 1 a; raises: interruption; over at: 7
a response that has come counts, however little time is left for others
    a b; b: served after 5; busy 10; shutdown timeout 0; stop at 7 => 1 a; 11 b
a cancellation while the block waits at its end is raised, and cuts nothing short
    a b; b: served after 50; leave at outcome 1; interrupt at 20; only awaited
    => 1 a; 50 b; raises: interruption; over at: 50
what is in flight when the shutdown timeout is over is unknown
    a b c; b: served after 50; c: served after 60; shutdown timeout 52; leave at outcome 1
    => 1 a; 53 b; 53 c UnreachableError unknown; over at: 53
a journal that is slow when a run is left has as long as the requests
    a b c d; journal seconds 5; shutdown timeout 2; leave at outcome 1
    => 6 a; 8 b; 8 c; 8 d; over at: 8
or five seconds if the requests have no limit
    a b c d; journal seconds 2; leave at outcome 1; only blocking
    => 3 a; 8 b; 8 c; 8 d; over at: 8
or a second if they have less
    a b c d; journal seconds 5; shutdown timeout 0; leave at outcome 1
    => 6 a; 7 b; 7 c; 7 d; over at: 7
a request that is cancelled may end in half a second
    a; a: silence; shutdown timeout 5; interrupt at 1; ends when cancelled after 0.5; only awaited
    => 6.5 a UnreachableError unknown; raises: interruption
a request that is cancelled has a second to end
    a; a: silence; shutdown timeout 5; interrupt at 1; ends when cancelled after 50; only awaited
    => 7 a UnreachableError unknown; raises: interruption
a program that cancels all its tasks loses no outcome
    a b c; b: served after 50; c: served after 60; cancel all at 5; only awaited
    => 1 a; 5 b UnreachableError unknown; 5 c UnreachableError unknown; raises: interruption;
    over at: 5
a request that another cancels fails the run after the outcomes
    a b c d; concurrency 3; a: cancelled; b: served after 50; c: served after 60
    => 1 a UnreachableError unknown; 50 b; 60 c; raises: RuntimeError
"""

_INTERRUPTIONS = {"KeyboardInterrupt", "CancelledError"}
_LISTS = {field.name for field in fields(Scenario) if "Sequence" in str(field.type)}


def each_run(text: str) -> pytest.MarkDecorator:
    """Let a test play each run of a text, in each of its ways."""
    cases = dict(_read(text))
    return pytest.mark.parametrize(("given", "expected", "way"), cases.values(), ids=cases)


def come_of(given: str, expected: str, way: type[Way]) -> str:
    """Play a run, and write what comes of it, as far as it is looked at.

    What is claimed of all runs must hold, too.
    """
    scenario = _scenario(given)
    has_journal = any(scenario.journal_seconds)
    watch = play(scenario, way, set_up=full_journal if has_journal else lambda world: None)
    assert watch.world.flaws == []
    raised = [type(error).__name__ for error in watch.raised]
    clauses = {
        "sent": " ".join(watch.world.sent),
        "sleeps": " ".join(f"{seconds:g}" for seconds in watch.sleeps),
        "pauses": " ".join(pause.reason if pause else "none" for pause in watch.pauses),
        "raises": " ".join("interruption" if one in _INTERRUPTIONS else one for one in raised),
        "over at": f"{watch.over_at:g}",
    }
    wanted = [clause.partition(": ")[0] for clause in expected.split("; ")]
    wanted += ["raises"] * bool(raised)  # Nobody may overlook that.
    ended = [text for _, text in sorted(watch.ended)]  # Some come in the same moment.
    seen = [f"{name}: {what}" for name, what in clauses.items() if name in wanted]
    return "; ".join([*(ended or ["no outcome"]), *seen] if set(wanted) - set(clauses) else seen)


def _read(text: str) -> Iterator[tuple[str, tuple[str, str, type[Way]]]]:
    for entry in re.split(r"\n+(?! )", text.strip()):
        name, *lines = entry.split("\n")
        given, _, expected = " ".join(line.strip() for line in lines).partition(" => ")
        given, _, only = given.partition("; only ")
        for word in [only] if only else WAYS:
            yield f"{name}, {word}", (given, expected, WAYS[word])


def _scenario(given: str) -> Scenario:
    ids, *clauses = given.split("; ")
    weather, policy = Weather(effects=["at once"]), RetryPolicy.__struct_fields__
    meets, changes = dict[str, list[kinds.Kind]](), dict[str, Any]()  # Any: of policies
    others: dict[str, Any] = {}  # Any: of scenarios
    for clause in clauses:
        head, _, kinds_met = clause.partition(": ")
        words = re.sub(r"( [\d.]+)*$", "", head)
        numbers = [ast.literal_eval(number) for number in head.removeprefix(words).split()]
        name, value = words.replace(" ", "_"), numbers[0] if numbers else True
        if head.startswith("away "):
            ends = float(head.removeprefix("away "))
            weather.outages = [Outage(0, ends, _kind(kinds_met))]
        elif kinds_met:
            meets[head] = [_kind(kind) for kind in kinds_met.split(", ")]
        elif name in policy:
            changes[name] = value
        else:
            others[name] = numbers if name in _LISTS else value
    steps = [
        Step(float(seconds or 0), name)
        for name, _, seconds in (word.partition("@") for word in ids.split())
    ]
    return Scenario(ids=steps, meets=meets, weather=weather, retry=RetryPolicy(**changes), **others)


def _kind(text: str) -> kinds.Kind:
    words, _, seconds = text.partition(" after ")
    name, _, wait = words.partition(" for ")
    kind: kinds.Kind = getattr(kinds, name.upper().replace(" ", "_"))
    kind = kinds.limited(int(wait)) if wait else kind
    return kind.after(float(seconds)) if seconds else kind


@each_run(RUNS + ENDED_EARLY)
def test_a_run(given: str, expected: str, way: type[Way]) -> None:
    assert come_of(given, expected, way) == expected


@both_ways
def test_a_uuid_is_an_id_and_what_is_no_id_is_an_outcome_among_the_others(way: type[Way]) -> None:
    ids = [5, None, b"a", ["a"], uuid.UUID(int=7)]
    *others, receipt = play(Scenario(ids=ids), way).outcomes
    shown = [outcome.session_id for outcome in others]
    assert shown == ["<int>", "<NoneType>", "<bytes>", "<list>"]
    assert {type(outcome).__name__ for outcome in others} == {"InvalidSessionIdError"}
    assert receipt == DeletionReceipt(
        session_id=str(uuid.UUID(int=7)), session_duration_ms=39_095, credits_billed=1
    )


def test_a_program_that_cancels_all_its_tasks_is_no_fault_of_the_transport() -> None:
    [outcome] = play(
        Scenario(ids="a", meets={"a": [kinds.SILENCE]}, cancel_all_at=5), Awaited
    ).outcomes
    assert str(outcome).startswith("Session 'a': the run was left before the response was read")


@both_ways
def test_what_ended_a_run_before_it_was_left_is_logged_and_keeps_no_outcome_back(
    way: type[Way], caplog: pytest.LogCaptureFixture
) -> None:
    watch = play(Scenario(ids="ab", ids_fail=True, leave_at_outcome=1), way)
    assert watch.ended == [(1, "1 a"), (1, "1 b")]
    assert watch.raised == []
    assert "the run had ended before it was left: FaultyError: the ids fail" in caplog.text


UNKNOWN_AND_UNTOUCHED = {"b": [kinds.SILENCE], "c": [kinds.FORBIDDEN.after(1.5)]}
LEFT = Scenario(ids="abc", meets={"b": [kinds.SILENCE], "c": [kinds.SILENCE]}, shutdown_timeout=1)


@both_ways
@pytest.mark.parametrize(
    ("scenario", "counts"),
    [
        (replace(LEFT, leave_at_outcome=1, meets=UNKNOWN_AND_UNTOUCHED), [2]),
        (replace(LEFT, interrupt_at=[5.0]), [2]),
        (replace(LEFT, leave_at_outcome=1, shutdown_timeout=None, interrupt_at=[5.0]), [2]),
        (replace(LEFT, stop_at=[5.0]), []),  # The caller takes all outcomes.
        (Scenario(ids="ab", leave_at_outcome=1), []),  # Both are gone.
    ],
)
def test_outcomes_of_a_run_that_is_left_are_told_once_as_an_error_with_their_number(
    scenario: Scenario, counts: list[int], way: type[Way], caplog: pytest.LogCaptureFixture
) -> None:
    play(scenario, way)
    told = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    text = "a run was left. Outcomes of sessions that may still run, not taken yet: {}."
    assert told == [f"{text.format(count)} Iterate over it to get them" for count in counts]


def test_sessions_of_a_run_whose_leaving_is_interrupted_are_told_as_an_error_with_their_number(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def choose(options: Sequence[_T], /) -> _T:
        if options is scenario.chances:  # as below, when the run is left
            raise KeyboardInterrupt
        return options[0]

    late = [kinds.STOPPING.after(5)]
    meets = {"a": late, "c": late, "d": [kinds.SILENCE]}
    play(scenario := Scenario(ids="abcd", meets=meets, leave_at_outcome=1), Blocking, choose)
    assert "sessions that may still run, not taken yet: 3." in caplog.text


@both_ways
def test_a_log_that_fails_changes_nothing(way: type[Way]) -> None:
    meets = {"a": [kinds.LIMITED_FOR_20], "b": [kinds.SILENCE]}
    logger, fails = logging.getLogger("firecrawl_interact"), Mock()
    fails.filter.side_effect = ZeroDivisionError
    logger.addFilter(fails)
    try:
        watch = play(replace(LEFT, ids="ab", meets=meets, ids_fail=True, leave_at_outcome=1), way)
    finally:
        logger.removeFilter(fails)
    assert fails.filter.call_count == 3  # the pause, what ended the run, and what is left
    assert (watch.world.flaws, watch.raised, len(watch.outcomes)) == ([], [], 2)


def test_a_run_without_any_thread_says_why_it_ended() -> None:
    [error] = play(Scenario(ids="a", thread_fails_at=[1]), Blocking).raised
    assert str(error).startswith("no request can be sent: the system allows no more")


@pytest.mark.parametrize("interrupt_at", [[], [5.0]])
def test_a_ctrl_c_while_a_response_is_read_keeps_the_other_one(interrupt_at: list[float]) -> None:
    def choose(options: Sequence[_T], /) -> _T:
        if options is scenario.chances:  # where the pause before the retry is drawn
            raise KeyboardInterrupt
        return options[0]

    meets = {"a": [kinds.STOPPING], "c": [kinds.SERVED.after(0.5)]}
    # Both come while nobody looks.
    scenario = Scenario(ids="abc", meets=meets, busy=[10.0], interrupt_at=interrupt_at)
    watch = play(scenario, Blocking, choose)
    assert [outcome.session_id for outcome in watch.outcomes] == ["c", "b", "a"]
    assert watch.outcomes[2].session_fate is SessionFate.UNKNOWN
