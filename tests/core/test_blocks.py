"""A session that ends with the block that used it, or opened it, however the block ends."""

import asyncio
import ctypes
import gc
import logging
import os
import re
import signal
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import FrameType, SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from firecrawl_interact.core import (
    AsyncOpening,
    DeleteSession,
    DeletionReceipt,
    JournalError,
    NothingOpenedError,
    Opening,
    Outcome,
    Response,
    RetryPolicy,
    ServiceUnavailableError,
    UnauthorizedError,
)

from ..simulation.kinds import FAULTY, NOT_FOUND, SILENCE, STOPPING, UNAUTHORIZED, Kind
from ..simulation.ways import Awaited, Blocking, Way
from ..simulation.world import World
from . import blocks as b
from . import virtual_time
from .blocks import GONE, INTERRUPTED, NOT_BEGUN, UNCERTAIN, UNTOUCHED, Block, BlockError, each_way
from .log_records import log_records
from .scripted_transport import (
    API_KEY,
    DESTROYED,
    SESSION_ID,
    UNAVAILABLE,
    ScriptedTransport,
    UseCase,
    awaited,
    both_use_cases,
    play,
)
from .side_by_side import unchecked
from .test_secrets import shown_locals


@dataclass(frozen=True)
class FrozenError(BlockError):
    """Refuses every attribute: it takes no note."""


class StrangeError(BaseException):
    """What neither the library nor a program expects."""


# A block takes 5 s, an opener 10 s, and a delete 10 s. A row says when each request is sent, when
# all is over, what is raised, and words of the notes on that.
OF_ANOTHER = partial(UnauthorizedError, "no", session_id="another", attempts=1)
CTRL_C = Kind(error=partial(KeyboardInterrupt, "at 7"), seconds=2)
EXIT = Kind(error=SystemExit, seconds=2)
STRANGE = Kind(error=StrangeError, seconds=2)
ONCE = RetryPolicy(max_attempts=1, attempt_timeout=20)
TWICE = RetryPolicy(max_attempts=9, attempt_timeout=90, deadline=150)
IN_PLACE = (Blocking,)  # where an interruption reaches the delete itself
OPENS, FAILS, SLOW = b.Opener(), b.Opener(returns=BlockError()), b.Opener(after=30)
GIVES_IN = b.Opener(before=100, after=0, opens_when_cancelled_after=5)
MUTE = [SILENCE] * 9
EXPIRES, CUT_6, CUT_8 = (6, b.expire), (6, b.cancel_delete), (8, b.cancel_delete)
PRESS_3, PRESS_6, PRESS_7 = (3, b.press_ctrl_c), (6, b.press_ctrl_c), (7, b.press_ctrl_c)
LOOP_ENDS, ALL_1 = (8, b.cancel_all), (1, b.cancel_all)


@each_way(
    {
        "the block ends": Block([5], 15),
        "the block fails": Block([5], 15, "BlockError", fails=BlockError),
        "with the error of another session": Block([5], 15, "UnauthorizedError", fails=OF_ANOTHER),
        "Ctrl-C": Block([5], 15, "interruption", fails=KeyboardInterrupt),
        "the process ends": Block([5], 15, "SystemExit", fails=SystemExit),
        "its generator ends": Block([5], 15, "GeneratorExit", fails=GeneratorExit),
        "its transport is faulty": Block([5], 15, "FaultyError", [INTERRUPTED], script=[FAULTY]),
        "its journal cannot record": Block([0], 10, "JournalError", [NOT_BEGUN], journal_fails=1),
        "nor the delete": Block(
            [0], 10, "JournalError", [UNCERTAIN], script=[STOPPING], journal_fails=1
        ),
        "its journal cannot forget": Block([5], 15, journal_fails=2),
    }
)
def test_a_block_that_began_has_one_delete_and_what_it_raised_goes_on(
    block: Block, way: type[Way]
) -> None:
    block.check(way)


@pytest.mark.parametrize("way", b.WAYS)
@pytest.mark.parametrize(
    ("meets", "missing_ok", "error", "notes"),
    [
        (NOT_FOUND, False, "SessionNotFoundError", []),
        (UNAUTHORIZED, False, "UnauthorizedError", [UNTOUCHED]),
        (STOPPING, False, "ServiceUnavailableError", [UNCERTAIN]),
        (NOT_FOUND, True, "", []),
        (UNAUTHORIZED, True, "UnauthorizedError", [UNTOUCHED]),
    ],
    ids=["gone", "untouched", "unknown", "gone, which is ok", "untouched, which never is"],
)
def test_a_delete_that_fails_is_raised_or_a_true_note_on_what_the_block_raised(
    meets: Kind, missing_ok: bool, error: str, notes: list[str], way: type[Way]
) -> None:
    block = partial(Block, [5], 15, script=[meets], missing_ok=missing_ok)
    happens = [EXPIRES] if meets is NOT_FOUND else []
    block(error, happens=happens).check(way)
    block("BlockError", notes, fails=BlockError, happens=happens).check(way)


@each_way(
    {
        "the block ends": Block([15], 25, opens=OPENS),
        "its opener fails": Block([], 5, "BlockError", opens=FAILS),
        "there is no id": Block([], 10, "NothingOpenedError", opens=b.Opener(returns=None)),
        "its journal cannot record": Block(
            [10], 20, "JournalError", [NOT_BEGUN], opens=OPENS, journal_fails=1
        ),
        "its journal cannot record, and the delete fails": Block(
            [10], 20, "JournalError", [UNCERTAIN], opens=OPENS, journal_fails=1, script=[STOPPING]
        ),
        "it is missing at the end": Block(
            [15], 25, "SessionNotFoundError", opens=OPENS, script=[NOT_FOUND], happens=[EXPIRES]
        ),
        "it is missing at the end, which is ok": Block(
            [15], 25, opens=OPENS, script=[NOT_FOUND], happens=[EXPIRES], missing_ok=True
        ),
    }
)
def test_a_block_opens_its_session_and_destroys_it_even_if_it_does_not_begin(
    block: Block, way: type[Way]
) -> None:
    block.check(way)


# Interrupted. At which line and await: test_interrupted_blocks


@each_way(
    {
        "after the block failed": Block([5, 7], 17, "at 7", fails=BlockError, script=[CTRL_C]),
        "after an exit": Block([5, 7], 17, "at 7", fails=SystemExit, script=[CTRL_C]),
        "of a generator": Block([5, 7], 17, "at 7", fails=GeneratorExit, script=[CTRL_C]),
        "and fails": Block([5, 7], 17, "at 7", [UNCERTAIN], script=[CTRL_C, STOPPING]),
        "and is refused": Block([5, 7], 17, "at 7", [UNCERTAIN], script=[CTRL_C, UNAUTHORIZED]),
        "in vain": Block([5, 7], 17, "at 7", script=[CTRL_C, NOT_FOUND], happens=[EXPIRES]),
        "exit": Block([5, 7], 17, "SystemExit", script=[EXIT]),
        "exit, and fails": Block([5, 7], 17, "SystemExit", [UNCERTAIN], script=[EXIT, STOPPING]),
        "by something strange": Block([5], 7, "StrangeError", [INTERRUPTED], script=[STRANGE]),
        "in the block, and then": Block([3], 7, "at 7", [INTERRUPTED], interrupt_at=[3, 7]),
        "twice": Block([5, 6], 7, "at 7", [INTERRUPTED], interrupt_at=[6, 7]),
        "exit, Ctrl-C": Block([5, 7], 8, "at 8", [INTERRUPTED], script=[EXIT], interrupt_at=[8]),
        "and the second has a deadline of its own": Block(
            [5, 50, 140.75], 200, "at 50", [UNCERTAIN], script=MUTE, retry=TWICE, interrupt_at=[50]
        ),
    },
    IN_PLACE,
)
def test_the_first_interruption_begins_a_delete_once_more_and_the_second_ends_it(
    block: Block, way: type[Way]
) -> None:
    block.check(way)


@each_way(
    {
        "during the delete": Block([5], 15, "at 7", interrupt_at=[7]),
        "twice during the delete": Block([5], 15, "at 7", interrupt_at=[6, 7]),
        "in the block, and in the delete": Block([3], 13, "at 7", interrupt_at=[3, 7]),
        "again and again": Block([3], 13, "at 7", interrupt_at=[3, 3, 4, 5, 6, 6.5, 6.8, 7]),
        "then it fails": Block([3], 13, "at 3", [UNCERTAIN], script=[STOPPING], interrupt_at=[3]),
        "and it fails": Block([5], 15, "at 7", [UNCERTAIN], script=[STOPPING], interrupt_at=[7]),
        "after its delete": Block([5, 6], 16, "at 7", interrupt_at=[7], happens=[CUT_6]),
        "before its delete": Block([5, 8], 18, "at 7", interrupt_at=[7], happens=[CUT_8]),
        "both deletes": Block([5, 6], 8, "of the delete", [INTERRUPTED], happens=[CUT_6, CUT_8]),
        "at the loop's end": Block([5, 8], 18, "of all", happens=[LOOP_ENDS]),
        "before the loop's end": Block([1, 8], 18, "of all", interrupt_at=[1], happens=[LOOP_ENDS]),
        "Ctrl-C, twice": Block([3, 7], 17, "interruption", happens=[PRESS_3, PRESS_7]),
        "twice in it": Block([5, 7], 17, "interruption", happens=[PRESS_6, PRESS_7]),
        # Raised in the block's task, it would end the event loop, and no other task could end.
        "Ctrl-C lands in its task": Block([5, 7], 17, "interruption", script=[CTRL_C]),
        "an exit lands in its task": Block([5, 7], 17, "interruption", script=[EXIT]),
        "not, and its journal is slow": Block([35], 75, journal_seconds=[30]),
        "with all tasks, while it is recorded": Block(
            [1], 14, "of all", [NOT_BEGUN], happens=[ALL_1], journal_seconds=[3]
        ),
        "so, and its journal hangs": Block(
            [1], 41, "of all", [NOT_BEGUN], happens=[ALL_1], journal_seconds=[30]
        ),
    },
    [Awaited],
)
def test_under_asyncio_a_cancelled_block_has_one_delete_that_goes_on_to_its_end(
    block: Block, way: type[Way]
) -> None:
    block.check(way)


@each_way(
    {
        "in time": Block([10], 20, "at 4", [NOT_BEGUN], opens=OPENS, interrupt_at=[4]),
        "and the opener fails": Block([], 5, "at 4", opens=FAILS, interrupt_at=[4]),
        "too late": Block([], 22, "at 2", opens=SLOW, interrupt_at=[2], retry=ONCE),
        "thrice, and the opener once": Block(
            [27], 37, "at 6", [NOT_BEGUN], opens=GIVES_IN, interrupt_at=[2, 4, 6], retry=ONCE
        ),
    },
    [Awaited],
)
def test_a_cancelled_block_waits_for_its_opener_as_long_as_for_an_attempt(
    block: Block, way: type[Way]
) -> None:
    block.check(way)


# What is never entered, never left, or left by another process


@both_use_cases
def test_a_block_that_is_never_entered_warns_where_it_was_made(use_case: UseCase) -> None:
    with pytest.warns(
        RuntimeWarning, match=rf"Opening\('{SESSION_ID}'.*\) was never ent"
    ) as warned:
        shown = repr(use_case(ScriptedTransport(), API_KEY).on_exit(uuid.UUID(SESSION_ID)))
    assert [warning.filename for warning in warned] == [__file__]
    assert "Opening" in type(warned[0].source).__name__
    assert shown.removeprefix("Async") == f"Opening('{SESSION_ID}', outcome=None)"
    with pytest.warns(
        RuntimeWarning, match=r"Opening\(None, .*\) was never entered by `with`, or `async with`\.$"
    ):
        repr(use_case(ScriptedTransport(), API_KEY).opening(lambda: SimpleNamespace(id="a")))


def begin_and_close(block: Block, set_up: Callable[[World], None] | None) -> b.PlayedBlock:
    """Play a block whose coroutine is closed after 3 s."""
    played = b.PlayedBlock(block, Awaited(), set_up=set_up)

    async def work() -> None:
        async with played.manager:
            pass

    async def main() -> None:
        working = work()
        working.send(None)
        await played.way.sleep(3)
        working.close()  # is a RuntimeError if the coroutine goes on
        await played.way.sleep(20)

    with log_records(logging.ERROR) as played.logged:
        played.way.play(played.watch, main())
    return played


async def hold(block: AsyncOpening[Any]) -> None:  # Any: whatever it gives
    async with block:
        await asyncio.sleep(3600)


@both_use_cases
def test_a_block_is_entered_once_or_nothing_is_opened(use_case: UseCase) -> None:
    opener, receipts = Mock(return_value=SimpleNamespace(id=SESSION_ID)), list[object]()
    block = use_case(ScriptedTransport(DESTROYED), API_KEY).opening(opener)

    def enter_again() -> None:
        with pytest.raises(RuntimeError, match="this block was entered already"):
            play(block, list)
        receipts.append(block.receipt)

    play(block, enter_again)
    enter_again()
    assert receipts == [None, DeletionReceipt(session_id=SESSION_ID)]
    opener.assert_called_once_with()


# What opens a session, and what does not


@both_use_cases
def test_a_block_shows_its_session_by_its_id(use_case: UseCase) -> None:
    shown, opened = list[str](), list[str]()  # It is given though it is empty.
    opening = use_case(ScriptedTransport(DESTROYED), API_KEY).opening(
        lambda: opened, id_of=lambda given: "a" * (given is opened)
    )
    assert (opening.receipt, opening.session_id) == (None, None)
    given = play(opening, lambda: shown.append(repr(opening).replace("Async", "")))
    assert given is opened
    assert opening.receipt == DeletionReceipt(session_id="a")
    assert shown == ["Opening('a', outcome=None)"]


@both_use_cases
def test_an_opener_that_raises_stop_iteration_opens_nothing(use_case: UseCase) -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        play(use_case(ScriptedTransport(), API_KEY).opening(partial(next, iter(()))), list)


def opening(opens: object, **others: object) -> Opening[object]:
    """A blocking block of whatever a program without types passes."""
    delete_session = DeleteSession(ScriptedTransport(), API_KEY)
    return delete_session.opening(unchecked(opens), **unchecked(others))


class Unreadable:
    """What a client may return whose properties must not be looked at yet."""

    @property
    def error(self) -> str:
        raise NotImplementedError

    id = error

    def __dir__(self) -> list[str]:
        raise NotImplementedError


TWENTY = ", ".join(f"a{i}" for i in range(20))


@pytest.mark.parametrize(
    ("opened", "kind", "problem", "attributes"),
    [
        (None, "NoneType", "AttributeError", "none"),
        (object(), "object", "AttributeError", "none"),
        ({"id": "canary", "wss://canary": 1}, "dict", "AttributeError", "id"),
        (SimpleNamespace(url="canary", _a=1), "SimpleNamespace", "AttributeError", "url"),
        ({f"a{i}": "canary" for i in range(21)}, "dict", "AttributeError", TWENTY),
        (asyncio.Event(), "Event", "AttributeError", "none"),  # Methods are no names of an id.
        (Unreadable(), "Unreadable", "NotImplementedError", "none"),
        ({"error": None}, "dict", "AttributeError", "error"),
        (SimpleNamespace(error=["canary"]), "SimpleNamespace", "AttributeError", "error"),
        (b.Browser("canary/.."), "Browser", "InvalidSessionIdError", "count, id, index"),
        (b.Browser(None), "Browser", "InvalidSessionIdError", "count, id, index"),
    ],
)
def test_what_has_no_usable_id_is_an_error_with_names_and_no_value(
    opened: object, kind: str, problem: str, attributes: str
) -> None:
    with pytest.raises(NothingOpenedError) as raised:
        opening(lambda: opened).__enter__()
    says = f"open_session returned a {kind} without an id that can be sent ({problem}); its"
    assert str(raised.value).startswith(f"{says} attributes: {attributes}. Pass id_of=, ")
    assert str(raised.value).endswith(" If it opened a session, that one ends by its time-to-live.")
    assert raised.value.opened is opened
    assert "canary" not in repr(raised.value)
    assert (raised.value.__cause__, raised.value.__context__) == (None, None)


@pytest.mark.parametrize("make", [dict, SimpleNamespace])
def test_what_says_why_nothing_was_opened_is_quoted_short_and_safe_to_show(
    make: Callable[..., object],
) -> None:
    says = f"Slow down, {API_KEY}\n{'x' * 600}."
    for error, quoted in (("No credits.", "No credits"), (says, f"Slow down, ***\\n{'x' * 484}")):
        opened = make(id=None, error=error, url="canary")
        with pytest.raises(NothingOpenedError) as raised:
            opening(lambda opened=opened: opened).__enter__()
        begins = r"open_session returned a \w+ without an id that can be sent \(\w+\): "
        assert re.fullmatch(
            rf"{begins}{re.escape(quoted)}\. If it .* time-to-live\.", str(raised.value)
        )
        assert "canary" not in str(raised.value)


async def never_awaited() -> None:
    raise NotImplementedError


def test_a_blocking_block_refuses_a_coroutine_and_never_starts_it() -> None:
    refused = r"^open_session returned a coroutine, which is not awaited: use AsyncDeleteSession\."
    with pytest.raises(TypeError, match=refused), opening(never_awaited):
        pass  # A coroutine that is not closed would warn, and fail this test.


def test_what_is_no_function_is_refused_at_once_and_a_coroutine_is_closed() -> None:
    with pytest.raises(TypeError, match=r"^open_session must be a function, such as lambda: .*Br"):
        opening(b.Browser("a"))
    with pytest.raises(TypeError, match=r"^open_session must be a function, .* not a coroutine$"):
        opening(never_awaited())
    with pytest.raises(TypeError, match=r"^retry must be a RetryPolicy, not int"):
        opening(never_awaited, retry=3)
    with pytest.raises(TypeError, match=r"^retry must be a RetryPolicy, not int"):
        DeleteSession(ScriptedTransport(), API_KEY).on_exit("a", retry=unchecked(3))
    with pytest.raises(TypeError, match=r'^id_of must be a function, such as attrgetter\("id"\), '):
        opening(never_awaited, id_of="id")
