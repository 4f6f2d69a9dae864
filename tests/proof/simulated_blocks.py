"""Blocks that end with `on_exit`, awaited and blocking, in a simulated world."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from firecrawl_interact.core import DeleteSessionError, DeletionReceipt, JournalError, SessionFate

from ..simulation.kinds import FaultyError
from ..simulation.play import LONG, use_case
from ..simulation.watch import Watch
from ..simulation.ways import Way

SESSION_ID = "id-0"


class BlockError(Exception):
    """What a block raises."""


@dataclass(kw_only=True)
class BlockPlan:
    """All that happens to a block but what its requests meet."""

    missing_ok: bool
    seconds: float
    raises: bool
    interrupt_at: Sequence[float]
    cancel_all_at: float | None  # as asyncio.run does it when it ends
    only_serves: bool


class Block:
    """One block, and what is claimed of its end."""

    def __init__(self, watch: Watch, plan: BlockPlan) -> None:
        self.world, self.journal, self.plan = watch.world, watch.journal, plan
        self.session = self.world.sessions[SESSION_ID]
        self.has_begun = False
        self.raised_inside: BaseException | None = None
        self.interruptions = 0
        self.receipt: DeletionReceipt | None = None
        self.world.may_send = False  # the block first
        self.world.longest_pause = -1  # A delete that is begun anew waits for nobody.

    def begin(self) -> None:
        self.has_begun = True
        if self.journal is not None:
            is_held = SESSION_ID in self.journal.held
            self.world.claim("journal", is_held, "the block begins unrecorded")

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
        if self.journal is not None and not self.journal.not_forgotten[SESSION_ID]:
            is_safe = not session.is_live or SESSION_ID in self.journal.held
            claim("journal", is_safe, "it lives, unrecorded")
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
            claim("block", not session.is_live, "it lives, though nothing kept it from its end")

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


async def play_block(watch: Watch, way: Way, plan: BlockPlan) -> None:
    """Play one block that is interrupted now and then."""
    block, world = Block(watch, plan), watch.world
    delete_session = use_case(watch, way, lambda: 0.5)
    ending = way.as_awaited(delete_session.on_exit(SESSION_ID, missing_ok=plan.missing_ok))

    async def main() -> None:
        async with ending:
            block.begin()
            try:
                await way.sleep(plan.seconds)
                block.may_raise()
            except BaseException as error:
                block.end(error)
                raise
            block.end()

    def interrupt() -> None:
        if way.is_performing:
            block.interruptions += 1
            way.interrupt()

    def cancel_all() -> None:
        watch.leaves += 1
        way.cancel_all()

    for seconds in plan.interrupt_at:
        way.clock.call_later(seconds, interrupt)
    if plan.cancel_all_at is not None:
        way.clock.call_later(plan.cancel_all_at, cancel_all)
    raised = await way.perform(main())
    block.receipt = ending.receipt
    world.may_send = False
    world.claim("the end", not world.in_flight, "a request is in flight after the block")
    await way.sleep(LONG)
    block.check(None if isinstance(raised, JournalError) and not block.has_begun else raised)
