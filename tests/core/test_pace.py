"""The three rules of a run, each with a table: what happened, and what comes of it."""

import math
from collections.abc import Sequence
from operator import itemgetter
from typing import NamedTuple

import pytest

from firecrawl_interact import core
from firecrawl_interact.core.call import wait_asked_by
from firecrawl_interact.core.runs.pace import Job, Pace

POLICY = core.RetryPolicy(deadline=100)


def middle() -> float:
    return 0.5


def new_call() -> core.Call:
    return core.Call("a", headers=core.request_headers(None), retry=POLICY, random=middle)


def job_sent_at(seconds: float) -> Job:
    job = Job(new_call())
    job.sent_at = seconds
    return job


def room(pace: Pace, in_flight: Sequence[Job]) -> int:
    """Return how many requests may be sent now, beside those that are in flight."""
    jobs = [*in_flight]
    while pace.has_room(jobs):
        jobs.append(job_sent_at(2000))
    return len(jobs) - len(in_flight)


class Event(NamedTuple):
    """What came of a request for an id."""

    session_id: str
    sent_at: float
    landed_at: float
    error: core.DeleteSessionError | None = None  # None: it was served


def served(session_id: str, sent_at: float, landed_at: float) -> Event:
    return Event(session_id, sent_at, landed_at)


def limited(sent_at: float, landed_at: float, wait: float | None = None, of: str = "a") -> Event:
    return Event(
        of,
        sent_at,
        landed_at,
        core.RateLimitError("429", of, meta=core.ResponseMeta(retry_after=wait)),
    )


def lost(session_id: str, at: float) -> Event:
    return Event(session_id, at - 0.5, at, core.UnreachableError("lost", session_id))


def failed(session_id: str, at: float, retry_after: float | None = None) -> Event:
    """Fail as a gateway says."""
    meta = core.ResponseMeta(retry_after=retry_after, from_service=False)
    error = core.ServiceUnavailableError("502", session_id, meta=meta)
    return Event(session_id, at - 0.5, at, error)


def failed_itself(session_id: str, at: float) -> Event:
    """Fail as Firecrawl's own JSON says."""
    return Event(session_id, at - 0.5, at, core.ServiceUnavailableError("500", session_id))


def page(session_id: str, at: float) -> Event:
    return Event(session_id, at - 0.5, at, core.UnexpectedResponseError("a page", session_id))


def not_deleted(session_id: str, at: float) -> Event:
    return Event(session_id, at - 0.5, at, core.NotDeletedError("200", session_id))


def not_found(session_id: str, at: float) -> Event:
    return Event(session_id, at - 0.5, at, core.SessionNotFoundError("404", session_id))


def unsendable(session_id: str, at: float) -> Event:
    return Event(session_id, at - 0.5, at, core.UnreachableError("", session_id, transient=False))


def no_uuid(session_id: str, at: float) -> Event:
    error = core.BadRequestError("500", session_id, meta=core.ResponseMeta(status=500))
    return Event(session_id, at - 0.5, at, error)


def play(events: Sequence[Event], concurrency: int = 8) -> tuple[Pace, Job, bool]:
    """Let these events come, as a run does. Return also what the last one was, and if it counts."""
    pace, jobs, counts = Pace(POLICY, middle, concurrency), dict[str, Job](), True
    job = Job(new_call())
    landings = [(event.landed_at, "landed", event) for event in events]
    sendings = [(event.sent_at, "sent", event) for event in events]
    for at, what, event in sorted([*landings, *sendings], key=itemgetter(0)):
        job = jobs.setdefault(event.session_id, Job(new_call()))
        if what == "sent":
            job.sent_at = at
            job.call.attempts += 1
            pace.note_sent(job)
            continue
        job.landed_at = job.due_at = at
        receipt = core.DeletionReceipt(session_id=event.session_id)
        counts = pace.note_landed(job, event.error or receipt)
    return pace, job, counts


TWO = [failed("a", 1), failed("b", 1)]
RECOVERED = [*TWO, served("a", 1.2, 1.4)]
TWENTY = [failed_itself(f"{number}", 1) for number in range(20)]
TWENTY_ONE = [*TWENTY, failed_itself("20", 1)]

COUNTS = {
    "a single id may fail for its own reasons": ([failed("a", 1)], True),
    "even if it fails again": ([lost("a", 1), lost("a", 2)], True),
    "two ids that fail are an outage": (TWO, False),
    "it goes on when one of them fails again": ([*TWO, failed("a", 2)], False),
    "but not if something was served that was sent after their failures": (
        [*TWO, served("c", 1.2, 1.4), failed("b", 2), failed("a", 2)],
        True,
    ),
    "nor once one that had failed was deleted, for then each fails newly": (
        [*RECOVERED, lost("c", 1.5), failed("b", 2)],
        False,
    ),
    "but if Firecrawl's own JSON reports the next failures, these count": (
        [*RECOVERED, lost("c", 2), lost("d", 2), failed_itself("b", 2), failed_itself("b", 3)],
        True,
    ),
    "a single id that fails after a recovery fails for its own reasons": (
        [*RECOVERED, failed("b", 2), failed("b", 3)],
        True,
    ),
    "what was sent before and served after changes nothing": (
        [*TWO, served("c", 0.4, 5), failed("a", 6)],
        False,
    ),
    "an answer of Firecrawl shows that it is at work": (
        [*TWO, not_deleted("c", 2), failed("a", 3)],
        True,
    ),
    "one for an id that is no UUID does not": ([*TWO, no_uuid("c", 2), failed("a", 3)], False),
    "which ends by that": ([*TWO, no_uuid("c", 2)], True),
    "what no retry can send ends by that, too": ([*TWO, unsendable("c", 2)], True),
    "in Firecrawl's own JSON, a failure counts": (TWENTY, True),
    "unless more than twenty ids fail": (
        [*TWENTY_ONE, *[failed_itself("0", 2 + number) for number in range(9)]],
        False,
    ),
    "a 429 never counts, however few ids there are": ([limited(0, 1)] * 9, False),
}


@pytest.mark.parametrize(("events", "counts"), COUNTS.values(), ids=COUNTS)
def test_attempts_count_unless_firecrawl_may_be_unavailable(
    events: Sequence[Event], counts: bool
) -> None:
    assert play(events)[2] is counts


@pytest.mark.parametrize(
    ("events", "due_at", "pauses"),
    [
        (TWO, 1.75, 1),
        ([*TWO, failed("b", 2)], 3.5, 1),  # The backoff grows with each such attempt.
        ([*TWO, failed("b", 2), failed("b", 4)], 7, 1),
        # What the API reports begins a pause when it is an outage: at the 21st session.
        (TWENTY_ONE, 1.75, 1),
        ([failed("a", 1), failed("b", 1, retry_after=20)], 21, 1),
        ([failed("a", 1), failed("b", 1, retry_after=3600)], 51, 1),  # half of its deadline
        ([failed("a", 1), failed("b", 1, retry_after=0.1)], 1.75, 1),
        ([limited(0, 1, 30)], 32, 1),  # Everybody waits for that, and up to 2 s.
        ([limited(0, 1, 30), limited(0.5, 1.2, 40, "b")], 42.2, 1),
        ([limited(0, 1, 30), limited(40, 41, 30)], 72, 2),
    ],
)
def test_an_attempt_that_does_not_count_is_backed_off_too(
    events: Sequence[Event], due_at: float, pauses: int
) -> None:
    pace, job, _ = play(events)
    assert (round(job.due_at, 9), pace.pauses) == (due_at, pauses)


@pytest.mark.parametrize(
    ("seconds_left", "wait"), [(240, 60), (100, 50), (2, 1)], ids=["a minute", "half", "half of 2"]
)
def test_a_wait_of_other_failures_is_limited(seconds_left: float, wait: float) -> None:
    error = core.ServiceUnavailableError("503", "a", meta=core.ResponseMeta(retry_after=3600))
    assert wait_asked_by(error, seconds_left) == wait


OPENS_AT = {
    "without a 429 nothing is held back": ([served("a", 0, 5)], -math.inf),
    "a pause is as long as Firecrawl says, and up to 2 s": ([limited(0, 1, 30)], 32),
    "or up to a tenth": ([limited(0, 1, 5)], 6.25),
    "or as the policy's backoff": ([limited(0, 1)], 1.7875),
    "what was in flight then changes nothing": ([limited(0, 1, 30), limited(0, 2, 10, "b")], 32),
    "but it may ask for a longer wait": ([limited(0, 1, 30), limited(0, 2, 40, "b")], 43),
    "the next one that is refused as well doubles the backoff": (
        [limited(0, 1, 0), limited(1, 2, 0)],
        3.575,
    ),
    "each time": ([limited(0, 1, 0), limited(1, 2, 0), limited(3.6, 4, 0)], 7.15),
    "one that got no 429 ends that": ([limited(0, 1, 0), lost("b", 2), limited(3, 4, 5)], 9.25),
    "twenty that fail are sent at once": (TWENTY, -math.inf),
    "more are a fifth of a second apart": (TWENTY_ONE, 0.7),
}


@pytest.mark.parametrize(("events", "opens_at"), OPENS_AT.values(), ids=OPENS_AT)
def test_a_429_and_an_outage_hold_back_everybody(events: Sequence[Event], opens_at: float) -> None:
    assert play(events)[0].opens_at == pytest.approx(opens_at)


THREE_429S = [limited(0, 1, 3), limited(0, 1, 3, "b"), limited(0, 1, 3, "c")]
MOST_IN_FLIGHT = {
    "at first, as many as may be": ([], 8),
    "429s of requests that were in flight together halve it once": (THREE_429S, 4),
    "but for the last one": ([limited(at, at + 1, 1) for at in range(0, 1200, 60)], 1),
    "each other response adds 0.6": ([*THREE_429S, served("d", 0, 2), failed("c", 6)], 5),
    "up to as many as at first": ([limited(0, 1, 3), *[served("d", 5, 6)] * 9], 8),
}


@pytest.mark.parametrize(("events", "most"), MOST_IN_FLIGHT.values(), ids=MOST_IN_FLIGHT)
def test_a_window_says_how_many_requests_are_in_flight(events: Sequence[Event], most: int) -> None:
    assert room(play(events)[0], []) == most


def test_requests_from_before_a_pause_take_no_room() -> None:
    pace = play(THREE_429S)[0]
    assert [room(pace, [job_sent_at(0)] * number) for number in (2, 7)] == [4, 1]


TURNS = {
    "nobody goes before what is due while all is well": ([served("a", 1, 2)], False),
    "after a first request it is the turn of what waits": (TWO, False),
    "after a retry it is the turn of new ids": ([*TWO, failed("a", 2)], True),
    "also after a 429": ([limited(0, 1, 3), limited(5, 6, 3)], True),
    "until something is served": ([limited(0, 1, 3), served("a", 5, 6)], False),
}


@pytest.mark.parametrize(("events", "is_turn"), TURNS.values(), ids=TURNS)
def test_new_ids_and_those_that_wait_take_turns(events: Sequence[Event], is_turn: bool) -> None:
    assert play(events)[0].is_turn_of_new is is_turn


PAGE_SAYS = "no response from Firecrawl's API in 30 s, check the API URL (a page)"
ENDS = {
    "an outage ends a run after the deadline, also if a 429 came before": (
        [limited(0, 1, 5, "c"), lost("a", 7), lost("b", 7)],
        100.0,
        ("outage", "nothing was deleted for 100 s (lost)", 100, None),
    ),
    "its error says when to come back": (
        [*TWO, failed("a", 2, retry_after=3600)],
        100.0,
        ("outage", "nothing was deleted for 100 s (502)", 100, 3600),
    ),
    "nothing but pages ends it after 30 s": (
        [page("a", 1), page("b", 1)],
        30.0,
        ("address", PAGE_SAYS, 30, None),
    ),
    "pages after a receipt are an outage": (
        [served("c", 0, 0.1), page("a", 1), page("b", 1)],
        100.0,
        ("outage", "nothing was deleted for 100 s; 1 were before (a page)", 100, None),
    ),
    "what was not found was not deleted before": (
        [not_found("c", 0.1), *TWO],
        100.0,
        ("outage", "nothing was deleted for 100 s (502)", 100, None),
    ),
    "a rate limit that lets nothing through ends a run": (
        [limited(0, 1, 5)],
        100.0,
        ("rate limit", "nothing was deleted for 100 s (429)", 100, 5),
    ),
    "one whose wait is longer than the deadline ends it at once": (
        [limited(0, 1, 101), limited(0, 1, 5, "b")],
        0.0,
        ("rate limit", "the rate limit asks for a wait of 101 s (429)", 0, 101),
    ),
}


@pytest.mark.parametrize(("events", "patience", "end"), ENDS.values(), ids=ENDS)
def test_how_a_run_ends(events: Sequence[Event], patience: float, end: tuple[object, ...]) -> None:
    pace, _, _ = play(events)
    assert pace.patience() == patience
    pace.seconds_waited += patience
    error = pace.end_error()
    assert (error.reason, error.args[0], error.lasted, error.retry_after) == end
    assert error.__cause__ is pace.held_back_by


@pytest.mark.parametrize(
    ("events", "reason", "seconds_left", "number"),
    [
        ([limited(0, 1, 30)], "rate limit", 30, 1),
        (TWO, "outage", 0, 1),  # Something may be sent, and it goes on.
        ([*TWO, limited(0, 1, 30)], "rate limit", 30, 2),
        ([limited(0, 1, 30), failed("b", 1), failed("c", 1)], "outage", 0, 2),
    ],
)
def test_a_pause_says_what_the_last_failure_was(
    events: Sequence[Event], reason: str, seconds_left: float, number: int
) -> None:
    pause = core.Pause(
        reason=reason, seconds_left=seconds_left, waiting=7, number=number, error=events[-1].error
    )
    pace, _, _ = play(events)
    assert pace.pause(2, 0, 7) == pause
    if reason == "outage":  # Something may be sent once a response has come.
        assert pace.pause(2, math.inf, 7) == pause


@pytest.mark.parametrize("events", [[], RECOVERED, [limited(0, 1, 3), served("a", 5, 6)]])
def test_patience_has_no_end_while_something_gets_through(
    events: Sequence[Event],
) -> None:
    assert play(events)[0].patience() == math.inf


def test_a_run_left_after_a_stale_connection_reports_it() -> None:
    call = new_call()
    assert call.begin_attempt(240)
    error = call.read(core.ConnectionLostError("closed", stale=True))
    assert error is not None
    assert call.back_off(error, 240) == 0
    call.leave("the run was left")
    assert call.outcome is call.error


def test_a_session_whose_call_has_ended_keeps_that_outcome_if_left() -> None:
    call = new_call()
    call.begin_attempt(240)
    call.read(core.Response(200, {}, b'{"success": true}'))
    outcome = call.outcome
    call.leave("the run was left")
    assert call.outcome is outcome
