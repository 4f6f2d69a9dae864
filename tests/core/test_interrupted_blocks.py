"""An interruption at any line or await of a block: its session is gone, or something says so."""

import gc
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager

import pytest

from ..simulation.kinds import SERVED, UNAUTHORIZED, Kind
from ..simulation.ways import Awaited, Blocking, Way
from ..simulation.world import Weather
from .blocks import Block, BlockError, Happening, Opener, PlayedBlock, interrupt, press_ctrl_c
from .log_records import log_records
from .steps import Interruption, at_each_line

pytestmark = [
    pytest.mark.slow,
    # What was about to be awaited in that moment. Python may fail to warn of it: a frame of a named
    # tuple, in which it is freed, has no builtins.
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings(
        "ignore:Exception ignored in. <coroutine object:pytest.PytestUnraisableExceptionWarning"
    ),
    # A block that is interrupted before it has begun was never entered: nothing was opened.
    pytest.mark.filterwarnings(
        "ignore:Exception ignored in. <function _Opening.__del__:"
        "pytest.PytestUnraisableExceptionWarning"
    ),
    # A generator that is just being collected may meet the line, too: Python drops that.
    pytest.mark.filterwarnings("ignore:.*generator object:pytest.PytestUnraisableExceptionWarning"),
]

MODULES = ("opening", "delete_session", "use_case", "conversation", "shielding", "wire")
AT_ITS_DOOR = {"finish", "__enter__", "_enter", "__exit__", "__aenter__", "__aexit__", "_leave"}
"""Where a signal may come before a block begins, or its end: it is told when Python frees it."""
MOST_STEPS = 2_000

both_managers = pytest.mark.parametrize("opens", [None, Opener(0, 0)], ids=["on_exit", "opening"])


@pytest.fixture(autouse=True)
def nothing_is_collected_later() -> Iterator[None]:
    """Another test would meet the warnings that are ignored here."""
    yield
    gc.collect()


def warns(played: PlayedBlock, around: AbstractContextManager[object] | None = None) -> bool:
    """Play a block, and say whether only its end as an object tells that its session lives."""
    played.watch.leaves, played.may_only_warn = 1, True  # What is interrupted may be cut.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        played.play(around)
        flaws, is_silent = played.world.flaws, played.is_silent
        if is_silent:
            with log_records(logging.ERROR) as records:
                vars(played).clear()  # Nobody holds the block any more.
                gc.collect()
            assert any("was never " in record.getMessage() for record in records)
    # Interrupted in the very line after it began, a delete goes on beside the second one.
    assert {flaw.claim for flaw in flaws} <= {"requests"}, flaws
    return is_silent


@pytest.mark.parametrize("meets", [SERVED, UNAUTHORIZED], ids=["delete", "failing delete"])
@pytest.mark.parametrize("fails", [None, BlockError], ids=["block", "failing block"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@both_managers
@pytest.mark.parametrize("way", [Blocking, Awaited])
def test_one_interruption_at_any_line_leaves_no_session_open_without_a_word(
    way: type[Way],
    opens: Opener | None,
    error: type[BaseException],
    fails: type[Exception] | None,
    meets: Kind,
) -> None:
    for count in range(1, MOST_STEPS):
        weather = Weather(kinds=(meets,), seconds=[0.0])
        played = PlayedBlock(Block(opens=opens, fails=fails, weather=weather, seconds=0), way())
        played.happenings, interruption = 2, Interruption(count, error)
        if warns(played, at_each_line(interruption, *MODULES)):
            assert interruption.met[0] in AT_ITS_DOOR
        if interruption.moments < count:
            break
    assert 50 < count < MOST_STEPS - 1


# Awaited: at each turn of the event loop


def leave(played: PlayedBlock) -> None:
    raise SystemExit


def interrupt_at(turns: Mapping[int, Happening], opens: Opener | None) -> int:
    """Play a block that is interrupted at these turns, and return how many turns it took."""
    block = Block(opens=opens, weather=Weather(seconds=[0.0]), seconds=0)
    played, count = PlayedBlock(block, Awaited()), 0

    def turn() -> None:
        nonlocal count
        count += 1
        if not played.is_over:
            played.way.clock.call_soon(turn)
            if played.task and count in turns:
                played.happen(turns[count])

    played.way.clock.call_soon(turn)
    assert not warns(played) or len(turns) > 1
    return count


@pytest.mark.parametrize(
    ("one", "another"),
    [
        (interrupt, None),
        (press_ctrl_c, None),
        (leave, None),
        (press_ctrl_c, press_ctrl_c),
        (press_ctrl_c, leave),
        (interrupt, leave),
    ],
)
@both_managers
def test_one_interruption_at_any_await_leaves_no_session_open_and_two_leave_a_word(
    opens: Opener | None, one: Happening, another: Happening | None
) -> None:
    for first in range(1, MOST_STEPS):
        seconds = range(first + 1, first + 12) if another else [first]
        if max(interrupt_at({n: another or one, first: one}, opens) for n in seconds) < first:
            break
    assert 5 < first < MOST_STEPS - 1
