"""A Ctrl-C that meets a run in the middle of a step: each id that was taken has its outcome."""

import pytest

from firecrawl_interact.core import Response, SessionFate

from .scripted_transport import UNAVAILABLE
from .side_by_side import FunctionTransport, many


class InterruptedClock(FunctionTransport):
    """Somebody presses Ctrl-C when the run looks at the clock after a response."""

    def __init__(self, response: Response) -> None:
        super().__init__(lambda _: response)
        self._is_interrupted = False

    def monotonic(self) -> float:
        if self.sent and not self._is_interrupted:
            self._is_interrupted = True
            raise KeyboardInterrupt
        return super().monotonic()


def test_an_id_whose_response_is_being_read_is_unknown() -> None:
    transport = InterruptedClock(UNAVAILABLE)
    deletions = many(transport, concurrency=1)(["1"])
    with pytest.raises(KeyboardInterrupt):
        list(deletions)
    [outcome] = deletions
    assert (outcome.session_fate, outcome.attempts) == (SessionFate.UNKNOWN, 1)
