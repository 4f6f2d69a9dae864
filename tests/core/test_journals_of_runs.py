"""What a run records in its journal, in both ways, and what a failing or slow journal changes."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from typing import TypeVar
from unittest.mock import Mock

import pytest

from firecrawl_interact.core import (
    AsyncDeleteManySessions,
    DeleteManySessions,
    DeleteSession,
    RetryPolicy,
    SessionFate,
)

from ..simulation import kinds as k
from ..simulation.play import play
from ..simulation.watch import Scenario
from ..simulation.ways import Awaited, Blocking, Way
from ..simulation.world import MemoryJournal, full_journal
from . import virtual_time
from .log_records import log_records
from .scripted_transport import (
    API_KEY,
    UseCase,
    both_use_cases,
)
from .side_by_side import FunctionTransport, listed

_T = TypeVar("_T")


# Of one call: test_blocks
@pytest.mark.parametrize("way", [Blocking, Awaited])
@pytest.mark.parametrize("can_forget", [True, False])
@pytest.mark.parametrize(
    ("meets", "fate"),
    [
        (k.SERVED, SessionFate.GONE),
        (k.NOT_FOUND, SessionFate.GONE),
        (k.UNAUTHORIZED, SessionFate.UNTOUCHED),
        (k.STOPPING, SessionFate.UNKNOWN),
        (k.SILENCE, SessionFate.UNKNOWN),
    ],
)
def test_a_journal_forgets_a_session_that_is_gone_and_no_other_and_costs_no_outcome(
    meets: k.Kind, fate: SessionFate, can_forget: bool, way: type[Way]
) -> None:
    scenario = Scenario(ids=["a"], meets={"a": [meets]}, retry=RetryPolicy(max_attempts=1))
    scenario.weather.effects = ["at once"]
    set_up = partial(MemoryJournal, held={"a": None}, fails=lambda: not can_forget)
    with log_records(logging.WARNING) as records:
        watch = play(scenario, way, set_up=set_up)
    assert watch.world.flaws == []
    assert [outcome.session_fate for outcome in watch.outcomes] == [fate]
    is_gone = fate is SessionFate.GONE
    assert watch.journal is not None
    assert list(watch.journal.held) == ([] if is_gone and can_forget else ["a"])
    warning = "session 'a' is gone, but the journal may still hold it: the disk is full"
    expected = [warning] if is_gone and not can_forget else []
    assert [record.getMessage() for record in records] == expected


@pytest.mark.parametrize(
    ("way", "times", "writes", "over_at"),
    [(Blocking, [], [KeyboardInterrupt, 0], 7), (Awaited, [2], [0, 0], 4)],
)
def test_an_interruption_while_the_journal_forgets_loses_no_outcome_and_no_record(
    way: type[Way], times: list[float], writes: list[object], over_at: float
) -> None:
    scenario = Scenario(ids=["a"], interrupt_at=times, journal_seconds=[3])
    set_up = partial(MemoryJournal, held={"a": None}, fails=Mock(side_effect=writes))
    watch = play(scenario, way, set_up=set_up)
    assert watch.world.flaws == []
    assert [outcome.session_id for outcome in watch.outcomes] == ["a"]
    assert len(watch.raised) == 1
    assert watch.over_at == over_at
    assert watch.journal is not None
    assert watch.journal.held == {}


FOUR = Scenario(ids="abcd", journal_seconds=[6.5, 0])
D_LATER = replace(FOUR, concurrency=4, meets={"d": [k.SERVED.after(20)]}, stop_at=[0.5])


@pytest.mark.parametrize(
    ("way", "scenario", "over_at"),
    [
        (Awaited, replace(FOUR, concurrency=1), 9),
        (Blocking, D_LATER, 20),
        (Blocking, replace(D_LATER, interrupt_at=[3]), 20),
    ],
)
def test_a_journal_that_is_slow_once_is_told_of_all_sessions(
    way: type[Way], scenario: Scenario, over_at: float
) -> None:
    def choose(options: Sequence[_T], /) -> _T:
        return options[options is scenario.journal_seconds and next(calls) > 0]

    calls = count()
    with log_records(logging.WARNING) as records:
        watch = play(scenario, way, choose, full_journal)
    assert watch.journal is not None
    assert (watch.journal.held, records, len(watch.outcomes)) == ({}, [], 4)
    assert watch.over_at == over_at


@both_use_cases
def test_what_on_outcome_raises_at_last_keeps_no_other_outcome_and_no_record_back(
    use_case: UseCase,
) -> None:
    hook, journal = Mock(side_effect=SystemExit), Mock()
    delete_session = use_case(FunctionTransport(), API_KEY, journal=journal, on_outcome=hook)
    many = DeleteManySessions if use_case is DeleteSession else AsyncDeleteManySessions
    deletions = many(delete_session)(["a", "b", "c"])
    with pytest.raises(SystemExit):
        virtual_time.run(listed(deletions))
    told = hook.call_args_list
    assert len(virtual_time.run(listed(deletions))) == len(told) == journal.gone.call_count > 1


EIGHT = Scenario(ids="abcdefgh", journal_seconds=[5], shutdown_timeout=1)
LEFT = replace(EIGHT, leave_at_outcome=1)
STOPPED = replace(EIGHT, stop_at=[5.5])
C_LATER = {"c": [k.SERVED.after(9)]}


@pytest.mark.parametrize(
    ("way", "scenario", "over_at", "called", "held"),
    [
        (Blocking, LEFT, 7, "ab", 7),
        (Awaited, LEFT, 7, "a", 7),
        (Blocking, STOPPED, 7, "ab", 7),
        (Awaited, STOPPED, 7, "a", 7),
        # A second Ctrl-C ends the wait.
        (Blocking, replace(LEFT, ids="abc", shutdown_timeout=20, interrupt_at=[8]), 8, "ab", 2),
        # It is not waited for again.
        (Blocking, replace(STOPPED, ids="abc", meets=C_LATER, shutdown_timeout=4), 10, "ab", 2),
        # There is no thread for it.
        (Blocking, replace(LEFT, ids="ab", thread_fails_at=[3], shutdown_timeout=None), 6, "a", 1),
    ],
)
def test_each_outcome_is_recorded_once_and_what_takes_too_long_is_one_line(
    way: type[Way], scenario: Scenario, over_at: float, called: str, held: int
) -> None:
    with log_records(logging.WARNING) as records:
        watch = play(scenario, way, set_up=MemoryJournal)
    assert watch.journal is not None
    assert (len(watch.outcomes), watch.world.flaws) == (len(scenario.ids), [])
    assert (watch.over_at, watch.journal.calls) == (over_at, dict.fromkeys(called, 1))
    line = f"the journal was not told in time: it may still hold {held} sessions that are gone"
    assert [record.getMessage() for record in records] == [line]
