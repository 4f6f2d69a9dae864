"""A block that opens its session: none is lost between its opening and the block."""

import gc
from collections.abc import Callable, Iterator
from operator import itemgetter

import pytest

from firecrawl_interact.core import (
    DeleteSession,
    DeletionReceipt,
    InvalidSessionIdError,
    Opening,
    RetryPolicy,
    SessionFate,
)

from ..simulation import kinds as k
from ..simulation.ways import Awaited, Way
from .blocks import (
    AFTERWARDS,
    NOT_BEGUN,
    UNCERTAIN,
    Block,
    BlockError,
    Browser,
    Opener,
    PlayedBlock,
    each_way,
    expire,
)
from .scripted_transport import (
    API_KEY,
    DESTROYED,
    ScriptedTransport,
    UseCase,
    both_use_cases,
    play,
)
from .side_by_side import unchecked

OPENS = Opener()
SLOW = Opener(after=30)
GIVES_IN = Opener(before=100, after=0, opens_when_cancelled_after=5)
NO_ID = Opener(returns=None)
PATIENT = RetryPolicy(max_attempts=1, attempt_timeout=20)


@each_way(
    {
        "a block ends": Block([15], 25, opens=OPENS),
        "a block fails": Block([15], 25, "BlockError", opens=OPENS, fails=BlockError),
        "its opener fails": Block([], 5, "BlockError", opens=Opener(fails=True)),
        "there is no id": Block([], 10, "InvalidSessionIdError", opens=NO_ID),
        "the journal cannot record it": Block(
            [10], 20, "JournalError", [NOT_BEGUN, AFTERWARDS], opens=OPENS, journal_fails=1
        ),
        "the journal cannot record it, and the delete fails": Block(
            [10],
            20,
            "JournalError",
            [NOT_BEGUN, UNCERTAIN],
            opens=OPENS,
            journal_fails=1,
            script=[k.STOPPING],
        ),
        "it is missing at the end": Block(
            [15],
            25,
            "SessionNotFoundError",
            opens=OPENS,
            script=[k.NOT_FOUND],
            happens=[(12, expire)],
        ),
        "it is missing at the end, which is ok": Block(
            [15], 25, opens=OPENS, script=[k.NOT_FOUND], happens=[(12, expire)], missing_ok=True
        ),
    }
)
def test_a_session_is_opened_recorded_used_and_destroyed(block: Block, way: type[Way]) -> None:
    block.check(way)


# At which line and await: test_interrupted_blocks
@each_way(
    {
        "in time": Block(
            [10], 20, "interruption at 4", [AFTERWARDS], opens=OPENS, interrupt_at=[4]
        ),
        "and the opener fails": Block(
            [], 5, "interruption at 4", opens=Opener(fails=True), interrupt_at=[4]
        ),
        "and the opener is slower than an attempt may be: nobody knows the id": Block(
            [], 22, "interruption at 2", opens=SLOW, interrupt_at=[2], retry=PATIENT
        ),
        "thrice, and the opener once": Block(
            [27],
            37,
            "interruption at 6",
            [AFTERWARDS],
            opens=GIVES_IN,
            interrupt_at=[2, 4, 6],
            retry=PATIENT,
        ),
    },
    [Awaited],
)
def test_a_cancelled_block_waits_for_its_opener_and_destroys_the_session_that_comes(
    block: Block, way: type[Way]
) -> None:
    block.check(way)


def test_a_coroutine_that_is_closed_while_the_journal_writes_awaits_nothing_and_warns() -> None:
    def begin_and_close() -> None:
        played = PlayedBlock(Block(opens=Opener(0, 0), journal_seconds=[5]), Awaited())

        async def work() -> None:
            async with played.manager:
                raise AssertionError("the block began")

        async def main() -> None:
            working = work()
            working.send(None)
            await played.way.sleep(3)
            working.close()  # is a RuntimeError if the coroutine goes on
            await played.way.sleep(10)

        played.way.play(played.watch, main())
        assert played.sent == []
        played.manager = None
        gc.collect()

    with pytest.warns(RuntimeWarning, match=r"^on_exit\('id-0'\) was never left"):
        begin_and_close()


@both_use_cases
def test_a_block_that_is_entered_again_opens_another_session(use_case: UseCase) -> None:
    ids = iter("ab")
    opening = use_case(ScriptedTransport(DESTROYED, DESTROYED), API_KEY).opening(
        lambda: Browser(next(ids))
    )
    for session_id in "ab":
        play(opening, lambda: None)
        assert opening.receipt.session_id == session_id


# What is no opener, and what gives no id


def opening(opens: object, **others: object) -> Opening[object]:
    """A blocking block of whatever a program without types passes."""
    delete_session = DeleteSession(ScriptedTransport(DESTROYED), API_KEY)
    return delete_session.opening(unchecked(opens), **unchecked(others))


def test_it_has_a_receipt_afterwards_and_shows_no_value() -> None:
    block = opening(lambda: {"sessionId": "a"}, id_of=itemgetter("sessionId"))
    assert (repr(block), block.receipt) == ("Opening(None)", None)
    block.__exit__(None, None, None)  # before it is entered: there is nothing to destroy
    with block:
        assert repr(block) == "Opening(DeleteOnExit('a', receipt=None))"
    assert block.receipt == DeletionReceipt(session_id="a")


class Answer:
    def __init__(self) -> None:
        self.browser_id, self.url, self._secret = "canary", "canary", "canary"


@pytest.mark.parametrize(
    ("opened", "kind", "problem", "attributes"),
    [
        (None, "NoneType", "AttributeError", "none"),
        (object(), "object", "AttributeError", "none"),
        ({"id": "canary", "wss://canary": 1}, "dict", "AttributeError", "id"),
        (Answer(), "Answer", "AttributeError", "browser_id, url"),
        (Browser("canary/.."), "Browser", "InvalidSessionIdError", "count, id, index"),
        (Browser(None), "Browser", "InvalidSessionIdError", "count, id, index"),
    ],
    ids=["nothing", "an object", "a mapping", "another name", "a path", "no id"],
)
def test_what_has_no_usable_id_is_an_error_with_names_and_no_value(
    opened: object, kind: str, problem: str, attributes: str
) -> None:
    with pytest.raises(InvalidSessionIdError) as raised:
        opening(lambda: opened).__enter__()
    says = f"open_session returned a {kind} without an id that can be sent ({problem}); its"
    assert str(raised.value).startswith(f"Session '': {says} attributes: {attributes}. ")
    assert str(raised.value).endswith(" the id of what open_session returns.")
    assert raised.value.session_fate is SessionFate.UNTOUCHED
    assert "canary" not in repr(raised.value)
    assert (raised.value.__cause__, raised.value.__context__) == (None, None)


class WillOpen:
    def __await__(self) -> Iterator[None]:
        raise NotImplementedError


async def never_awaited() -> None:
    raise NotImplementedError


@pytest.mark.parametrize("opens", [WillOpen, never_awaited])
def test_a_blocking_block_refuses_what_must_be_awaited_and_never_starts_it(
    opens: Callable[[], object],
) -> None:
    with pytest.raises(TypeError, match=r"which DeleteSession does not await: use AsyncDeleteSe"):
        opening(opens).__enter__()  # A coroutine that is not closed would warn, and fail this test.


def test_what_is_no_function_is_refused_at_once_and_a_coroutine_is_closed() -> None:
    with pytest.raises(TypeError, match=r"^open_session must be a function, such as lambda: .*Br"):
        opening(Browser("a"))
    with pytest.raises(TypeError, match=r"^open_session must be a function, .* not a coroutine$"):
        opening(never_awaited())
    with pytest.raises(TypeError, match=r"^retry must be a RetryPolicy, not int"):
        opening(never_awaited, retry=3)
    with pytest.raises(TypeError, match=r'^id_of must be a function, such as attrgetter\("id"\), '):
        opening(never_awaited, id_of="id")
