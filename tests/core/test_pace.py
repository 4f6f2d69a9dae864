"""The two rules of a run, each with a table: what happened, and what comes of it."""

import math
from collections.abc import Sequence
from operator import itemgetter
from typing import NamedTuple

import pytest

from firecrawl_interact import core
from firecrawl_interact.core.runs.pace import Job, Pace, Verdict

POLICY = core.RetryPolicy(deadline=100)


def middle() -> float:
    return 0.5


CALL = core.Call("a", headers=core.request_headers(None), retry=POLICY, random=middle)


class Event(NamedTuple):
    """What came of a request for an id."""

    session_id: str
    sent_at: float
    landed_at: float
    error: core.DeleteSessionError | None = None  # None: it was served


def served(session_id: str, sent_at: float, landed_at: float) -> Event:
    return Event(session_id, sent_at, landed_at)


def limited(sent_at: float, landed_at: float, wait: float | None = None, of: str = "a") -> Event:
    return Event(of, sent_at, landed_at, core.RateLimitError("429", of, retry_after=wait))


def lost(session_id: str, at: float) -> Event:
    return Event(session_id, at - 0.5, at, core.UnreachableError("lost", session_id))


def failed(session_id: str, at: float, retry_after: float | None = None) -> Event:
    """Fail as a gateway says."""
    error = core.ServiceUnavailableError(
        "502", session_id, retry_after=retry_after, from_service=False
    )
    return Event(session_id, at - 0.5, at, error)


def failed_itself(session_id: str, at: float) -> Event:
    """Fail as the service itself says."""
    return Event(session_id, at - 0.5, at, core.ServiceUnavailableError("500", session_id))


def page(session_id: str, at: float) -> Event:
    return Event(session_id, at - 0.5, at, core.UnexpectedResponseError("a page", session_id))


def not_deleted(session_id: str, at: float) -> Event:
    return Event(session_id, at - 0.5, at, core.NotDeletedError("200", session_id))


def play(pace: Pace, events: Sequence[Event]) -> Verdict | None:
    """Let these events come, as a run does, and return the last verdict."""
    jobs: dict[str, Job] = {}
    verdict = None
    landings = [(event.landed_at, "landed", event) for event in events]
    sendings = [(event.sent_at, "sent", event) for event in events]
    for at, what, event in sorted([*landings, *sendings], key=itemgetter(0)):
        job = jobs.setdefault(event.session_id, Job(CALL))
        if what == "sent":
            job.sent_at = at
            pace.note_sent(job)
            continue
        job.landed_at = at
        if event.error is None:
            pace.note_end(job, core.DeletionReceipt(session_id=event.session_id))
        else:
            verdict = pace.judge(job, event.error)
    return verdict


TWO = [failed("a", 1), failed("b", 1)]
RECOVERED = [*TWO, served("a", 1.2, 1.4)]
TWENTY = [failed_itself(f"{number}", 1) for number in range(20)]
TWENTY_ONE = [*TWENTY, failed_itself("20", 1)]

COUNTS = {
    "a single id may fail for its own reasons": ([failed("a", 1)], True),
    "even if it fails again": ([lost("a", 1), lost("a", 2)], True),
    "two ids that fail are an outage": (TWO, False),
    "it goes on when one of them fails again": ([*TWO, failed("a", 2)], False),
    "but not if something was served since that id failed last": (
        [*TWO, served("c", 1.2, 1.4), served("d", 0.3, 1.5), failed("b", 2), failed("a", 2)],
        True,
    ),
    "nor once one that had failed was deleted, for then each fails newly": (
        [*TWO, lost("c", 1), served("c", 1.2, 1.4), failed("a", 2), failed("b", 2), failed("a", 3)],
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
    "even if that was sent at the same moment": ([*TWO, served("c", 1, 1.4), failed("a", 2)], True),
    "what was sent before and served after counts as before": (
        [*TWO, served("c", 0.9, 5), failed("a", 6)],
        False,
    ),
    "one of an id that failed again since then does not count": (
        [
            *TWO,
            served("c", 1.2, 1.4),
            failed("a", 2),
            failed("d", 2),
            failed("e", 2),
            failed("a", 3),
        ],
        False,
    ),
    "an answer of the service shows that it is at work": (
        [*TWO, not_deleted("c", 2), failed("a", 3)],
        True,
    ),
    "in the service's own words, an attempt counts": (TWENTY, True),
    "unless more than twenty ids fail": (
        [*TWENTY_ONE, *[failed_itself("0", 2 + number) for number in range(9)]],
        False,
    ),
    "what nobody says never counts": (
        [lost("a", 1), lost("b", 1), *[lost("a", 2 + number) for number in range(9)]],
        False,
    ),
    "a 429 never counts, however few ids there are": ([limited(0, 1)] * 9, False),
}


@pytest.mark.parametrize(("events", "counts"), COUNTS.values(), ids=COUNTS)
def test_attempts_count_unless_the_service_is_away(events: Sequence[Event], counts: bool) -> None:
    verdict = play(Pace(POLICY, middle), events)
    assert verdict is not None
    assert verdict.counts is counts


@pytest.mark.parametrize(
    ("events", "not_before", "begins_pause"),
    [
        (TWO, 1.75, True),
        ([*TWO, failed("b", 2)], 3.5, False),  # The backoff grows with each such attempt.
        ([*TWO, failed("b", 2), failed("b", 4)], 7, False),
        # What the API reports begins a pause when it is an outage: at the 21st session.
        (TWENTY_ONE, 1.75, True),
        ([*TWENTY_ONE, failed_itself("20", 2)], 3.5, False),
        ([failed("a", 1), failed("b", 1, retry_after=20)], 21, True),
        ([failed("a", 1), failed("b", 1, retry_after=0.1)], 1.75, True),
        ([limited(0, 1, 30)], -math.inf, True),  # Everybody waits for that.
        ([limited(0, 1, 30), limited(0.5, 1.2, 30, "b")], -math.inf, False),
        ([limited(0, 1, 30), limited(40, 41, 30)], -math.inf, True),
    ],
)
def test_an_id_whose_attempt_does_not_count_waits_for_its_backoff_or_as_long_as_it_is_told(
    events: Sequence[Event], not_before: float, begins_pause: bool
) -> None:
    verdict = play(Pace(POLICY, middle), events)
    assert verdict is not None
    assert (verdict.not_before, verdict.begins_pause) == (not_before, begins_pause)


OPENS_AT = {
    "without a 429 nothing is held back": ([served("a", 0, 5)], 0),
    "a pause is as long as the service says": ([limited(0, 1, 30)], 31),
    "or as the policy's backoff": ([limited(0, 1)], 1.75),
    "what was in flight then changes nothing": ([limited(0, 1, 30), limited(0, 2, 10, "b")], 31),
    "but it may ask for a longer wait": ([limited(0, 1, 30), limited(0, 2, 40, "b")], 42),
    "after a pause one request goes first, for twice the time of a 429": (
        [limited(0, 1, 30), served("a", 31, 32)],
        33,
    ),
    "then a gap is between requests, which shrinks": (
        [limited(0, 0.01, 30), served("a", 31, 32), served("b", 33, 34)],
        33 + 0.1 * 0.93,
    ),
    "a first request that is refused as well doubles the backoff": (
        [limited(0, 1, 0), limited(1, 2, 0)],
        3.5,
    ),
    "each time": ([limited(0, 1, 0), limited(1, 2, 0), limited(3.5, 4, 0)], 7),
    "one that was accepted ends that": ([limited(0, 1, 0), served("b", 1, 2), limited(3, 4, 5)], 9),
}


@pytest.mark.parametrize(("events", "opens_at"), OPENS_AT.values(), ids=OPENS_AT)
def test_a_429_pauses_everybody(events: Sequence[Event], opens_at: float) -> None:
    pace = Pace(POLICY, middle)
    play(pace, events)
    assert pace.rate_limit.opens_at == pytest.approx(opens_at)


RETRY_AFTER = [*TWO, failed("a", 2, retry_after=3600)]
ENDS = {
    "an outage ends a run after the deadline, also if a 429 came before": (
        [limited(0, 1, 5, "c"), lost("a", 1), lost("b", 1)],
        100.0,
        ("outage", "Firecrawl has been unavailable for 100 s (lost)", 100, None),
    ),
    "its error says when to come back": (
        RETRY_AFTER,
        100.0,
        ("outage", "Firecrawl has been unavailable for 100 s (502)", 100, 3600),
    ),
    "nothing but pages ends it after 30 s": (
        [page("a", 1), page("b", 1)],
        30.0,
        (
            "address",
            "no response from Firecrawl's API in 30 s, check the API URL (a page)",
            30,
            None,
        ),
    ),
    "pages of a service that has responded are an outage": (
        [served("c", 0, 0.1), page("a", 1), page("b", 1)],
        100.0,
        ("outage", "Firecrawl has been unavailable for 100 s (a page)", 100, None),
    ),
    "a rate limit that lets nothing through ends a run": (
        [limited(0, 1, 5)],
        100.0,
        ("rate limit", "the rate limit has let no request through for 100 s (429)", 100, 5),
    ),
    "one whose wait is longer than the deadline ends it at once": (
        [limited(0, 1, 101), limited(0, 1, 5, "b")],
        0.0,
        ("rate limit", "the rate limit asks for a wait of 101 s (429)", 0, 101),
    ),
}


@pytest.mark.parametrize(("events", "patience", "end"), ENDS.values(), ids=ENDS)
def test_how_a_run_ends(events: Sequence[Event], patience: float, end: tuple[object, ...]) -> None:
    pace = Pace(POLICY, middle)
    pace.seconds_waited = 7.0
    play(pace, events)
    assert pace.patience() == patience
    pace.seconds_waited += patience
    error = pace.end_error()
    assert (error.reason, error.args[0], error.lasted, error.retry_after) == end
    assert error.__cause__ is pace.held_back_by


@pytest.mark.parametrize(
    ("events", "reason", "seconds_left", "number"),
    [
        ([limited(0, 1, 30)], "rate limit", 29, 1),
        (TWO, "outage", 0, 1),  # Something may be sent, and it goes on.
        ([*TWO, limited(0, 1, 30)], "rate limit", 29, 2),
        ([limited(0, 1, 30), failed("b", 1), failed("c", 1)], "outage", 0, 2),
    ],
)
def test_a_pause_says_what_the_last_failure_was(
    events: Sequence[Event], reason: str, seconds_left: float, number: int
) -> None:
    pace = Pace(POLICY, middle)
    play(pace, events)
    assert pace.pause(2, 0, 7) == core.Pause(
        reason=reason, seconds_left=seconds_left, waiting=7, number=number, error=events[-1].error
    )


def test_patience_has_no_end_while_nothing_fails_or_something_gets_through() -> None:
    pace = Pace(POLICY, middle)
    assert pace.patience() == math.inf
    play(pace, [*TWO, served("a", 2, 3)])
    assert pace.patience() == math.inf
    play(pace, [limited(0, 1, 30)])
    pace.seconds_waited = 50
    play(pace, [served("b", 0, 2)])  # It was sent before the pause, which goes on.
    assert pace.patience() == 100
    pace.seconds_waited = 90
    play(pace, [failed_itself("c", 3)])  # The rate limit has let it through.
    assert pace.patience() == 100


def test_while_more_than_twenty_sessions_fail_requests_are_a_fifth_of_a_second_apart() -> None:
    pace = Pace(POLICY, middle)
    play(pace, TWENTY)
    assert pace.opens_at <= 0.5
    play(pace, TWENTY_ONE)
    assert pace.opens_at == 0.7
    play(pace, [served("a", 1, 2)])
    assert pace.opens_at == 1


@pytest.mark.parametrize(
    ("concurrency", "events", "most"),
    [
        (1, [], 32),
        (16, [], 64),
        (1, [lost("a", 1), lost("b", 1)], 8),
        (9, [lost("a", 1), lost("b", 1)], 9),
        (1, TWENTY_ONE, 32),
    ],
)
def test_an_outage_holds_fewer_ids(concurrency: int, events: Sequence[Event], most: int) -> None:
    pace = Pace(POLICY, middle)
    play(pace, events)
    assert pace.most_held(concurrency) == most


def test_a_session_that_waits_after_a_closed_idle_connection_ends_with_that_if_left() -> None:
    call = core.Call("a", headers=core.request_headers(None), retry=POLICY, random=middle)
    assert call.begin_attempt(240)
    error = call.read(core.ConnectionLostError("closed", stale=True))
    assert error is not None
    assert call.back_off(error, 240) == 0
    assert Job(call).outcome_if_left("the run was left") is call.error
