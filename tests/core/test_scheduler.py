"""Which ids of a run may send now, which wait until when, and what came of each."""

import errno
import logging
from collections import deque
from typing import NoReturn

import pytest

from firecrawl_interact.core import (
    ConnectFailedError,
    ConnectionLostError,
    DeleteSession,
    DeletionReceipt,
    InvalidSessionIdError,
    OutageError,
    Outcome,
    RateLimitError,
    Request,
    Response,
    RetryPolicy,
    ServiceUnavailableError,
    SessionFate,
    TimedOutError,
    TransportError,
    UnreachableError,
)
from firecrawl_interact.core.job import Job
from firecrawl_interact.core.pacing import Pause
from firecrawl_interact.core.scheduler import Scheduler, Stage

from .log_records import log_records
from .scripted_transport import API_KEY, DESTROYED, RATE_LIMITED, UNAVAILABLE, response

ROUNDING = 0.5
"""Seconds. A wait that the service names may be rounded down: so much more is waited."""

MINUTE = 60 + ROUNDING


def limited(seconds: int = 60) -> Response:
    return response(429, {"success": False}, {"retry-after": str(seconds)})


class Clock:
    """All of a transport that a scheduler looks at."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.is_interrupted = False  # by a Ctrl-C, whenever somebody looks

    def monotonic(self) -> float:
        if self.is_interrupted:
            raise KeyboardInterrupt
        return self.now

    def send(self, request: Request, timeout: float) -> NoReturn:
        raise AssertionError("a scheduler sends nothing")

    def sleep(self, seconds: float) -> NoReturn:
        raise AssertionError("a scheduler waits for nothing")


class Driver:
    """A scheduler, and its clock."""

    def __init__(self, concurrency: int = 8, retry: RetryPolicy = RetryPolicy()) -> None:  # noqa: B008 - immutable
        self.clock = Clock()
        delete_session = DeleteSession(self.clock, API_KEY, retry=retry, random=lambda: 0.5)
        self.scheduler = Scheduler(delete_session, concurrency)

    def take(self, *session_ids: str) -> None:
        ids = iter(session_ids)
        for _ in session_ids:
            self.scheduler.admit(ids.__next__)

    def no_more(self) -> None:
        self.scheduler.admit(iter([]).__next__)

    def sends(self, *session_ids: str) -> list[Job]:
        """What may go now, which must be these in this order."""
        handed_out = list(self.scheduler.hand_out())
        assert [job.session_id for job in handed_out] == list(session_ids)
        return handed_out

    def send(self, session_id: str) -> Job:
        """Take an id, and hand it out."""
        self.take(session_id)
        return self.sends(session_id)[0]

    def settle(self, job: Job, end: Response | BaseException) -> None:
        self.scheduler.settle(job, end)

    @property
    def outcomes(self) -> list[object]:
        outcomes: list[object] = list(self.scheduler.outcomes)
        self.scheduler.outcomes.clear()
        return outcomes


# Room


def test_there_is_room_for_as_many_requests_as_may_be_in_flight() -> None:
    driver = Driver(concurrency=3)
    for session_id in ("a", "b", "c"):
        assert driver.scheduler.has_room()
        driver.send(session_id)
    assert not driver.scheduler.has_room()


def test_a_response_makes_room() -> None:
    driver = Driver(concurrency=1)
    job = driver.send("a")
    assert not driver.scheduler.has_room()
    driver.settle(job, DESTROYED)
    assert driver.scheduler.has_room()


def test_there_is_no_room_while_somebody_queues() -> None:
    driver = Driver(concurrency=8)
    driver.take("a")
    assert not driver.scheduler.has_room()
    driver.sends("a")
    assert driver.scheduler.has_room()


def test_there_is_no_room_while_an_id_that_got_a_429_waits() -> None:
    driver = Driver(concurrency=8)
    driver.settle(driver.send("a"), limited())
    assert not driver.scheduler.has_room()


def test_an_id_that_waits_for_its_retry_takes_up_room() -> None:
    driver = Driver(concurrency=2)
    driver.settle(driver.send("a"), UNAVAILABLE)
    assert driver.scheduler.has_room()
    driver.send("b")
    assert not driver.scheduler.has_room()


def test_an_id_that_cannot_be_sent_is_an_outcome_and_takes_up_no_room() -> None:
    driver = Driver(concurrency=1)
    driver.take("..")
    (outcome,) = driver.outcomes
    assert isinstance(outcome, InvalidSessionIdError)
    assert driver.scheduler.has_room()


def test_after_the_last_id_there_is_no_room() -> None:
    driver = Driver()
    driver.no_more()
    assert not driver.scheduler.has_room()


def test_after_stop_there_is_no_room() -> None:
    driver = Driver()
    driver.scheduler.reach(Stage.ENDED_EARLY)
    assert not driver.scheduler.has_room()


# The end


def test_it_is_finished_when_the_ids_are_and_every_outcome_is_handed_on() -> None:
    driver = Driver()
    job = driver.send("a")
    driver.no_more()
    assert not driver.scheduler.is_finished, "one is in flight"
    driver.settle(job, UNAVAILABLE)
    assert not driver.scheduler.is_finished, "it waits"
    driver.clock.now += 8
    (again,) = driver.sends("a")
    driver.settle(again, DESTROYED)
    assert not driver.scheduler.is_finished, "its outcome is still here"
    assert driver.outcomes
    assert driver.scheduler.is_finished


def test_it_is_not_finished_while_there_may_be_more_ids() -> None:
    assert not Driver().scheduler.is_finished


def test_it_is_not_finished_while_somebody_queues() -> None:
    driver = Driver()
    driver.take("a")
    driver.no_more()
    assert not driver.scheduler.is_finished


def test_when_stopped_it_is_finished_though_there_are_more_ids() -> None:
    driver = Driver()
    driver.scheduler.reach(Stage.ENDED_EARLY)
    assert driver.scheduler.is_finished


@pytest.mark.parametrize("end", [StopIteration(), StopAsyncIteration()], ids=repr)
def test_ids_end_as_iterators_do(end: Exception) -> None:
    driver = Driver()

    def next_id() -> NoReturn:
        raise end

    driver.scheduler.admit(next_id)
    assert driver.scheduler.is_finished
    assert driver.scheduler.failure is None


def test_what_the_ids_raise_is_kept_and_ends_them() -> None:
    driver = Driver()
    error = LookupError("no next page")

    def next_id() -> NoReturn:
        raise error

    driver.scheduler.admit(next_id)
    assert driver.scheduler.is_finished
    assert driver.scheduler.failure is error


# One session


def test_what_is_handed_out_is_the_request_and_its_seconds() -> None:
    driver = Driver(retry=RetryPolicy(attempt_timeout=75))
    job = driver.send("a.b")
    request, timeout = driver.scheduler.arguments(job)
    assert (request.method, request.path) == ("DELETE", "/v2/interact/a.b")
    assert request.headers["Authorization"] == f"Bearer {API_KEY}"
    assert timeout == 75


def test_a_response_becomes_an_outcome() -> None:
    driver = Driver()
    driver.settle(driver.send("a"), DESTROYED)
    assert driver.outcomes == [DeletionReceipt(session_id="a")]


def test_a_failure_becomes_an_outcome_with_its_cause() -> None:
    driver = Driver()
    failure = ConnectFailedError("bad certificate", transient=False)
    driver.settle(driver.send("a"), failure)
    (outcome,) = driver.outcomes
    assert isinstance(outcome, UnreachableError)
    assert outcome.__cause__ is failure


def test_a_retry_is_given_when_its_pause_is_over() -> None:
    driver = Driver()
    driver.settle(driver.send("a"), UNAVAILABLE)
    assert driver.scheduler.due_in() == pytest.approx(0.75)
    driver.clock.now += 0.74
    driver.sends()
    driver.clock.now += 0.02
    assert driver.scheduler.due_in() == 0
    driver.sends("a")


def test_nothing_is_due_while_only_responses_can_change_anything() -> None:
    driver = Driver()
    assert driver.scheduler.due_in() is None
    driver.send("a")
    assert driver.scheduler.due_in() is None


def test_what_comes_first_is_due_first() -> None:
    driver = Driver()
    jobs = [driver.send(name) for name in ("a", "b", "c")]
    driver.settle(jobs[0], limited(60))
    assert driver.scheduler.due_in() == 60
    driver.settle(jobs[1], UNAVAILABLE)
    assert driver.scheduler.due_in() == pytest.approx(0.75)


def test_nothing_is_due_by_itself_while_all_that_may_be_in_flight_is() -> None:
    driver = Driver(concurrency=1)
    driver.take("a", "b")
    driver.sends("a")
    assert driver.scheduler.due_in() is None


def test_when_stopped_what_queues_or_waits_is_due_at_once_and_nothing_else_is() -> None:
    queueing, waiting, neither = Driver(), Driver(), Driver()
    queueing.take("a")
    waiting.settle(waiting.send("a"), UNAVAILABLE)
    neither.send("a")
    for driver, due_in in [(queueing, 0), (waiting, 0), (neither, None)]:
        driver.scheduler.reach(Stage.ENDED_EARLY)
        assert driver.scheduler.due_in() == due_in


# The rate limit


def test_ids_that_got_a_429_go_in_the_order_of_their_responses() -> None:
    driver = Driver()
    jobs = {name: driver.send(name) for name in ("a", "b", "c", "d")}
    for name in ("c", "a", "b"):
        driver.settle(jobs[name], limited())
    driver.settle(jobs["d"], DESTROYED)
    driver.clock.now += MINUTE
    driver.sends("c")  # one was taken: so many may go at first


def test_ids_that_got_a_429_go_before_those_that_got_none() -> None:
    driver = Driver()
    first, second = driver.send("a"), driver.send("b")
    driver.settle(first, limited())
    driver.take("c")
    driver.settle(second, limited())
    driver.clock.now += MINUTE
    driver.sends("a", "b", "c")


def test_an_outage_does_not_shorten_the_pause_that_a_429_asks_for() -> None:
    driver = Driver()
    limited_one = driver.send("limited")
    driver.clock.now += 1
    lost = [driver.send("lost"), driver.send("lost-too")]
    driver.settle(limited_one, limited(60))
    for job in lost:
        driver.settle(job, ConnectionLostError("lost"))
    driver.take("new")
    pause = driver.scheduler.pause
    assert pause is not None
    assert (pause.reason, pause.seconds_left) == ("outage", 60)
    driver.clock.now += 59
    driver.sends()
    driver.clock.now += 1
    driver.sends("new")


def test_a_wait_that_is_as_long_as_the_deadline_is_begun() -> None:
    driver = Driver(retry=RetryPolicy(deadline=60.5))
    driver.settle(driver.send("a"), limited(60))
    assert not driver.outcomes
    driver.clock.now += 60.5
    driver.sends("a")


def test_the_waits_for_the_rate_limit_cost_an_id_none_of_its_time() -> None:
    driver = Driver(retry=RetryPolicy(deadline=100, attempt_timeout=200))
    job = driver.send("a")
    for _ in range(3):
        driver.clock.now += 5
        driver.settle(job, limited(20))
        driver.clock.now += 20
        (job,) = driver.sends("a")
        assert driver.scheduler.arguments(job)[1] == 100


# An outage

OUTAGE_PAUSE = 0.75  # the policy's first pause


def fail_all(driver: Driver, *session_ids: str) -> None:
    """Send them, and let each get a response with status 503. The last one then goes first."""
    for job in [driver.send(session_id) for session_id in session_ids]:
        driver.settle(job, UNAVAILABLE)


def test_in_an_outage_one_request_at_a_time_finds_out_each_for_another_id() -> None:
    driver = Driver()
    fail_all(driver, "a", "b", "c")
    driver.sends()
    for name in ("c", "a", "b", "c"):
        driver.clock.now += 10
        assert driver.scheduler.due_in() == 0
        (probe,) = driver.sends(name)
        driver.sends()
        driver.settle(probe, UNAVAILABLE)
        driver.sends()


def test_in_an_outage_an_id_that_has_not_failed_goes_first() -> None:
    driver = Driver()
    fail_all(driver, "a", "b")
    assert driver.scheduler.has_room()
    driver.take("c")
    assert not driver.scheduler.has_room(), "one is enough to find out"
    driver.clock.now += OUTAGE_PAUSE
    driver.sends("c")


def test_in_an_outage_a_run_of_one_at_a_time_takes_eight_ids_to_find_out() -> None:
    driver = Driver(concurrency=1)
    held: list[str] = []
    while driver.scheduler.has_room():
        name = f"session-{len(held)}"
        held.append(name)
        driver.take(name)
        driver.clock.now += 8
        driver.settle(driver.sends(name)[0], UNAVAILABLE)
    assert len(held) == 8


def test_in_an_outage_a_wide_run_holds_as_many_ids_as_may_be_in_flight() -> None:
    driver = Driver(concurrency=12)
    fail_all(driver, *(f"session-{number}" for number in range(11)))
    driver.clock.now += 1
    driver.sends("session-10")
    driver.sends()
    assert driver.scheduler.has_room()


def test_an_outage_that_has_outlived_its_ids_lets_a_new_one_find_out() -> None:
    driver = Driver()
    fail_all(driver, "a", "b")
    for name in ("b", "a"):
        driver.clock.now += 8
        driver.settle(driver.sends(name)[0], ConnectFailedError("bad name", transient=False))
    assert len(driver.outcomes) == 2
    assert driver.scheduler.has_room()


def test_a_response_ends_an_outage_and_all_may_go() -> None:
    driver = Driver()
    fail_all(driver, "a", "b", "c")
    driver.clock.now += OUTAGE_PAUSE
    driver.settle(driver.sends("c")[0], DESTROYED)
    assert driver.scheduler.pause is None
    driver.sends("a", "b")


def test_an_outage_may_last_for_the_deadline() -> None:
    driver = Driver(retry=RetryPolicy(deadline=240))
    fail_all(driver, "a", "b")
    driver.clock.now += 239
    (probe,) = driver.sends("b")
    assert driver.scheduler.arguments(probe)[1] == 1, "it has what is left"
    assert driver.scheduler.due_in() == 1
    driver.settle(probe, UNAVAILABLE)
    driver.clock.now += 1
    assert driver.scheduler.due_in() == 0
    driver.sends()
    assert {type(outcome) for outcome in driver.outcomes} == {ServiceUnavailableError}
    assert driver.scheduler.is_finished
    assert not driver.scheduler.has_room()


def test_a_run_that_was_stopped_in_an_outage_is_not_ended_by_it() -> None:
    driver = Driver(retry=RetryPolicy(deadline=240))
    fail_all(driver, "a", "b")
    driver.scheduler.reach(Stage.ENDED_EARLY)
    driver.clock.now += 1_000
    driver.sends()
    assert len(driver.outcomes) == 2
    assert driver.scheduler.failure is None


@pytest.mark.parametrize("retry_after", [None, 3600])
def test_a_run_that_an_outage_ends_says_how_long_it_lasted_and_when_to_come_back(
    retry_after: int | None,
) -> None:
    driver = Driver(retry=RetryPolicy(deadline=100))
    headers = {} if retry_after is None else {"retry-after": str(retry_after)}
    away = response(503, {"success": False}, headers)
    for job in [driver.send("a"), driver.send("b")]:
        driver.settle(job, away)
    driver.clock.now += 100
    driver.sends()
    failure = driver.scheduler.failure
    assert isinstance(failure, OutageError)
    assert str(failure).startswith("the service has been away for 100 s (HTTP 503")
    assert (failure.lasted, failure.retry_after) == (100, retry_after)
    assert isinstance(failure.__cause__, ServiceUnavailableError)
    assert failure.__cause__.session_id == "b"


def test_what_fails_in_an_outage_is_no_attempt_of_its_id_and_costs_none_of_its_time() -> None:
    driver = Driver(retry=RetryPolicy(max_attempts=2, deadline=100, attempt_timeout=200))
    fail_all(driver, "a", "b")
    for name in ("b", "a", "b", "a", "b"):
        driver.clock.now += 8
        driver.settle(driver.sends(name)[0], UNAVAILABLE)
    driver.clock.now += 8
    driver.settle(driver.sends("a")[0], DESTROYED)
    (job,) = driver.sends("b")
    assert driver.scheduler.arguments(job)[1] == 100
    driver.settle(job, UNAVAILABLE)
    assert driver.outcomes == [DeletionReceipt(session_id="a", attempts=4)], "b has one more"


@pytest.mark.parametrize(
    "end",
    [
        response(409, {"success": False, "error": "in progress"}),
        ConnectionLostError("closed", stale=True),
    ],
    ids=["conflict", "stale"],
)
def test_some_failures_are_no_sign_of_an_outage(end: Response | TransportError) -> None:
    driver = Driver()
    for job in [driver.send(name) for name in ("a", "b", "c")]:
        driver.settle(job, end)
    assert driver.scheduler.pause is None


def test_a_failure_while_a_request_is_in_flight_is_its_ids_own_affair() -> None:
    driver = Driver()
    jobs = [driver.send(name) for name in ("a", "b", "c")]
    driver.clock.now += 1
    for job in jobs[:2]:
        driver.settle(job, UNAVAILABLE)
    assert driver.scheduler.pause is None
    driver.settle(jobs[2], UNAVAILABLE)
    assert driver.scheduler.pause


def test_an_outage_does_not_begin_while_a_request_from_before_it_is_in_flight() -> None:
    driver = Driver()
    first, _ = [driver.send(name) for name in ("a", "b")]
    driver.clock.now += 0.1
    driver.settle(first, UNAVAILABLE)
    driver.clock.now += 0.1
    later, _ = [driver.send(name) for name in ("c", "d")]
    driver.settle(later, UNAVAILABLE)
    assert driver.scheduler.pause is None


def test_an_attempt_that_failed_by_itself_takes_of_its_ids_time() -> None:
    driver = Driver(retry=RetryPolicy(deadline=10))
    first, _ = [driver.send(name) for name in ("a", "b")]
    driver.clock.now += 6
    driver.settle(first, UNAVAILABLE)
    driver.clock.now += 1
    (again,) = driver.sends("a")
    driver.clock.now += 2
    driver.settle(again, UNAVAILABLE)
    assert [type(outcome) for outcome in driver.outcomes] == [ServiceUnavailableError]


def test_an_outage_holds_back_what_has_failed_by_itself_before() -> None:
    driver = Driver(retry=RetryPolicy(max_attempts=2))
    poisoned, served = [driver.send(name) for name in ("a", "b")]
    driver.settle(served, DESTROYED)
    driver.settle(poisoned, UNAVAILABLE)
    driver.clock.now += 1
    (poisoned,) = driver.sends("a")
    driver.settle(driver.send("c"), UNAVAILABLE)
    driver.settle(poisoned, UNAVAILABLE)
    assert driver.outcomes == [DeletionReceipt(session_id="b")]
    assert driver.scheduler.pause


def test_a_request_from_before_an_outage_does_not_count_as_the_one_that_finds_out() -> None:
    driver = Driver(retry=RetryPolicy(max_attempts=1))
    first, second, _ = [driver.send(name) for name in ("a", "b", "c")]
    driver.settle(first, UNAVAILABLE)
    driver.settle(second, UNAVAILABLE)
    driver.clock.now += OUTAGE_PAUSE
    driver.sends("b")


def test_an_id_that_comes_again_is_a_new_one() -> None:
    driver = Driver(retry=RetryPolicy(max_attempts=1))
    first, other = driver.send("a"), driver.send("b")
    driver.settle(other, DESTROYED)
    driver.settle(first, UNAVAILABLE)
    driver.clock.now += 10
    jobs = [driver.send(name) for name in ("a", "c")]
    driver.no_more()
    for job in jobs:
        driver.settle(job, UNAVAILABLE)
    assert driver.scheduler.pause, "two ids have failed, and nothing refutes it"


def pauses_in(records: list[logging.LogRecord]) -> list[str]:
    return [record.getMessage() for record in records if "nothing is sent" in record.msg]


def test_each_pause_is_logged_once_with_how_many_wait() -> None:
    driver = Driver()
    with log_records() as records:
        fail_all(driver, "a", "b", "c")
        driver.clock.now += OUTAGE_PAUSE
        driver.settle(driver.sends("c")[0], UNAVAILABLE)
        driver.clock.now += 8
        driver.settle(driver.sends("a")[0], DESTROYED)
        for job in driver.sends("b", "c"):
            driver.settle(job, limited(60))
    assert pauses_in(records) == [
        "outage: nothing is sent for 0.8 s, 3 sessions wait",
        "rate limit: nothing is sent for 60.0 s, 1 sessions wait",
    ]


def test_a_429_that_ends_an_outage_begins_a_pause_for_those_that_wait() -> None:
    driver = Driver()
    fail_all(driver, "a", "b", "c")
    driver.clock.now += OUTAGE_PAUSE
    with log_records() as records:
        driver.settle(driver.sends("c")[0], limited(60))
    assert pauses_in(records) == ["rate limit: nothing is sent for 60.0 s, 3 sessions wait"]


# File descriptors


def no_descriptor() -> ConnectFailedError:
    failure = ConnectFailedError("too many open files")
    failure.__cause__ = OSError(errno.EMFILE, "too many open files")
    return failure


def test_without_file_descriptors_the_run_goes_on_with_as_many_as_are_in_flight() -> None:
    driver = Driver(concurrency=4)
    jobs = [driver.send(name) for name in ("a", "b", "c", "d")]
    with log_records() as records:
        for job in jobs[2:]:
            driver.settle(job, no_descriptor())
    assert not driver.scheduler.has_room()
    assert driver.scheduler.pause is None
    assert ["no file descriptor or thread left" in record.msg for record in records].count(
        True
    ) == 1
    driver.sends()
    driver.settle(jobs[0], DESTROYED)
    driver.sends("c")


def test_without_any_file_descriptor_it_is_the_ids_own_failure() -> None:
    driver = Driver()
    driver.settle(driver.send("a"), no_descriptor())
    assert driver.scheduler.due_in() == pytest.approx(0.75)


def test_a_refused_connection_is_no_lack_of_file_descriptors() -> None:
    driver = Driver(concurrency=4)
    first, _ = [driver.send(name) for name in ("a", "b")]
    refused = ConnectFailedError("refused")
    refused.__cause__ = ConnectionRefusedError(errno.ECONNREFUSED, "refused")
    driver.settle(first, refused)
    assert driver.scheduler.has_room()


# The rate limit ends a run


def test_a_rate_limit_that_outlasts_the_deadline_ends_the_run() -> None:
    driver = Driver(retry=RetryPolicy(deadline=100))
    driver.settle(driver.send("a"), limited(1))
    driver.clock.now += 100
    driver.settle(driver.sends("a")[0], limited(1))
    driver.clock.now += 50  # As long as the deadline was not too long: it goes once more.
    driver.settle(driver.sends("a")[0], limited(1))
    assert driver.scheduler.is_stopped
    failure = driver.scheduler.failure
    assert isinstance(failure, OutageError)
    assert failure.args[0] == "the rate limit has let no request through for 150 s"
    assert (failure.lasted, failure.retry_after) == (150, 1)
    assert isinstance(failure.__cause__, RateLimitError)


def test_a_wait_that_is_longer_than_the_deadline_ends_the_run() -> None:
    driver = Driver(retry=RetryPolicy(deadline=100))
    driver.settle(driver.send("a"), limited(101))
    assert driver.scheduler.is_stopped
    failure = driver.scheduler.failure
    assert isinstance(failure, OutageError)
    assert failure.args[0] == "the rate limit asks for a wait of 101 s"
    assert (failure.lasted, failure.retry_after) == (0, 101)


def test_a_429_that_names_no_wait_is_waited_for_however_short_the_deadline() -> None:
    driver = Driver(retry=RetryPolicy(deadline=0.5))
    driver.settle(driver.send("a"), RATE_LIMITED)
    assert not driver.scheduler.is_stopped


def test_a_request_that_is_accepted_begins_the_rate_limits_time_anew() -> None:
    driver = Driver(retry=RetryPolicy(deadline=100))
    driver.settle(driver.send("a"), limited(1))
    driver.clock.now += 60
    driver.settle(driver.sends("a")[0], UNAVAILABLE)
    driver.clock.now += 50
    driver.settle(driver.sends("a")[0], limited(1))
    assert not driver.scheduler.is_stopped


# What holds a run back


def test_nothing_holds_a_run_back_before_anything_has_happened() -> None:
    driver = Driver()
    driver.take("a")
    assert driver.scheduler.pause is None


def test_a_429_holds_a_run_back_until_its_wait_is_over() -> None:
    driver = Driver()
    first, _ = driver.send("a"), driver.send("b")
    driver.settle(first, limited(60))
    driver.clock.now += 20
    assert driver.scheduler.pause == Pause(
        reason="rate limit", seconds_left=40, waiting=1, number=1
    )
    driver.clock.now += 40
    assert driver.scheduler.pause is None


def test_an_outage_holds_a_run_back_until_somebody_may_find_out() -> None:
    driver = Driver()
    for job in [driver.send(name) for name in ("a", "b", "c")]:
        driver.settle(job, UNAVAILABLE)
    assert driver.scheduler.pause == Pause(reason="outage", seconds_left=0.75, waiting=3, number=1)
    driver.clock.now += 1
    assert driver.scheduler.pause == Pause(reason="outage", seconds_left=0, waiting=3, number=1)


def test_a_pause_cannot_be_changed() -> None:
    pause = Pause(reason="outage", seconds_left=0.75, waiting=3, number=1)
    with pytest.raises(AttributeError):
        pause.waiting = 0  # type: ignore[misc] # the point


def test_what_a_pause_is_made_of_is_given_by_name() -> None:
    with pytest.raises(TypeError):
        Pause("outage", 0.75, 3, 1)  # type: ignore[call-arg] # the point


def test_each_pause_has_a_number_of_its_own() -> None:
    driver = Driver()
    numbers = []
    for _ in range(3):
        driver.settle(driver.send("a"), limited(60))
        assert driver.scheduler.pause
        numbers.append(driver.scheduler.pause.number)
        driver.clock.now += MINUTE
        driver.settle(driver.sends("a")[0], DESTROYED)
        driver.clock.now += MINUTE
    assert numbers == [1, 2, 3]


def test_a_pause_right_after_another_has_a_number_and_a_line_of_its_own() -> None:
    driver = Driver()
    with log_records() as records:
        driver.settle(driver.send("a"), limited(60))
        driver.clock.now += 60
        driver.settle(driver.sends("a")[0], limited(30))
    assert driver.scheduler.pause
    assert driver.scheduler.pause.number == 2
    assert pauses_in(records) == [
        "rate limit: nothing is sent for 60.0 s, 1 sessions wait",
        "rate limit: nothing is sent for 30.0 s, 1 sessions wait",
    ]


def test_a_request_that_finds_out_in_an_outage_does_not_end_its_pause() -> None:
    driver = Driver()
    fail_all(driver, "a", "b", "c")
    driver.clock.now += OUTAGE_PAUSE
    driver.settle(driver.sends("c")[0], UNAVAILABLE)
    assert driver.scheduler.pause
    assert driver.scheduler.pause.number == 1


def test_a_run_that_is_stopped_is_not_held_back() -> None:
    driver = Driver()
    driver.settle(driver.send("a"), limited(60))
    driver.scheduler.reach(Stage.ENDED_EARLY)
    assert driver.scheduler.pause is None


def test_the_summary_counts_what_is_on_its_way() -> None:
    driver = Driver()
    ends = [UNAVAILABLE, limited(60), limited(60)]
    for job, end in zip([driver.send(name) for name in ("a", "b", "c", "d")], ends, strict=False):
        driver.settle(job, end)
    driver.take("..")
    assert driver.scheduler.summary == "1 in flight, 3 waiting, 1 ended"


# Stopped


def stop(driver: Driver) -> list[object]:
    driver.scheduler.reach(Stage.ENDED_EARLY)
    driver.sends()
    return driver.outcomes


def test_when_stopped_who_was_not_tried_is_untouched() -> None:
    driver = Driver()
    driver.take("a")
    (outcome,) = stop(driver)
    assert isinstance(outcome, UnreachableError)
    assert str(outcome).startswith("Session 'a': the run ended before anything was sent.")
    assert (outcome.session_fate, outcome.attempts) == (SessionFate.UNTOUCHED, 0)
    assert outcome.transient


def test_when_stopped_who_waits_ends_with_what_the_last_attempt_met() -> None:
    driver = Driver()
    driver.settle(driver.send("a"), TimedOutError("silence"))
    (outcome,) = stop(driver)
    assert isinstance(outcome, UnreachableError)
    assert (outcome.session_fate, outcome.attempts) == (SessionFate.UNKNOWN, 1)


def test_a_stopped_id_that_waits_for_its_retry_ends_with_what_its_last_attempt_met() -> None:
    driver = Driver()
    first, second = driver.send("first"), driver.send("second")
    driver.settle(first, UNAVAILABLE)
    driver.settle(second, limited())
    driver.clock.now += 1
    driver.sends()  # the first queues behind the second now
    rate_limited, unavailable = stop(driver)
    assert isinstance(rate_limited, RateLimitError)
    assert isinstance(unavailable, ServiceUnavailableError)


def test_a_stopped_id_that_got_a_429_ends_with_it() -> None:
    driver = Driver()
    driver.settle(driver.send("a"), limited(34))
    driver.clock.now += 10
    (outcome,) = stop(driver)
    assert isinstance(outcome, RateLimitError)
    assert (outcome.session_fate, outcome.attempts) == (SessionFate.UNTOUCHED, 1)
    assert outcome.retry_after == 34


def test_a_stopped_id_forgets_a_429_that_it_has_waited_for() -> None:
    driver = Driver()
    driver.settle(driver.send("a"), limited())
    driver.clock.now += MINUTE
    driver.settle(driver.sends("a")[0], UNAVAILABLE)
    assert [type(outcome) for outcome in stop(driver)] == [ServiceUnavailableError]


def test_a_stopped_id_does_not_forget_an_uncertain_attempt_before_the_429() -> None:
    driver = Driver()
    driver.settle(driver.send("a"), TimedOutError("silence"))
    driver.clock.now += 1
    driver.settle(driver.sends("a")[0], limited())
    (outcome,) = stop(driver)
    assert isinstance(outcome, RateLimitError)
    assert (outcome.session_fate, outcome.attempts) == (SessionFate.UNKNOWN, 2)


@pytest.mark.parametrize(
    ("end", "kind"),
    [
        (DESTROYED, DeletionReceipt),
        (UNAVAILABLE, ServiceUnavailableError),
        (limited(), RateLimitError),
        (RATE_LIMITED, RateLimitError),
        (ConnectionLostError("closed", stale=True), UnreachableError),
    ],
    ids=["destroyed", "unavailable", "limited", "limited-without-a-time", "stale"],
)
def test_when_stopped_what_is_in_flight_ends_with_its_outcome(
    end: Response | TransportError, kind: type
) -> None:
    driver = Driver()
    job = driver.send("a")
    assert stop(driver) == []
    assert not driver.scheduler.is_finished
    driver.settle(job, end)
    driver.sends()
    assert [type(outcome) for outcome in driver.outcomes] == [kind]
    assert driver.scheduler.is_finished


def test_what_is_in_flight_when_all_is_ended_is_unknown_and_says_how_often_it_was_sent() -> None:
    driver = Driver()
    driver.settle(driver.send("a"), UNAVAILABLE)
    driver.clock.now += 1
    driver.sends("a")
    driver.scheduler.end_all()
    (outcome,) = driver.outcomes
    assert isinstance(outcome, UnreachableError)
    assert "the run was left before the response was read" in str(outcome)
    assert (outcome.session_fate, outcome.attempts) == (SessionFate.UNKNOWN, 2)


def test_when_all_is_ended_nothing_is_in_flight() -> None:
    driver = Driver()
    driver.send("a")
    driver.scheduler.end_all()
    assert driver.scheduler.summary == "0 in flight, 0 waiting, 1 ended"


def test_what_a_ctrl_c_kept_from_being_sent_is_untouched() -> None:
    driver = Driver()

    def next_id() -> str:
        driver.clock.is_interrupted = True
        return "a"

    with pytest.raises(KeyboardInterrupt):
        driver.scheduler.admit(next_id)
    driver.clock.is_interrupted = False
    driver.scheduler.end_all()
    (outcome,) = driver.outcomes
    assert isinstance(outcome, UnreachableError)
    assert (outcome.session_fate, outcome.attempts) == (SessionFate.UNTOUCHED, 0)


def test_a_stopped_run_announces_no_retry() -> None:
    driver = Driver()
    first, _ = [driver.send(name) for name in ("a", "b")]
    driver.scheduler.reach(Stage.ENDED_EARLY)
    with log_records() as records:
        driver.settle(first, UNAVAILABLE)
    assert not [record for record in records if "retry in" in record.msg]


# Not carried


@pytest.mark.parametrize("error", [OSError("pipe"), MemoryError(), SystemExit()], ids=repr)
def test_what_a_faulty_transport_raises_may_have_been_sent(error: BaseException) -> None:
    driver = Driver()
    driver.settle(driver.send("a"), error)
    (outcome,) = driver.outcomes
    assert isinstance(outcome, UnreachableError)
    assert isinstance(outcome.__cause__, ConnectionLostError)
    assert outcome.__cause__.__cause__ is error
    assert (outcome.session_fate, outcome.transient) == (SessionFate.UNKNOWN, False)


def test_after_a_fault_of_the_transport_no_id_is_taken_and_the_run_fails() -> None:
    driver = Driver()
    error = OSError("pipe")
    job, other = driver.send("a"), driver.send("b")
    driver.settle(job, error)
    assert not driver.scheduler.has_room()
    driver.settle(other, DESTROYED)
    assert len(driver.outcomes) == 2
    assert driver.scheduler.is_finished
    assert isinstance(driver.scheduler.failure, RuntimeError)
    assert "no request can be sent (OSError)" in str(driver.scheduler.failure)
    assert driver.scheduler.failure.__cause__ is error


# How to call the gate is a matter of order, too


def test_a_request_that_an_outage_outlives_meanwhile_still_has_a_timeout() -> None:
    driver = Driver()
    for job in (driver.send("a"), driver.send("b")):
        driver.settle(job, UNAVAILABLE)
    driver.clock.now += 10
    job = next(driver.scheduler.hand_out())
    job.sent_at += RetryPolicy().deadline
    assert driver.scheduler.arguments(job)[1] == 0.001


def test_an_accepted_request_ends_the_distance_after_two_pauses_in_a_row() -> None:
    driver = Driver()
    job = driver.send("a")
    for _ in range(2):
        driver.settle(job, RATE_LIMITED)
        driver.clock.now += MINUTE
        (job,) = driver.sends("a")
    driver.settle(job, DESTROYED)
    driver.clock.now += MINUTE
    driver.take("b", "c")
    driver.sends("b", "c")


class InterruptedOutcomes(deque[Outcome]):
    """Somebody presses Ctrl-C when an outcome is there, and nothing else knows of it yet."""

    def append(self, outcome: Outcome) -> None:
        super().append(outcome)
        raise KeyboardInterrupt


def test_an_outcome_that_was_interrupted_comes_once() -> None:
    driver = Driver()
    job = driver.send("a")
    driver.scheduler.outcomes = InterruptedOutcomes()
    with pytest.raises(KeyboardInterrupt):
        driver.settle(job, DESTROYED)
    driver.scheduler.end_all()
    assert driver.outcomes == [DeletionReceipt(session_id="a")]


def test_a_run_that_is_left_between_two_requests_of_one_turn_sends_no_more() -> None:
    driver = Driver()
    driver.take("a", "b")
    handed_out = driver.scheduler.hand_out()
    assert next(handed_out).session_id == "a"
    driver.scheduler.reach(Stage.LEFT)
    assert list(handed_out) == []
