"""One engine for blocks: a block is data, and is played on a clock that jumps.

It is played blocking and awaited. Whatever happens, the claims of `PlayedBlock.check` hold.
"""

import asyncio
import logging
import signal
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from itertools import count
from typing import Any, NamedTuple, TypeAlias

import pytest

from firecrawl_interact.core import (
    AsyncDeleteSession,
    DeleteSessionError,
    DeletionReceipt,
    JournalError,
    NothingOpenedError,
    Outcome,
    RetryPolicy,
    SessionFate,
    request_headers,
)

from ..simulation.kinds import SERVED, FaultyError, Kind
from ..simulation.play import LONG, use_case, watch_over
from ..simulation.watch import Scenario
from ..simulation.ways import Awaited, AwaitedTransport, Blocking, Way
from ..simulation.world import Choose, MemoryJournal, Session, Weather, World, first_of
from .log_records import log_records
from .scripted_transport import API_KEY, run

SESSION_ID = "id-0"
UNCERTAIN = "It may still be running and billing."
INTERRUPTED = "the delete was interrupted"
UNTOUCHED = "This call did nothing to it"
GONE = "Nothing is left to bill under this id."
NOT_BEGUN = f"The block did not begin. Session '{SESSION_ID}' was destroyed."
_FATES = {
    GONE: SessionFate.GONE,
    NOT_BEGUN: SessionFate.GONE,
    UNTOUCHED: SessionFate.UNTOUCHED,
    UNCERTAIN: SessionFate.UNKNOWN,
}


WAYS = (Blocking, Awaited)


class BlockError(Exception):
    """What a block raises, or an opener."""


NO_BLOCK = BlockError | JournalError | NothingOpenedError  # what keeps a block from beginning


class Browser(NamedTuple):
    """What a client returns that has opened a session."""

    id: str | uuid.UUID | None


class Opener(NamedTuple):
    """Opens a session, which is there after some seconds, and is returned after some more."""

    before: float = 5.0
    after: float = 5.0
    returns: object = Browser(SESSION_ID)  # An exception is raised, and nothing is opened.
    opens_when_cancelled_after: float | None = None


Happening: TypeAlias = Callable[["PlayedBlock"], object]


@dataclass
class Block(Scenario):
    """What happens to a block, and what comes of that. All times are in seconds."""

    sent: Sequence[float] = ()  # when each request is
    over_at: float = 0.0
    raises: str = ""  # a class, or "at" the time of the interruption
    notes: Sequence[str] = ()  # words of each
    _: KW_ONLY
    ids: Sequence[object] = (SESSION_ID,)
    script: Sequence[Kind] = ()  # what its requests meet, before the weather
    weather: Weather = field(default_factory=lambda: Weather(seconds=(10.0,)))
    retry: RetryPolicy = RetryPolicy(max_attempts=1)  # noqa: RUF009 - immutable
    missing_ok: bool = False
    opens: Opener | None = None  # None: `on_exit`
    seconds: float = 5.0
    fails: Callable[[], BaseException] | None = None  # with what
    happens: Sequence[tuple[float, Happening]] = ()
    journal_fails: int = 0  # at which call, from 1

    def __post_init__(self) -> None:
        self.meets = {SESSION_ID: self.script}
        self.ids = () if self.opens else self.ids

    def check(self, way: type[Way]) -> None:
        """Play it, and compare what comes of it."""
        played = PlayedBlock(self, way())
        played.play()
        error, notes = played.raised, getattr(played.raised, "__notes__", [])
        assert played.world.flaws == []
        assert (played.sent, played.over_at) == (self.sent, self.over_at)
        name = type(error).__name__ if error is not None else ""
        if isinstance(error, KeyboardInterrupt | asyncio.CancelledError):
            name = str(error) or "interruption"
        assert name == self.raises
        assert played.raised_inside in {None, *_chain(error)}
        assert len(notes) == len(self.notes)
        assert all(map(str.__contains__, notes, self.notes))
        is_confirmed = SESSION_ID in played.world.sessions and played.session.receipts
        assert (played.receipt is not None) is bool(is_confirmed)

    def journal(self, world: World) -> MemoryJournal:
        calls = count(1)
        return MemoryJournal(world, fails=lambda: next(calls) == self.journal_fails)


class PlayedBlock:
    """One block, and what is claimed of its end."""

    def __init__(
        self,
        block: Block,
        way: Way,
        choose: Choose = first_of,
        set_up: Callable[[World], MemoryJournal | None] | None = None,
    ) -> None:
        self.block, self.way = block, way
        self.watch = watch_over(block, way, choose, set_up or block.journal)
        self.world, self.journal = self.watch.world, self.watch.journal
        self.has_begun = self.is_over = self.nobody_knows_the_id = self.may_only_warn = False
        self.sent: list[float] = []
        self.happenings, self.over_at = 0, 0.0
        self.raised_inside: BaseException | None = None
        self.raised: BaseException | None = None
        self.receipt: DeletionReceipt | None = None
        self.task: asyncio.Task[None] | None = None  # the block's
        self.told: list[Outcome] = []
        self.told_in: set[object] = set()  # tasks
        self.logged: list[logging.LogRecord] = []  # at ERROR
        self.world.longest_pause = -1  # A delete that is begun anew waits for nobody.
        self.world.on_request = lambda number: self.sent.append(way.clock.now())
        delete_session = use_case(self.watch, way, lambda: 0.5)
        delete_session.on_outcome = self._note_outcome
        delete_session.headers = request_headers(API_KEY)
        delete_session.retry = RetryPolicy()  # The block has its own.
        opens = self._open if isinstance(way, Awaited) else lambda: run(self._open())
        options: dict[str, Any] = {"retry": block.retry}  # Any: of each type
        if block.missing_ok:
            options["missing_ok"] = True
        self.manager: Any = (  # Any: of any kind
            delete_session.opening(opens, **options)
            if block.opens
            else delete_session.on_exit(SESSION_ID, **options)
        )

    @property
    def session(self) -> Session:
        return self.world.sessions[SESSION_ID]

    @property
    def is_silent(self) -> bool:
        """Whether the session lives, and nobody says so: no note, and no error of the delete."""
        is_live = SESSION_ID in self.world.sessions and self.session.is_live
        errors = _chain(self.raised)
        is_said = any(hasattr(one, "__notes__") or hasattr(one, "session_fate") for one in errors)
        return is_live and not (is_said or self.logged or self.nobody_knows_the_id)

    def play(self, around: AbstractContextManager[object] | None = None) -> None:
        """Play it to its end, and check what holds of every block."""
        with (
            log_records(logging.ERROR) as self.logged,
            suppress(KeyboardInterrupt, SystemExit),  # They end an event loop.
            around or nullcontext(),
        ):
            self.way.play(self.watch, self._main())
        self.check()

    def _note_outcome(self, outcome: Outcome) -> None:
        self.told.append(outcome)
        self.told_in.add(asyncio.current_task() if self.task else None)

    async def _main(self) -> None:
        if isinstance(self.way, Awaited):
            self.task = asyncio.current_task()
        interruptions = [(time, interrupt) for time in self.block.interrupt_at]
        for time, happening in (*interruptions, *self.block.happens):
            self.way.clock.call_later(time, partial(self.happen, happening))
        try:
            if hasattr(self.manager, "__aenter__"):
                async with self.manager as entered:
                    await self._work(entered)
            else:
                with self.manager as entered:
                    await self._work(entered)
        except BaseException as raised:
            self.raised = raised
            if self.task and isinstance(raised, KeyboardInterrupt | SystemExit):
                raise  # It ends the event loop.
        finally:
            self.is_over, self.over_at = True, self.way.clock.now()
            self.world.may_send, self.receipt = False, self.manager.receipt
        self.world.claim("the end", not self.world.in_flight, "a request outlives the block")
        await self.way.sleep(LONG)  # Whatever is under way takes effect.

    def happen(self, happening: Happening) -> None:
        if not self.is_over:
            self.happenings += 1
            self.watch.leaves += happening is not interrupt  # They may cancel a request.
            happening(self)

    async def _open(self) -> object:
        opener, self.nobody_knows_the_id = self.block.opens or Opener(), True
        try:
            await self.way.sleep(opener.before)
        except asyncio.CancelledError:
            if opener.opens_when_cancelled_after is None:
                raise
            await self.way.sleep(opener.opens_when_cancelled_after)
        if isinstance(opener.returns, Exception):
            raise opener.returns
        self.world.open(SESSION_ID, self.block.script)
        await self.way.sleep(opener.after)
        self.nobody_knows_the_id = opener.returns != Browser(SESSION_ID)
        return opener.returns

    async def _work(self, entered: object) -> None:
        self.has_begun, self.world.may_send = True, False
        claim, opener = self.world.claim, self.block.opens
        is_given = entered is (opener.returns if opener else self.manager)
        claim("block", is_given, "the block is given something else")
        is_held = self.journal is None or SESSION_ID in self.journal.held
        claim("journal", is_held, "the block begins unrecorded")
        try:
            claim("receipt", self.manager.receipt is None, "there is a receipt before the end")
            await self.way.sleep(self.block.seconds)
            if self.block.fails is not None:
                raise self.block.fails()  # noqa: TRY301 - as a block does
        except BaseException as error:
            self.raised_inside = error
            raise
        finally:
            self.world.may_send = True

    def check(self) -> None:
        """Claim what holds of every block. All is over."""
        claim, raised, inside = self.world.claim, self.raised, self.raised_inside
        if SESSION_ID not in self.world.sessions:
            claim("block", not self.has_begun, "the block begins without its session")
            return
        session = self.session
        claim("block", self.may_only_warn or not self.is_silent, "it lives, and nobody says so")
        if self.journal is not None and not self.journal.not_forgotten[SESSION_ID]:
            is_held = SESSION_ID in self.journal.held
            is_safe = not session.is_live or is_held or not self.has_begun
            claim("journal", is_safe, "it lives, unrecorded")
            fate = getattr(self.receipt or raised, "session_fate", None)
            may_be_held = fate is not SessionFate.GONE or self.happenings > 1
            claim("journal", may_be_held or not is_held, "it is gone, and held")
        if self.receipt is not None:
            bills = [receipt.get("creditsBilled") for receipt in session.receipts]
            claim("receipt", self.receipt.credits_billed in bills, "a receipt of nobody")
            claim("receipt", self.receipt.session_id == SESSION_ID, "a receipt of another session")
        is_expected = {
            "nothing": raised is None,
            "what the block raised": raised is not None and raised is inside,
            "an interruption": raised is not None and not isinstance(raised, Exception),
            "the delete's error": inside is None and isinstance(raised, DeleteSessionError),
            "a faulty transport": isinstance(raised, FaultyError),
            "no block": not self.has_begun and isinstance(raised, NO_BLOCK),
        }
        claim("block", any(is_expected.values()), f"the block ends with {raised!r}")
        claim("block", inside is None or raised is not None, f"{inside!r} is lost")
        fates = {getattr(raised, "session_fate", None)} if raised is not inside else set()
        for note in getattr(raised, "__notes__", ()):
            fate = next((_FATES[words] for words in _FATES if words in note), None)
            claim("block", fate and SESSION_ID in note, f"a note that nobody knows: {note}")
            fates.add(fate)
        is_wrong = SessionFate.GONE in fates and session.is_live
        claim("gone", not is_wrong, "it is said to be gone, and lives")
        is_wrong = SessionFate.UNTOUCHED in fates and session.is_changed
        claim("untouched", not is_wrong, "it is said to be untouched")
        if not self.may_only_warn and not self.nobody_knows_the_id:
            self._check_telling()
        only_serves = self.block.weather.kinds == (SERVED,) and not self.block.script
        if only_serves and self.happenings < 2 and not self.nobody_knows_the_id:
            claim("block", not session.is_live, "it lives, though nothing kept it from its end")

    def _check_telling(self) -> None:
        """Claim that the outcome is told once, by all who are to know it."""
        claim, outcome = self.world.claim, self.manager.outcome
        claim("told", self.told == [outcome], f"{outcome!r} is told as {self.told}")
        claim("told", self.told_in <= {self.task}, "it is told in another task")
        is_lost = outcome is not None and outcome.session_fate is not SessionFate.GONE
        expected = [SESSION_ID] if is_lost and self.raised is not outcome else []
        logged = [getattr(record, "session_id", None) for record in self.logged]
        claim("told", logged == expected, f"{outcome!r} is logged for {logged}")


def _chain(raised: BaseException | None) -> Iterator[BaseException]:
    """An exception, and what it interrupted."""
    while raised is not None:
        yield raised
        raised = raised.__context__


def interrupt(played: PlayedBlock) -> None:
    """Press Ctrl-C, or cancel the block: it raises "at 7"."""
    words = f"at {played.way.clock.now():g}"
    if played.task is None:
        raise KeyboardInterrupt(words)
    played.task.cancel(words)


def cancel_delete(played: PlayedBlock) -> None:
    (delete,) = asyncio.all_tasks() - {played.task}
    delete.cancel("of the delete")


def cancel_all(played: PlayedBlock) -> None:
    """Cancel all tasks, if there are any, as `asyncio.run` does when it ends."""
    for task in asyncio.all_tasks() if played.task else ():
        task.cancel("of all")


def press_ctrl_c(played: PlayedBlock) -> None:
    signal.raise_signal(signal.SIGINT)


def expire(played: PlayedBlock) -> None:
    played.session.end()


def each_way(blocks: Mapping[str, Block], ways: Sequence[type[Way]] = WAYS) -> pytest.MarkDecorator:
    """Let a test play each block in each of these ways."""
    rows = {f"{name}-{way.__name__}": (blocks[name], way) for name in blocks for way in ways}
    return pytest.mark.parametrize(("block", "way"), rows.values(), ids=rows)
