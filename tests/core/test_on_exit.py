"""A session that ends with the block that used it, however the block ends."""

import gc
import os
import uuid
from contextlib import nullcontext
from functools import partial

import pytest

from firecrawl_interact.core import (
    AsyncDeleteOnExit,
    AsyncDeleteSession,
    DeleteSession,
    InvalidSessionIdError,
    RetryPolicy,
    UnauthorizedError,
)

from ..simulation import kinds as k
from ..simulation.kinds import Kind
from ..simulation.ways import Awaited, Blocking, Way
from . import blocks as b
from .blocks import GONE, INTERRUPTED, NOT_BEGUN, UNCERTAIN, UNTOUCHED, Block, BlockError, each_way
from .scripted_transport import (
    API_KEY,
    SESSION_ID,
    AsyncScriptedTransport,
    ScriptedTransport,
    UseCase,
    both_use_cases,
    play,
)

OF_ANOTHER = partial(UnauthorizedError, "no", session_id="another", attempts=1)
FAILS = [k.STOPPING]


@each_way(
    {
        "a block ends": Block([5], 15),
        "a block fails": Block([5], 15, "BlockError", fails=BlockError),
        "with another's error": Block([5], 15, "UnauthorizedError", fails=OF_ANOTHER),
        "Ctrl-C": Block([5], 15, "interruption", fails=KeyboardInterrupt),
        "the process ends": Block([5], 15, "SystemExit", fails=SystemExit),
        "its generator ends": Block([5], 15, "GeneratorExit", fails=GeneratorExit),
        "the transport is faulty": Block([5], 15, "FaultyError", [INTERRUPTED], script=[k.FAULTY]),
        "its journal cannot record": Block([], 0, "JournalError", [NOT_BEGUN], journal_fails=1),
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
        (k.NOT_FOUND, False, "SessionNotFoundError", [GONE]),
        (k.UNAUTHORIZED, False, "UnauthorizedError", [UNTOUCHED]),
        (k.STOPPING, False, "ServiceUnavailableError", [UNCERTAIN]),
        (k.NOT_FOUND, True, "", []),
        (k.UNAUTHORIZED, True, "UnauthorizedError", [UNTOUCHED]),
    ],
    ids=["gone", "untouched", "unknown", "gone, which is ok", "untouched, which never is"],
)
def test_a_delete_that_fails_is_raised_or_a_true_note_on_what_the_block_raised(
    meets: Kind, missing_ok: bool, error: str, notes: list[str], way: type[Way]
) -> None:
    block = partial(Block, [5], 15, script=[meets], missing_ok=missing_ok)
    happens = [(0.0, b.expire)] if meets is k.NOT_FOUND else []
    block(error, happens=happens).check(way)
    block("BlockError", notes, fails=BlockError, happens=happens).check(way)


# Interrupted. At which line and await: test_interrupted_blocks


class StrangeError(BaseException):
    """What neither the library nor a program expects."""


CTRL_C = Kind(error=partial(KeyboardInterrupt, "at 7"), seconds=2)
EXIT = Kind(error=SystemExit, seconds=2)
STRANGE = Kind(error=StrangeError, seconds=2)
PATIENT = RetryPolicy(max_attempts=9, attempt_timeout=90, deadline=240)
AT_3, AT_7, AT_50 = "interruption at 3", "interruption at 7", "interruption at 50"
CUT_6, CUT_8, END_8 = (6, b.cancel_delete), (8, b.cancel_delete), (8, b.cancel_all)
PRESS_3, PRESS_6, PRESS_7 = (3, b.press_ctrl_c), (6, b.press_ctrl_c), (7, b.press_ctrl_c)


@pytest.mark.parametrize("way", [Blocking, b.Elsewhere])
@pytest.mark.parametrize("fails", [BlockError, SystemExit])
@pytest.mark.parametrize(
    ("script", "raises", "notes"),
    [
        ([CTRL_C], AT_7, []),
        ([CTRL_C, k.STOPPING], AT_7, [UNCERTAIN]),
        ([CTRL_C, k.UNAUTHORIZED], AT_7, [UNCERTAIN]),  # The first one may have done it.
        ([CTRL_C, k.NOT_FOUND], AT_7, [GONE]),
        ([EXIT], "SystemExit", []),
        ([EXIT, k.STOPPING], "SystemExit", [UNCERTAIN]),
        ([STRANGE], "StrangeError", []),
    ],
    ids=["", "failed", "refused", "found nothing", "exit", "exit, failed", "strange"],
)
def test_an_interrupted_delete_is_begun_once_more_and_a_note_says_what_is_known_after_both(
    script: list[Kind],
    raises: str,
    notes: list[str],
    fails: type[BaseException],
    way: type[Way],
) -> None:
    is_gone = k.NOT_FOUND in script
    block = Block([5, 7], 17, raises, notes, fails=fails, script=script)
    block.happens = [(6, b.expire)] if is_gone else []
    block.check(way)


@each_way(
    {
        "in the block, and in the delete": Block([3], 7, AT_7, [INTERRUPTED], interrupt_at=[3, 7]),
        "both in the delete": Block([5, 6], 7, AT_7, [INTERRUPTED], interrupt_at=[6, 7]),
        "after the process's end": Block(
            [5, 6], 7, AT_7, [INTERRUPTED], script=[EXIT.after(1)], interrupt_at=[7]
        ),
        "never, and the second delete has a deadline of its own": Block(
            [5, 50, 140.75, 232.25],
            50 + 240,
            AT_50,
            [UNCERTAIN],
            script=[k.SILENCE] * 9,
            retry=PATIENT,
            interrupt_at=[50],
        ),
    },
    [Blocking, b.Elsewhere],
)
def test_a_second_ctrl_c_ends_the_delete(block: Block, way: type[Way]) -> None:
    block.check(way)


@each_way(
    {
        "during the delete": Block([5], 15, AT_7, interrupt_at=[7]),
        "twice during the delete": Block([5], 15, AT_7, interrupt_at=[6, 7]),
        "in the block, and in the delete": Block([3], 13, AT_7, interrupt_at=[3, 7]),
        "again and again": Block([3], 13, AT_7, interrupt_at=[3, 3, 4, 5, 6, 6.5, 6.8, 7]),
        "and then it fails": Block([3], 13, AT_3, [UNCERTAIN], script=FAILS, interrupt_at=[3]),
        "and it fails": Block([5], 15, AT_7, [UNCERTAIN], script=FAILS, interrupt_at=[7]),
        "in a delete begun anew": Block([5, 6], 16, AT_7, interrupt_at=[7], happens=[CUT_6]),
        "before its delete is": Block([5, 8], 18, AT_7, interrupt_at=[7], happens=[CUT_8]),
        "not, its delete is, twice": Block(
            [5, 6], 8, "interruption", [INTERRUPTED], happens=[CUT_6, CUT_8]
        ),
        "with all tasks at the end of asyncio.run": Block(
            [5, 8], 18, "interruption of all", happens=[END_8]
        ),
        "and once more at the end of asyncio.run": Block(
            [1], 8, "interruption of all", [INTERRUPTED], interrupt_at=[1], happens=[END_8]
        ),
        "by Ctrl-C, before its delete is": Block(
            [3], 7, "interruption", [INTERRUPTED], happens=[PRESS_3, PRESS_7]
        ),
        "by Ctrl-C in the delete, twice": Block(
            [5], 7, "interruption", [INTERRUPTED], happens=[PRESS_6, PRESS_7]
        ),
        # Raised in the block's task, it would end the event loop, and no other task could end.
        "by Ctrl-C that lands in its task": Block([5, 7], 17, "interruption", script=[CTRL_C]),
        "by an exit that lands in its task": Block([5, 7], 17, "interruption", script=[EXIT]),
        "not, and its journal may forget for 5 s": Block([35], 50, journal_seconds=[30]),
    },
    [Awaited],
)
def test_under_asyncio_a_cancelled_block_has_one_delete_that_goes_on_to_its_end(
    block: Block, way: type[Way]
) -> None:
    block.check(way)


# What is never entered, never left, or left by another process


@both_use_cases
def test_what_cannot_work_is_refused_before_the_block(use_case: UseCase) -> None:
    delete_session = use_case(ScriptedTransport(), API_KEY)
    with pytest.raises(InvalidSessionIdError):
        delete_session.on_exit("..")
    with pytest.raises(TypeError, match=r"^retry must be a RetryPolicy, not int"):
        delete_session.on_exit("a", retry=3)


@both_use_cases
def test_a_block_that_is_never_entered_warns_where_it_was_made(use_case: UseCase) -> None:
    with pytest.warns(RuntimeWarning, match=f"^on_exit.'{SESSION_ID}'. was never ent") as warned:
        shown = repr(use_case(ScriptedTransport(), API_KEY).on_exit(uuid.UUID(SESSION_ID)))
    assert [warning.filename for warning in warned] == [__file__]
    assert shown.removeprefix("Async") == f"DeleteOnExit('{SESSION_ID}', receipt=None)"


def test_a_block_that_is_entered_and_never_left_warns() -> None:
    with pytest.warns(RuntimeWarning, match=r"^on_exit\('a'\) was never left\. "):
        DeleteSession(ScriptedTransport(), API_KEY).on_exit("a").__enter__()


def test_a_coroutine_that_is_closed_during_the_delete_begins_nothing_again_and_warns() -> None:
    async def main(ending: AsyncDeleteOnExit) -> None:
        async with ending:
            pass

    def begin_and_close() -> None:
        transport = AsyncScriptedTransport(ScriptedTransport())  # A request would fail.
        coroutine = main(AsyncDeleteSession(transport, API_KEY).on_exit(SESSION_ID))
        coroutine.send(None)
        coroutine.close()  # is a RuntimeError if the coroutine goes on
        del coroutine
        gc.collect()

    with pytest.warns(RuntimeWarning, match="was never left"):
        begin_and_close()


@pytest.mark.parametrize("error", [None, BlockError()])
@both_use_cases
def test_a_child_that_was_forked_inside_leaves_its_parent_s_session_alone(
    use_case: UseCase, error: BlockError | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fork() -> None:
        monkeypatch.setattr(os, "getpid", lambda: -1)
        if error is not None:
            raise error

    ending = use_case(ScriptedTransport(), API_KEY).on_exit(SESSION_ID)  # A request would fail.
    with nullcontext() if error is None else pytest.raises(BlockError):
        play(ending, fork)
    assert ending.receipt is None
