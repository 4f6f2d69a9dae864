"""Blocks that end with `on_exit`, awaited and blocking, in a simulated world."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from firecrawl_interact.core import (
    AsyncDeleteSession,
    DeleteSession,
    DeleteSessionError,
    DeletionReceipt,
    JournalError,
    RetryPolicy,
    SessionFate,
)

from .awaited_runs import AsyncTransport
from .blocking_runs import BlockingTransport
from .simulated_runs import LONG, Plan, Watch
from .simulated_world import FaultyError, MemoryJournal, World
from .virtual_blocking import BlockingClock, NothingWillHappenError

SESSION_ID = "id-0"


class BlockError(Exception):
    """What a block raises."""


@dataclass(kw_only=True)
class BlockPlan:
    """All that happens to a block but what its requests meet."""

    retry: RetryPolicy
    missing_ok: bool
    seconds: float
    raises: bool
    interrupt_at: Sequence[float]
    cancel_all_at: float | None  # as asyncio.run does it when it ends
    has_journal: bool
    journal_fails: bool
    only_serves: bool


class Block:
    """One block, and what is claimed of its end."""

    def __init__(self, world: World, plan: BlockPlan) -> None:
        self.world, self.plan = world, plan
        self.session = world.sessions[SESSION_ID]
        self.journal = MemoryJournal(world, fails=lambda: plan.journal_fails)
        self.watch = Watch(world, Plan(steps=(), retry=plan.retry), None)
        self.has_begun = False
        self.raised_inside: BaseException | None = None
        self.interruptions = 0
        self.receipt: DeletionReceipt | None = None
        world.may_send = False  # the block first
        world.longest_pause = -1  # A delete that is begun anew waits for nobody.

    def begin(self) -> None:
        self.has_begun = True
        if self.plan.has_journal:
            self.world.claim(
                "journal", SESSION_ID in self.journal.held, "the block begins unrecorded"
            )

    def may_raise(self) -> None:
        if self.plan.raises:
            raise BlockError

    def end(self, raised: BaseException | None = None) -> None:
        self.raised_inside = raised
        self.world.may_send = True

    def check(self, raised: BaseException | None) -> None:
        """All is over, and whatever was under way has taken effect."""
        claim, session = self.world.claim, self.session
        claim("the end", not session.in_flight, "a request is in flight after the block")
        if not self.has_begun:
            claim("block", not session.requests, "something is sent for a block that never began")
            return
        if self.plan.has_journal and not self.journal.not_forgotten[SESSION_ID]:
            claim(
                "journal",
                not session.is_live or SESSION_ID in self.journal.held,
                "it lives, unrecorded",
            )
        if self.receipt is not None:
            bills = [receipt.get("creditsBilled") for receipt in session.receipts]
            claim("receipt", self.receipt.credits_billed in bills, "a receipt of nobody")
        is_expected = {
            "nothing": raised is None,
            "what the block raised": raised is not None and raised is self.raised_inside,
            "an interruption": isinstance(raised, KeyboardInterrupt | asyncio.CancelledError),
            "the delete's error": self.raised_inside is None
            and isinstance(raised, DeleteSessionError | FaultyError),
            "a faulty transport": isinstance(raised, FaultyError),
        }
        claim("block", any(is_expected.values()), f"the block ends with {raised!r}")
        if self.raised_inside is not None:
            claim("block", raised is not None, f"{self.raised_inside!r} is lost")
        if isinstance(raised, DeleteSessionError):
            self._check_fate(raised.session_fate)
        for note in getattr(raised, "__notes__", ()):
            self._check_note(note)
        if raised is None or (raised is self.raised_inside and not hasattr(raised, "__notes__")):
            claim("block", not session.is_live, "the block says nothing, and its session lives")
        is_patient = self.interruptions < 2 and self.plan.cancel_all_at is None
        if self.plan.only_serves and is_patient:
            claim(
                "block",
                not session.is_live,
                "the session lives, though nothing kept it from its end",
            )

    def _check_fate(self, fate: SessionFate) -> None:
        if fate is SessionFate.GONE:
            self.world.claim("gone", not self.session.is_live, "it is said to be gone, and lives")
        elif fate is SessionFate.UNTOUCHED:
            self.world.claim("untouched", not self.session.is_changed, "it is said to be untouched")

    def _check_note(self, note: str) -> None:
        if note.startswith("The session was gone already."):
            self._check_fate(SessionFate.GONE)
        elif note.startswith("The session was not destroyed."):
            self._check_fate(SessionFate.UNTOUCHED)
        else:
            words = ("The session may not have been destroyed.", "The delete of session")
            self.world.claim("block", note.startswith(words), f"a note that nobody knows: {note}")


async def block_awaited(world: World, plan: BlockPlan) -> None:
    """One `async with` block, cancelled now and then."""
    block, loop = Block(world, plan), asyncio.get_running_loop()
    delete_session = AsyncDeleteSession(
        AsyncTransport(block.watch),
        None,
        retry=plan.retry,
        journal=block.journal if plan.has_journal else None,
        random=lambda: 0.5,
    )
    ending = delete_session.on_exit(SESSION_ID, missing_ok=plan.missing_ok)

    async def main() -> None:
        async with ending:
            block.begin()
            try:
                await asyncio.sleep(plan.seconds)
                block.may_raise()
            except BaseException as error:
                block.end(error)
                raise
            block.end()

    def cancel() -> None:
        block.interruptions += 1
        task.cancel()

    def cancel_all() -> None:
        block.watch.leaves += 1
        for one in asyncio.all_tasks() - {here}:
            one.cancel()

    here, task = asyncio.current_task(), asyncio.ensure_future(main())
    for seconds in plan.interrupt_at:
        loop.call_later(seconds, cancel)
    if plan.cancel_all_at is not None:
        loop.call_later(plan.cancel_all_at, cancel_all)
    await asyncio.wait([task])
    block.receipt = ending.receipt
    world.may_send = False
    world.claim("the end", not world.in_flight, "a request is in flight after the block")
    await asyncio.sleep(LONG)
    try:
        raised = task.exception()
    except asyncio.CancelledError as cancellation:
        raised = cancellation
    block.check(None if isinstance(raised, JournalError) and not block.has_begun else raised)


def block_blocking(world: World, clock: BlockingClock, plan: BlockPlan) -> None:
    """One `with` block, interrupted now and then."""
    block = Block(world, plan)
    delete_session = DeleteSession(
        BlockingTransport(block.watch, clock),
        None,
        retry=plan.retry,
        journal=block.journal if plan.has_journal else None,
        random=lambda: 0.5,
    )
    ending = delete_session.on_exit(SESSION_ID, missing_ok=plan.missing_ok)
    is_over = False

    def interrupt() -> None:
        if not is_over:
            block.interruptions += 1
            raise KeyboardInterrupt

    for seconds in plan.interrupt_at:
        clock.call_later(seconds, interrupt)
    raised: BaseException | None = None
    try:
        with ending:
            block.begin()
            try:
                clock.sleep(plan.seconds)
                block.may_raise()
            except BaseException as error:
                block.end(error)
                raise
            block.end()
    except NothingWillHappenError:
        raise
    except BaseException as error:
        raised = error
    is_over, world.may_send, block.receipt = True, False, ending.receipt
    clock.sleep(LONG)
    block.check(None if isinstance(raised, JournalError) and not block.has_begun else raised)
