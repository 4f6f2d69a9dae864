"""Which ids of a run may send now, which wait until when, and what came of each.

A test is a script: `take a b` gives ids to the run, `send a b` says which ones may go now, and in
which order; `go a b` does both for each; `503 a b` is how their requests end (see `ENDS`), and `+8`
lets so many seconds pass.
"""

import errno
import logging
import math
from collections import deque
from collections.abc import Iterator
from typing import NoReturn

import pytest

from firecrawl_interact.core import (
    ConnectFailedError,
    ConnectionLostError,
    DeleteSession,
    DeletionReceipt,
    OutageError,
    Outcome,
    Pause,
    RateLimitError,
    Request,
    Response,
    RetryPolicy,
    ServiceUnavailableError,
    SessionFate,
    TimedOutError,
    UnreachableError,
)
from firecrawl_interact.core.pacing import Job
from firecrawl_interact.core.scheduler import Scheduler

from .log_records import log_records
from .scripted_transport import API_KEY, DESTROYED, RATE_LIMITED, UNAVAILABLE, response

GONE, UNTOUCHED, UNKNOWN = SessionFate.GONE, SessionFate.UNTOUCHED, SessionFate.UNKNOWN


def limited(seconds: int) -> Response:
    return response(429, {"success": False}, {"retry-after": str(seconds)})


def no_connection(number: int, *, transient: bool = True) -> ConnectFailedError:
    failure = ConnectFailedError("no connection", transient=transient)
    failure.__cause__ = OSError(number, "for some reason")
    return failure


ENDS: dict[str, Response | BaseException] = {
    "ok": DESTROYED,
    "503": UNAVAILABLE,
    "503/3600": response(503, {"success": False}, {"retry-after": "3600"}),
    "409": response(409, {"success": False, "error": "in progress"}),
    "429": RATE_LIMITED,
    "429/1": limited(1),
    "429/20": limited(20),
    "429/60": limited(60),
    "429/101": limited(101),
    "stale": ConnectionLostError("closed", stale=True),
    "lost": ConnectionLostError("lost"),
    "silent": TimedOutError("silence"),
    "bad-name": no_connection(errno.ENOENT, transient=False),
    "refused": no_connection(errno.ECONNREFUSED),
    "no-file": no_connection(errno.EMFILE),
    "no-file-at-all": no_connection(errno.ENFILE),
    "faulty": MemoryError(),
    "exits": SystemExit(),
    "not-a-response": TypeError("None"),
}


class Clock:
    """All of a transport that a scheduler looks at."""

    now = 1_000.0
    is_interrupted = False  # by a Ctrl-C, whenever somebody looks

    def monotonic(self) -> float:
        if self.is_interrupted:
            raise KeyboardInterrupt
        return self.now

    def send(self, request: Request, timeout: float) -> NoReturn:
        raise AssertionError("a scheduler sends nothing")

    def sleep(self, seconds: float) -> NoReturn:
        raise AssertionError("a scheduler waits for nothing")


class Run(Scheduler):
    """A scheduler, its clock, and what was handed out."""

    def __init__(self, script: str = "", *, concurrency: int = 8, **policy: float) -> None:
        self.clock = Clock()
        retry = RetryPolicy(**policy)  # type: ignore[arg-type] # mypy cannot know the names
        super().__init__(
            DeleteSession(self.clock, API_KEY, retry=retry, random=lambda: 0.5), concurrency
        )
        self.sent: dict[str, Job] = {}
        self.then(script)

    def then(self, script: str) -> "Run":
        for step in filter(None, script.split("; ")):
            verb, *names = step.split(" ")
            if verb.startswith("+"):
                self.clock.now += float(verb)
            elif verb in {"take", "go"}:
                for name in names:
                    self.admit(iter([name]).__next__)
                    if verb == "go":
                        self.then(f"send {name}")
            elif verb == "send":
                jobs = list(self.hand_out())
                assert [job.session_id for job in jobs] == names, step
                self.sent |= dict(zip(names, jobs, strict=True))
            elif verb == "end":
                self.admit(iter([]).__next__)
            elif verb == "stop":
                self.stop()
            else:
                for name in names:
                    self.settle(self.sent[name], ENDS[verb])
        return self

    def ended(self) -> list[tuple[str, type, SessionFate, int]]:
        """The outcomes: of which id, of which kind, its fate and its attempts."""
        ended = [(o.session_id, type(o), o.session_fate, o.attempts) for o in self.outcomes]
        self.outcomes.clear()
        return ended

    def outage(self) -> tuple[str, float, float | None, type]:
        """What ended the run: the reason, how long it lasted, when to come back, the cause."""
        error = self.failure
        assert isinstance(error, OutageError)
        return str(error.args[0]), error.lasted, error.retry_after, type(error.__cause__)


def receipt(session_id: str, attempts: int = 1) -> tuple[str, type, SessionFate, int]:
    return session_id, DeletionReceipt, GONE, attempts


@pytest.fixture
def logged() -> Iterator[list[logging.LogRecord]]:
    with log_records() as records:
        yield records


# Who goes when


@pytest.mark.parametrize(
    "script",
    [
        # a retry, when its pause is over; and nobody else's
        "go a; 503 a; +0.74; send; +0.02; send a",
        # who is due first goes first, and new ids last
        "go slow a b; 503 b; +0.5; 503 a; +0.75; take new; send b a new",
        # after a 429 nobody, and then those that got it, in the order of their responses
        "go a b c; 429/60 c; take new; 429/60 a b; +59; send; +1; send c a b new",
        # who was accepted after two pauses in a row frees the others
        "go a; 429 a; +60; send a; 429 a; +60; send a; ok a; +60; take b c; send b c",
        # in an outage one at a time finds out, each for another id; a new one goes first
        "go a b c; 503 a b c; send; +10; send c; send; 503 c; +10; send a; 503 a; +10; send b",
        "go a b; 503 a b; take c; +0.7; send; +0.1; send c",
        # its end frees all
        "go a b c; 503 a b c; +1; send c; ok c; send a b",
        # it does not shorten the pause that a 429 asks for
        "go limited; +1; go lost too; 429/60 limited; lost lost too; +59; send; +1; send limited",
        # without file descriptors, as many as are in flight
        "go a b; no-file b; send; ok a; send b",
        "go a b c d; no-file c d; take e; send; ok a; send d; send; ok d; send c",
    ],
)
def test_who_may_send(script: str) -> None:
    Run(script)


@pytest.mark.parametrize(
    ("script", "concurrency", "has_room"),
    [
        ("go a", 2, True),
        ("go a; take b", 8, False),
        ("go a b", 2, False),
        ("go a; 409 a", 1, True),  # A retry that waits must not stop the run.
        ("go a b c; 409 a b c", 3, False),
        ("go a; 429/60 a", 8, False),
        ("stop", 8, False),
        ("go a b c d; no-file c", 4, False),
        ("go a; no-file-at-all a", 4, True),
        ("go a b; faulty a", 8, False),
        # in an outage: one more than have failed, up to eight or the concurrency
        ("go a b; 503 a b; take c", 8, False),
        ("go a b c d e f g h; 503 a b c d e f g h", 8, False),
        ("go a b c d e f g h; 503 a b c d e f g h", 9, True),
        ("go a b; 503 a b; +8; send b; bad-name b; +8; send a; bad-name a", 8, True),
    ],
)
def test_whether_one_more_id_is_taken(script: str, concurrency: int, has_room: bool) -> None:
    assert Run(script, concurrency=concurrency).has_room() is has_room


def test_in_an_outage_a_run_of_one_at_a_time_takes_eight_ids_to_find_out() -> None:
    run, held = Run(concurrency=1), 0
    while run.has_room():
        held += 1
        run.then(f"take {held}; +8; send {held}; 503 {held}")
    assert held == 8


@pytest.mark.parametrize(
    ("script", "due_in"),
    [
        ("go a", math.inf),  # A response must come first.
        ("go a; take b", 0),
        ("go a; 503 a", 0.75),
        ("go a; 429/60 a", 60),
        ("go a b; 429/60 a; 409 b", 60),
        ("go a b; 503 a b", 0.75),
        ("go a b; 503 a b; +1; send b", 239),  # Then the outage ends the run.
        ("go a b; 503 a b; +241", 0),
        ("go a b; 503 a b; +200; send b; +41; send", math.inf),  # It is in flight, and waited for.
        ("take a; stop", 0),
    ],
)
def test_when_something_is_due(script: str, due_in: float) -> None:
    assert Run(script, concurrency=2).due_in() == due_in


# What counts for a session


OUTAGE = "go a b; 503 a b; +8; send b; 503 b; +8; send a; 503 a; +8; send b; 503 b; +8; send a; "


@pytest.mark.parametrize(
    ("script", "timeout"),
    [
        ("go a", 90),
        # an attempt that failed by itself, and the pause after it
        ("go a b; +40; 503 a; +1; send a", 100 - 40 - 0.75),
        ("go a b; +40; 409 a; +1; send a; +20; 409 a; +2; send a", 100 - 40 - 0.75 - 20 - 1.5),
        # not the waits for the rate limit, nor the attempts
        ("go a; +40; 429/20 a; +20.5; send a; +40; 429/20 a; +60; send a", 90),
        # nothing in an outage
        (OUTAGE + "ok a; send b; +1; 409 b; +60; send b", 90),
        # in an outage, what is left of it
        ("go a b; 503 a b; +99; send b", 1),
    ],
)
def test_what_a_request_has_of_the_deadline(script: str, timeout: float) -> None:
    run = Run(script, deadline=100, max_attempts=3)
    assert list(run.sent.values())[script.endswith("b")].timeout == timeout


@pytest.mark.parametrize("session_id", ["b", "not an id"])
def test_what_the_iterator_of_ids_takes_counts_for_nobody(session_id: str) -> None:
    run = Run("go a", deadline=3)

    def next_id() -> str:
        run.clock.now += 4
        return session_id

    run.admit(next_id)
    run.outcomes.clear()
    assert run.then("503 a").ended() == []


# What ends a run


@pytest.mark.parametrize(
    ("script", "reason", "lasted", "retry_after"),
    [
        ("go a; 429/101 a", "the rate limit asks for a wait of 101 s", 0, 101),
        (
            "go a; 429/1 a; +60; send a; 503 a; +50; send a; 429/1 a; +100; send a; 429/1 a; "
            "+50; send a; 429/1 a",  # A request was accepted at 60; and 100 s were not too long.
            "the rate limit has let no request through for 150 s",
            150,
            1,
        ),
        ("go a b; 503 a b; +100; send", "the service has been away for 100 s", 100, None),
        ("go a b; 503/3600 a b; +100; send", "the service has been away for 100 s", 100, 3600),
    ],
)
def test_a_rate_limit_or_an_outage_that_outlasts_the_deadline_ends_the_run(
    script: str, reason: str, lasted: float, retry_after: float | None
) -> None:
    run = Run(script, deadline=100)
    kind = RateLimitError if "429" in script else ServiceUnavailableError
    assert run.outage() == (reason, lasted, retry_after, kind)
    assert run.is_stopped
    assert [kind for _, kind, _, _ in run.then("send").ended()] == [kind] * script.count("a b") or [
        kind
    ]


@pytest.mark.parametrize(
    ("script", "deadline"),
    [
        ("go a; 429/60 a", 60.5),
        ("go a; 429 a", 0.5),
        ("go a b; 503 a b; stop; +1000; send", 240),
    ],
)
def test_nothing_else_ends_it(script: str, deadline: float) -> None:
    assert Run(script, deadline=deadline).failure is None


# When failures are an outage, and what holds a run back


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("go a b c; stale a b c", None),
        ("go a b slow; +1; 503 a b; go c; 503 c", None),  # One from before is in flight.
        ("go a b slow; +1; 503 a b; go c; 503 c; 503 slow", "outage"),
        # one that failed by itself before fails in the outage, too
        ("go a b; ok b; 503 a; +1; send a; go c; 503 c a", "outage"),
        # the last ids fail by themselves, if they failed while the service was there
        ("go a b; ok b; 503 a; +9; take c; end; send a c; 503 a c", None),
        ("go a b; ok b; 503 a; +9; send a; ok a; +1; take a c; end; send a c; 503 a c", "outage"),
        ("go a; 429/60 a; stop", None),
        ("go a; 429/60 a; +59.5", "rate limit"),
        ("go a; 429/60 a; +60.5", None),
    ],
)
def test_what_holds_a_run_back(script: str, reason: str | None) -> None:
    pause = Run(script, max_attempts=3).pause
    assert (pause and pause.reason) == reason


def test_a_pause_says_for_how_long_and_how_many_wait() -> None:
    run = Run("go a b; 429/60 a; +20")
    assert shown(run.pause) == ("rate limit", 40, 1, 1, "a")
    run = Run("go a b c; 503 a b c")
    assert shown(run.pause) == ("outage", 0.75, 3, 1, "c")
    run.then("+1")
    assert shown(run.pause) == ("outage", 0, 3, 1, "c")


def shown(pause: Pause | None) -> tuple[object, ...]:
    assert pause
    assert pause.error
    return (
        *(pause.reason, pause.seconds_left, pause.waiting, pause.number),
        pause.error.session_id,
    )


def test_what_a_pause_is_made_of_is_given_by_name_and_stays() -> None:
    with pytest.raises(TypeError):
        Pause("outage", 0.75, 3, 1)  # type: ignore[call-arg] # the point
    pause = Pause(reason="outage", seconds_left=1, waiting=3, number=1)
    with pytest.raises(AttributeError):
        pause.waiting = 0  # type: ignore[misc] # the point


def test_each_pause_has_a_number_and_a_line_of_its_own(logged: list[logging.LogRecord]) -> None:
    run = Run("go a b c; 503 a b c; +1; send c; 503 c")
    numbers = [run.pause and run.pause.number]  # A half-open probe does not end it.
    for script in ("+8; send a; 429/60 a", "+61; send a; 429/20 a"):
        run.then(script)
        numbers.append(run.pause and run.pause.number)
    assert numbers == [1, 2, 3]
    assert [line.getMessage() for line in logged if "nothing is sent" in line.msg] == [
        "outage: nothing is sent for 0.8 s, 3 sessions wait",
        "rate limit: nothing is sent for 60.0 s, 3 sessions wait",
        "rate limit: nothing is sent for 20.0 s, 3 sessions wait",
    ]


def test_a_lack_of_file_descriptors_is_logged_once(logged: list[logging.LogRecord]) -> None:
    assert Run("go a b c d; no-file c d").pause is None
    assert len([line for line in logged if "no file descriptor or thread left" in line.msg]) == 1


# Stopped, left, interrupted, or over a faulty transport


@pytest.mark.parametrize(
    ("script", "ended"),
    [
        ("take a; stop", ("a", UnreachableError, UNTOUCHED, 0)),
        ("go a; silent a; stop", ("a", UnreachableError, UNKNOWN, 1)),
        ("go a; 429/60 a; +1; stop", ("a", RateLimitError, UNTOUCHED, 1)),
        ("go a; 429/60 a; +61; send a; 503 a; stop", ("a", ServiceUnavailableError, UNKNOWN, 2)),
        ("go a; silent a; +1; send a; 429/60 a; stop", ("a", RateLimitError, UNKNOWN, 2)),
        # what is in flight ends with its outcome
        ("go a b; stop; send; ok a", receipt("a")),
        ("go a b; stop; send; 429 a", ("a", RateLimitError, UNTOUCHED, 1)),
        ("go a b; stop; send; stale a", ("a", UnreachableError, UNKNOWN, 1)),
        ("go a b; faulty a", ("a", UnreachableError, UNKNOWN, 1)),
    ],
)
def test_how_a_session_ends(
    script: str, ended: tuple[str, type, SessionFate, int], logged: list[logging.LogRecord]
) -> None:
    assert Run(script + "; send").ended() == [ended]
    is_announced = any("retry in" in line.msg for line in logged)
    assert not ("go a b; stop" in script and is_announced), "a stopped run announces no retry"


def test_what_was_not_sent_says_so_and_can_be_tried_again() -> None:
    run = Run("take a; stop; send")
    (outcome,) = run.outcomes
    assert isinstance(outcome, UnreachableError)
    assert str(outcome).startswith("Session 'a': the run ended before anything was sent.")
    assert outcome.transient


def test_a_run_that_is_left_between_two_requests_of_one_turn_sends_no_more() -> None:
    run = Run("take a b")
    handed_out = run.hand_out()
    assert next(handed_out).session_id == "a"
    run.stop()
    assert list(handed_out) == []


def test_what_is_in_flight_when_all_is_ended_is_unknown_and_nothing_more_is_taken_of_it() -> None:
    run = Run("go a; 503 a; +1; send a")
    run.stop()
    run.end_what_is_left(even_in_flight=True)
    assert (len(run.in_flight), run.waiting, len(run.outcomes)) == (0, 0, 1)
    assert "the run was left before the response was read" in str(run.outcomes[0])
    assert run.then("ok a").ended() == [("a", UnreachableError, UNKNOWN, 2)]


def test_what_a_ctrl_c_kept_from_being_sent_is_untouched() -> None:
    run = Run()

    def next_id() -> str:
        run.clock.is_interrupted = True
        return "a"

    with pytest.raises(KeyboardInterrupt):
        run.admit(next_id)
    run.clock.is_interrupted = False
    assert run.then("stop; send").ended() == [("a", UnreachableError, UNTOUCHED, 0)]


class InterruptedOutcomes(deque[Outcome]):
    """Somebody presses Ctrl-C when an outcome is there, and nothing else knows of it yet."""

    def append(self, outcome: Outcome) -> None:
        super().append(outcome)
        raise KeyboardInterrupt


def test_an_outcome_that_was_interrupted_comes_once() -> None:
    run = Run("go a")
    run.outcomes = InterruptedOutcomes()
    with pytest.raises(KeyboardInterrupt):
        run.then("ok a")
    assert run.then("stop; send").ended() == [receipt("a")]


@pytest.mark.parametrize("end", ["faulty", "exits", "not-a-response"])
def test_a_faulty_transport_ends_the_run_and_its_error_is_the_cause(end: str) -> None:
    run = Run(f"go a b; {end} a")
    (outcome,) = run.outcomes
    assert isinstance(outcome, UnreachableError)
    assert not outcome.transient
    assert isinstance(outcome.__cause__, ConnectionLostError)
    assert outcome.__cause__.__cause__ is ENDS[end]
    assert len(run.then("ok b").ended()) == 2
    assert run.is_finished
    assert f"no request can be sent ({type(ENDS[end]).__name__})" in str(run.failure)
    assert run.failure
    assert run.failure.__cause__ is ENDS[end]
