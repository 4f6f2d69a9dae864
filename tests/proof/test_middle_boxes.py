"""What a middle-box that retries or swallows can make a call say.

RFC 9110, 9.2.2, lets a proxy retry a DELETE by itself, and some boxes put a page of their own in
the place of a response. The first copy may destroy the session while the sender sees a response
with status 429, 401 or the like. Nobody can see that, so `UNTOUCHED` can be wrong then, and
nothing else.
"""

from collections import Counter
from collections.abc import Sequence
from functools import partial

import pytest

from firecrawl_interact.core import DeleteSessionError, RetryPolicy

from .claims import Call, Moment
from .figures import NoteFigure
from .model import REFUSED, Statuses, send_through_middle_box
from .schedules import Alphabet, check_every_schedule

pytestmark = pytest.mark.usefixtures("quiet_log")

STATUSES = Statuses(sent=(200, 400, 401, 402, 403, 404, 429, 502), from_backend=(429,))


def test_a_middle_box_can_make_us_say_untouched_of_what_it_destroyed_and_nothing_else(
    note_figure: NoteFigure,
) -> None:
    broken: Counter[tuple[str, str]] = Counter()

    def note(claim: str, schedule: Sequence[Moment], call: Call) -> None:
        broken[claim, type(call.outcome).__name__] += 1
        assert isinstance(call.outcome, DeleteSessionError)

    count = check_every_schedule(
        [Alphabet(partial(send_through_middle_box, statuses=STATUSES))] * 3,
        policy=RetryPolicy(max_attempts=3),
        note=note,
    )
    # UnreachableError: after such a response, the next attempts reached nothing.
    assert {error for _, error in broken} == {*REFUSED.values(), "UnreachableError"}
    assert {claim for claim, _ in broken} == {"untouched"}
    note_figure("calls played: middle-boxes", count.played)
    note_figure("of them, calls that may say `UNTOUCHED` wrongly", broken.total())
