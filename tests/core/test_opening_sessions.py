"""Random lives of a scrape's block whose session opens late, beside plain `try` and `finally`."""

import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from hypothesis import given, strategies as st

from firecrawl_interact import (
    DeleteSession,
    FakeService,
    InMemoryTransport,
    LostResponse,
    NoConnection,
    NoResponse,
    Outcome,
    Reply,
    SessionFate,
    core,
)

from .test_scrape_ids import SCRAPE_ID, AnsweredError

INTERRUPTIONS = [KeyboardInterrupt(), SystemExit(), TimeoutError(), AnsweredError(504)]
FAULTS = [NoConnection(), NoResponse(), LostResponse(), Reply(503)]


@dataclass
class Life:
    """What happens to a block. Times are seconds."""

    opens_in: float
    interrupted_after: float  # once `interact` was called
    interruption: BaseException
    outage: float
    fault: NoConnection | NoResponse | LostResponse | Reply
    second_interruption: int  # the wait that a second Ctrl-C interrupts; 0: none

    def live(self, end: Callable[[DeleteSession], Outcome | None]) -> tuple[Outcome | None, int]:
        """Return the outcome of the block, and how many sessions it leaves."""
        life, waits = self, 0

        class Transport(InMemoryTransport):
            def sleep(self, seconds: float) -> None:
                nonlocal waits
                waits += 1
                if waits == life.second_interruption:
                    raise KeyboardInterrupt
                super().sleep(seconds)

        service = self.service = FakeService()
        delete_session = DeleteSession(Transport(service), "fc-test", random=lambda: 0.5)
        outcome = end(delete_session)
        return outcome, len(service.sessions_left_open)

    def interact(self) -> None:
        self.service.open_session(scrape_id=SCRAPE_ID, opens_in=self.opens_in)
        self.service.advance(self.interrupted_after)
        self.service.outage(self.outage, self.fault)
        raise self.interruption

    def block(self, delete_session: DeleteSession) -> Outcome | None:
        with suppress(BaseException), delete_session.on_exit(scrape_id=SCRAPE_ID) as block:
            self.interact()
        return block.outcome

    def plainly(self, delete_session: DeleteSession) -> None:
        with suppress(BaseException):
            try:
                self.interact()
            finally:
                once = core.RetryPolicy(max_attempts=1)
                delete_session(scrape_id=uuid.UUID(SCRAPE_ID), retry=once)


seconds = st.floats(0, 60)
lives = st.builds(
    Life,
    opens_in=seconds,
    interrupted_after=seconds,
    interruption=st.sampled_from(INTERRUPTIONS),
    outage=st.just(0.0) | st.floats(0, 300),
    fault=st.sampled_from(FAULTS),
    second_interruption=st.integers(0, 12),
)


@given(lives)
def test_gone_is_true_and_no_life_leaves_more_than_plain_code(life: Life) -> None:
    outcome, left = life.live(life.block)
    assert outcome is not None
    if outcome.session_fate is SessionFate.GONE:
        assert left == 0
    _, left_plainly = life.live(life.plainly)
    assert left <= left_plainly
