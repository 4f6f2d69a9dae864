"""Which ids of a run may send now, which wait until when and why, and what came of each."""

import uuid
from collections import deque
from collections.abc import Iterator

import pytest

from firecrawl_interact.core import (
    ConnectionLostError,
    NotTriedError,
    Outcome,
    Pause,
    RunEndedError,
    UnreachableError,
)

from .log_records import log_records
from .scheduler_scripts import Run, each_script

SCRIPTS = """
a retry goes when its pause is over, and nobody else's does
    go a; due in = inf; 503 a; due in = 0.75; +0.74; send; +0.02; send a
who is due first goes first, and new ids last
    go slow a b; 503 b; +0.5; 503 a; +0.75; take new; send b a new
after a 429 nobody goes, and then those that got it, in the order of their responses
    go a b c; 429/60 c; take new; due in = 60; 429/60 a b; +59; send; +1; send c a b new
    go a b; 429/60 a; 409 b; due in = 60
in an outage one at a time finds out, each for another id
    go a b c; 503 a b c; send; +10; send c; send; 503 c; +10; send a; 503 a; +10; send b
in an outage whoever waits for longest goes next
    go a b; lost a b; +8; send b; lost b; take c; +8; send a; lost a; +8; send b; lost b; +8; send c
if the service itself reports it new ids go next
    go a b; 503 a b; take c; +0.7; send; +0.1; send b; 503 b; take d; +8; \
send d; 503 d; +8; send c
an outage does not shorten the pause that a 429 asks for
    go limited; +1; go lost too; 429/60 limited; lost lost too; \
pause = outage 60 s, 3 wait, 2, too; +59; send; +1; send limited
one more id is taken while somebody may go
    concurrency 2 | go a; room = yes; go b; room = no
    go a; take b; room = no
    stop; room = no
a retry that waits does not stop the run
    concurrency 1 | go a; 409 a; room = yes
    concurrency 3 | go a b c; 409 a b c; room = no
only in an outage that may be the ids' own nothing but another id tells
    go a; 503 a; needs id = no
    go a b; lost a b; needs id = no
    go a b; 503 a b; needs id = yes
nothing is taken during the pause of a rate limit
    go a; 429/60 a; room = no
who has no route waits like others
    go a b; no-route a; due in = 0.75
a faulty transport takes no more
    go a b; faulty a; room = no
in an outage one more is taken than have failed, up to eight or the concurrency
    go a b; 503 a b; room = no; +8; send b; 503 b; room = yes; take c; room = no
    go a b c d e f g h; lost a b c d e f g h; +8; send h; lost h; room = no
    concurrency 9 | go a b c d e f g h; lost a b c d e f g h; +8; send h; lost h; room = yes
    go a b; 503 a b; +8; send b; lost b; +8; send a; bad-name a; room = yes
in an outage a run of one at a time takes eight ids to find out
    concurrency 1 | probe a b; +8; send a; lost a; take c d e f g; room = yes; take h; room = no
while the service itself reports all failures twenty ids may fail by themselves
    go a b c d e f g h; 503 a b c d e f g h; +8; send h; 503 h; room = yes
    concurrency 1 | spoken-probe a b; +8; send a; 503 a; \
spoken-probe c d e f g h i j k l m n o p q r s t; room = yes; spoken-probe u; room = no
    concurrency 1 | spoken-probe a b; +8; send a; 503 a; spoken-probe c d e f g; room = yes; \
probe h; room = no
in an outage something is due when the next may find out, or when the outage ends the run
    go a b; 503 a b; due in = 0.75; +1; send b; due in = 239
    go a b; 503 a b; +241; due in = 0
a half-open probe that ends its id lets others find out after the backoff
    concurrency 2 | go a b; lost a b; +1; send b; bad-name b; due in = 1.5; room = yes; take c; \
+1.5; send a; bad-name a; due in = 3; +3; send c; ok c; held by = nothing
a half-open probe in flight is waited for
    go a b; 503 a b; +200; send b; +41; send; due in = inf
a run that is stopped has something to end at once
    take a; stop; due in = 0
an attempt that fails by itself and the pause after it use up the deadline
    deadline 100 | go a b; timeout a = 90; +40; 503 a; +1; send a; timeout a = 59.25
    deadline 100 | go a b; +40; 409 a; +1; send a; +20; 409 a; +2; send a; timeout a = 37.75
waits for the rate limit do not, nor do its attempts
    max_attempts 1 deadline 100 | go a; +40; 429/20 a; +20.5; send a; +40; 429/20 a; +60; send a; \
timeout a = 90
    deadline 100 | go a; +40; 429/20 a; +20.5; send a; +30; 429/20 a; +60; send a; +30; 409 a; +1; \
send a; timeout a = 69.25
nothing in an outage does
    max_attempts 3 deadline 100 | go a b; 503 a b; +8; send b; 503 b; +8; send a; 503 a; +8; \
send b; 503 b; +8; send a; ok a; send b; +1; 409 b; +60; send b; timeout b = 90
a half-open probe that meets a gateway's conflict is no reason for another one at once
    go a b; 503 a b; +8; send b; 409-page b; due in = 1.5
a half-open probe has what is left of an outage
    deadline 100 | go a b; 503 a b; +90; send b; timeout b = 10
after silence it has half of that, so that the next one still has time
    deadline 100 | go a b; silent a b; +20; send b; timeout b = 40; +40; silent b; +8; send a; \
timeout a = 16
and a second at least
    deadline 100 | go a b; silent a b; +99; send b; timeout b = 1
    deadline 100 | go a b; 503 a b; +99.5; send b; timeout b = 1
    attempt_timeout 0.5; deadline 100 | go a b; 503 a b; +99; send b; timeout b = 0.5
the last ids of a run are probed for 40 s if the service itself reports their failures
    go a b; end; 503 a b; +39; send b; 503 b; held by = outage; due in = 1; +1; held by = outage; \
send a b; held by = nothing; 503 a b; held by = nothing; ended by = none
as long as the deadline if that is shorter
    deadline 10 | go a b; end; 503 a b; +9; send b; 503 b; due in = 1; +1; send a b; \
503 a b; held by = nothing; ended by = none
not if it does not report them all
    go a b; end; 503 a; lost b; +39; send b; 503 b; due in = 1.5
and for 40 s more if there was another one
    go a b; 503 a b; +8; send b; 503 b; +22; take c; end; send c; 503 c; +39; \
send a; 503 a; due in = 1
a rate limit whose wait is longer than the deadline ends the run
    deadline 100 | go a; 429/101 a; send; ended = a RateLimitError untouched x1; \
ended by = rate limit: the rate limit asks for a wait of 101 s, lasted 0 s, 101.0, RateLimitError
a rate limit that lets nothing through for longer than the deadline ends the run
    deadline 100 | go a; 429/1 a; +60; send a; 503 a; +50; send a; 429/1 a; +100; send a; 429/1 a; \
+50; send a; 429/1 a; send; ended = a RateLimitError unknown x5; \
ended by = rate limit: the rate limit has let no request through for 150 s, lasted 150 s, 1.0, \
RateLimitError
    deadline 10 | go a; 429 a; +11; send a; 429 a; \
ended by = rate limit: the rate limit has let no request through for 11 s, lasted 11 s, None, \
RateLimitError
a rate limit as long as the deadline ends nothing
    deadline 60.5 | go a; 429/60 a; ended by = none
    deadline 0.5 | go a; 429 a; ended by = none
an outage that is as long as the deadline ends the run
    deadline 100 | go a b; 503 a; lost b; +100; send; \
ended = a ServiceUnavailableError unknown x1, b UnreachableError unknown x1; \
ended by = outage: the service has been away for 100 s, lasted 100 s, None, UnreachableError
    deadline 100 | go a b; 503 a b; +99.9995; send; held by = nothing
one that began with silence begins again with a 5xx: the service is there
    deadline 100; max_attempts 1 | go a b c; lost a b; +10; 503 c; +90; send b; ended by = none
an outage of pages alone from the start ends the run after 30 s
    first_pause 200.0; longest_pause 200.0 | go a b; page a b; due in = 30; +30; send; \
ended by = address: in 30 s, nothing from the service yet: check the address, lasted 30 s, None, \
UnexpectedResponseError
the error of an outage says when to come back
    deadline 100 | +5; go a b c; 503 a b; +10; 503/3600 c; +90; send; \
ended by = outage: the service has been away for 100 s, lasted 100 s, 3600.0, \
ServiceUnavailableError
    first_pause 200.0; longest_pause 200.0 | go a b; page a; 404/3600 b; +30; send; \
ended by = address: in 30 s, nothing from the service yet: check the address, lasted 30 s, \
3600.0, UnexpectedResponseError
a failure of a request that went before one which the service served begins no other pause
    go a b c; ok a; 429/60 b; 503 c; pause = rate limit 60 s, 2 wait, 1, b
nor does one of a session that fails by itself
    go a b c; end; ok b; 429/60 c; 503 a; pause = rate limit 60 s, 2 wait, 1, c
a conflict begins no other pause
    go a b; 429/60 a; 409 b; pause = rate limit 60 s, 2 wait, 1, a
an outage ends no run that is stopped
    go a b; 503 a b; stop; +1000; send; ended by = none
stale connections and conflicts are no outage
    go a b c; stale a b c; held by = nothing
    go a b; 409-page a b; held by = nothing
who failed by itself before fails in the outage, too
    go a b; ok b; lost a; +1; send a; go c; lost c a; held by = outage
the last ids fail by themselves if they failed while the service was there
    go a b; ok b; 503 a; +9; take c; end; send a c; 503 a c; held by = nothing
    go a b; ok b; lost a; +9; take c; end; send a c; lost a c; held by = nothing
    go a b; ok b; 503 a; +9; send a; ok a; +1; take a c; end; send a c; 503 a c; held by = outage
a rate limit holds a run back until its pause ends, or the run
    go a; 429/60 a; +59.5; held by = rate limit; +0.5; held by = nothing
    go a; 429/60 a; stop; held by = nothing
a pause says for how long, how many wait, which one it is, and what it met last
    go a b; 429/60 a; +20; pause = rate limit 40 s, 1 wait, 1, a
    go a b c; 503 a b c; pause = outage 0.75 s, 3 wait, 1, c; +1; pause = outage 0 s, 3 wait, 1, c
each pause has a number of its own, and a half-open probe ends none
    go a b c; 503 a b c; +1; send c; 503 c; pause = outage 1.5 s, 3 wait, 1, c; \
+8; send a; 429/60 a; pause = rate limit 60 s, 3 wait, 2, a; \
+61; send a; 429/20 a; pause = rate limit 20 s, 3 wait, 3, a
a run that is stopped ends whoever waits with what its last attempt met
    take a; stop; send; ended = a NotTriedError untouched x0
    go a; silent a; stop; send; ended = a UnreachableError unknown x1
    go a; 429/60 a; +1; stop; send; ended = a RateLimitError untouched x1
    go a; 429/60 a; +61; send a; 503 a; stop; send; ended = a ServiceUnavailableError unknown x2
    go a; silent a; +1; send a; 429/60 a; stop; send; ended = a RateLimitError unknown x2
what is in flight when a run is stopped ends with its outcome
    go a b; stop; send; ok a; send; ended = a DeletionReceipt gone x1
    go a b; stop; send; 429 a; send; ended = a RateLimitError untouched x1
    go a b; stop; send; stale a; send; ended = a UnreachableError unknown x1
"""

PACE = """
without a rate limit nobody waits
    pass a; take b; due in = 0
a pause is as long as the service says, or the policy
    go a; +1; 429/30 a; due in = 30
    go a; 429 a; due in = 0.75
then requests are spaced as they were accepted until then, and the spacing halves with each
    +90; pass a b c d e f g h i j; +10; go k; take l m; 429/50 k; +50; send k; due in = 6; +6; \
send l; due in = 3
    pass a b c d e f g h i j; +10; go k; take l m; 429/50 k; +50; send k; +940; send l; due in = 3
no spacing is longer than the pause
    pass a; +1000; go b; take c; +1; 429/20 b; +20; send b; due in = 21
a spacing that is short halves in two seconds, or in four latencies
    pass a b c d e f g h i j; go k; take l m; 429/9 k; +9; send k; +0.9; send l; due in = 0.636396
    pass a b c d e f g h i j; go k; take l m; +1; 429/8 k; +8; send k; +0.9; send l; \
due in = 0.770036
the next 429 doubles the spacing
    pass a b c d e f g h i j; +10; go k; take l m n; 429/50 k; +50; send k; ok k; +6; send l; \
ok l; +3; send m; 429/10 m; +10; send m; due in = 3
which of many requests were accepted does not change the spacing
    concurrency 18 | go a b c d e f g h i j k l m n o p q r; 429/60 a b c d e f g h; \
ok i j k l m n o p q r; +60; send a; due in = 6
    concurrency 18 | go a b c d e f g h i j k l m n o p q r; ok a b c d; 429/60 k l m n o p q r; \
ok e f g h i j; +60; send k; due in = 6
after two pauses in a row half-open probes go two latencies apart, until one is accepted
    go a; 429/1 a; +1; send a; 429/0 a; take b; +9; send a; due in = 0.1
    go a; 429/1 a; +1; send a; +0.5; 429/0 a; take b; +9; send a; due in = 1
    go a; 429/1 a; +1; send a; +0.5; 429/0 a; take b; +9; send a; ok a; due in = 0
    pass a b c d e f g h i j; +10; go k; take l; 429/50 k; +50; send k; +0.5; 429/0 k; +5.5; \
send k; due in = 6
pauses that are too short grow as the policy's do
    go a; 429 a; +0.75; send a; 429 a; due in = 1.5; +1.5; send a; 429 a; due in = 3; +3; send a; \
429 a; due in = 6; +6; send a; 429 a; due in = 6
    go a; 429/1 a; +1; send a; 429/0 a; due in = 1.5
    go a; 429/1 a; +1; send a; 429/30 a; due in = 30
a pause was long enough if another request was accepted, or sent before the one that was not
    go a; take b; 429/1 a; +1; send a b; ok a; 429/0 b; due in = 0
    go a; take b; 429/1 a; +1; send a b; ok b; 429/0 a; due in = 0
    go a; take b c; 429/1 a; +1; send a b c; 429/1 b; due in = 1
a first request after the pause that gets no response says nothing of it, and the next one does
    go a; 429 a; +0.75; send a; lost a; take b; +0.1; send b; 429 b; due in = 1.5
a request from before the pause that is accepted late says nothing of it
    go a b; take c; 429/1 a; ok b; +1; send a; 429/0 a; due in = 1.5
one that gets a 429 late tells nothing either, but perhaps a longer wait
    go a b; 429/30 a; +1; 429/40 b; due in = 40
    go a b; 429/30 a; +1; 429/10 b; due in = 29
    go a b; 429/0 a; 429 b; due in = 0
an outage takes two ids that fail
    max_attempts 2 | go a; 503 a; +1; send a; 503 a; held by = nothing
    go a b; 503 a; held by = nothing; +1; 503 b; held by = outage; due in = 0.75
    go a b; lost a; 503 b; held by = outage
all that was in flight at the first failure must fail
    go a b old; 503 a; +0.1; go new; 503 b; held by = nothing
    go a b; 503 a; go slow; 503 b; held by = nothing; 503 slow; held by = outage
    go a b; 503 a; +0.1; go slow; 503 b; held by = outage
unless an id would be given up
    max_attempts 1 | go slow a b; 503 a b; held by = outage
one is enough while all others are silent, more ids come, and nothing shows that the service works
    max_attempts 2 | go silent a; lost a; +8; send a; lost a; held by = outage
    max_attempts 2 | go silent a; lost a; +8; send a; lost a; ok silent; held by = nothing; \
+8; send a; bad-name a; go c; +1; take d; send d; take e; send e; lost d; ok c; lost e; \
held by = outage
    max_attempts 1 | go slow a b; lost a b; +8; send b; 503 b; ok slow; held by = outage
    max_attempts 2 | go silent a; 503 a; +8; send a; 503 a; held by = nothing
    max_attempts 2 | go silent a; end; lost a; +8; send a; lost a; held by = nothing
    max_attempts 2 | go silent a b; lost a; ok b; +8; send a; lost a; held by = nothing
    max_attempts 1 | go silent a; lost a; held by = nothing
    max_attempts 3 | go silent a; lost a; +8; send a; lost a; held by = nothing
    max_attempts 2 | go a; lost a; +8; send a; lost a; held by = nothing
a response refutes the failures of requests that were sent no later
    max_attempts 1 | go old a b; 503 a b; ok old; held by = nothing
    max_attempts 1 | go old; +1; go a b; 503 a b; ok old; held by = outage
    go old; +1; go a b; lost a; ok old; lost b; held by = outage
    go a b c; ok c; 503 a b; held by = nothing
    go a b c; ok c; lost a b; held by = nothing
    go old; +1; go a b c; ok c old; 503 a b; held by = nothing
    pass c; +1; go a b; 503 a b; held by = outage
the next half-open probe goes after the backoff, or when the service says
    go a b; 503 a; 503/60 b; due in = 60
    max_attempts 1 | go c a b; 503 a b; +0.5; 503 c; take d; due in = 0.25
    go a b; 503 a b; due in = 0.75; +0.75; send b; 503 b; due in = 1.5; +1.5; send a; 503 a; \
due in = 3; +3; send b; 503 b; due in = 6; +6; send a; 503 a; due in = 6
    first_pause 0 | go a b; 503 a b; due in = 0.1
the next outage begins anew
    go a b; 503 a; 503/60 b; take c; +60; send b; ok b; +1; send c a; lost c a; \
held by = outage; due in = 0.75
no outage lasts for longer than the deadline
    go a b; 503 a; +10; 503/3600 b; due in = 230; pause = outage 3600 s, 2 wait, 1, b
"""


@each_script(SCRIPTS + PACE)
def test_a_run(script: str) -> None:
    Run(script)


def test_what_a_pause_is_made_of_is_given_by_name_and_stays() -> None:
    with pytest.raises(TypeError):
        Pause("outage", 0.75, 3, 1)  # type: ignore[call-arg] # the point
    pause = Pause(reason="outage", seconds_left=1, waiting=3, number=1)
    with pytest.raises(AttributeError):
        pause.waiting = 0  # type: ignore[misc] # the point


@pytest.mark.parametrize(
    ("script", "line", "times"),
    [
        ("go a b c; 503 a b c; +1; send c; 503 c", ". Next request in 0.8 s; the run ends if ", 1),
        ("go a b c; 429/60 a b; +61; send a", "rate limit: HTTP 429 with", 1),
        ("go a b; stop; send; stale a", "retry in", 0),
    ],
)
def test_what_is_logged(script: str, line: str, times: int) -> None:
    with log_records() as records:
        Run(script)
    assert sum(line in record.getMessage() for record in records) == times


def test_what_was_not_sent_says_so_and_can_be_tried_again() -> None:
    (run := Run("+0")).admit(iter([uuid.UUID(int=7)]))
    run.then("stop; send")
    [outcome] = run.outcomes
    assert isinstance(outcome, NotTriedError)
    assert outcome.session_id == str(uuid.UUID(int=7))
    assert ": the run ended before anything was sent for it. This call did" in str(outcome)
    assert outcome.transient


def test_a_run_that_is_stopped_while_it_looks_at_the_clock_sends_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = Run("take a")

    def stop() -> float:
        run.stop()
        return 0.0

    monkeypatch.setattr(run.clock, "monotonic", stop)
    assert run.next_job() is None


def test_the_time_that_the_ids_take_is_no_part_of_an_outage() -> None:
    run = Run("deadline 100 | go a b; lost a b; +8; send b; lost b")

    def ids() -> Iterator[str]:
        run.clock.now += 300
        yield "c"

    run.admit(ids())
    run.then("send a; lost a; +91; send b; lost b; ended by = none; +1; send")
    assert isinstance(run.ended_by, RunEndedError)
    assert run.ended_by.lasted == 100


def test_what_is_in_flight_when_all_is_ended_is_unknown_and_nothing_more_is_taken_of_it() -> None:
    run = Run("go a; 503 a; +1; send a; stop")
    run.end_remaining(even_in_flight=True)
    assert (len(run.in_flight), run.waiting, len(run.outcomes)) == (0, 0, 1)
    assert "the run was left before the response was read" in str(run.outcomes[0])
    run.then("ok a; ended = a UnreachableError unknown x2")


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
    run.then("stop; send; ended = a DeletionReceipt gone x1")


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        ("faulty", "MemoryError"),
        ("exits", "SystemExit"),
        ("not-a-response", "TypeError"),
        ("unreadable", "AttributeError"),
    ],
)
def test_a_faulty_transport_ends_the_run_and_its_error_is_the_cause(result: str, kind: str) -> None:
    run = Run(f"go a b; {result} a; send")
    run.note_end_of_ids(OSError())  # The first reason is the reason.
    [outcome] = run.outcomes
    assert isinstance(outcome, UnreachableError)
    assert isinstance(outcome.__cause__, ConnectionLostError)
    assert f"the transport failed ({kind})" in str(outcome)
    run.then("ok b; send; ended = a UnreachableError unknown x1, b DeletionReceipt gone x1")
    assert run.is_finished
    assert str(run.ended_by) == f"no request can be sent ({kind})"
    assert run.ended_by
    for error in (outcome.__cause__, run.ended_by):
        cause = error.__cause__
        assert (type(cause).__name__, cause and cause.__traceback__) == (kind, None)
