"""Which ids of a run may send now, which wait until when, and what came of each."""

from typing import NoReturn

import pytest

from firecrawl_interact.core import (
    ConnectFailedError,
    ConnectionLostError,
    DeleteSession,
    DeletionReceipt,
    InvalidSessionIdError,
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
from firecrawl_interact.core.scheduler import Scheduler

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

    def monotonic(self) -> float:
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
        handed_out = list(self.scheduler.sends())
        assert [job.session_id for job in handed_out] == list(session_ids)
        return handed_out

    def send(self, session_id: str) -> Job:
        """Take an id, and hand it out."""
        self.take(session_id)
        return self.sends(session_id)[0]

    def settle(self, job: Job, end: Response | BaseException) -> None:
        def result() -> Response:
            if isinstance(end, BaseException):
                raise end
            return end

        self.scheduler.settle(job, result)

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
    driver.scheduler.is_stopped = True
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
    driver.scheduler.is_stopped = True
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


# The rate limit


def test_ids_that_got_a_429_go_in_the_order_of_their_responses() -> None:
    driver = Driver()
    jobs = {name: driver.send(name) for name in ("a", "b", "c", "d")}
    for name in ("c", "a", "b"):
        driver.settle(jobs[name], limited())
    driver.settle(jobs["d"], DESTROYED)
    driver.clock.now += MINUTE
    driver.sends("c")  # one was taken: so many may go at first


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


# A service that is down


def spend(driver: Driver) -> None:
    """Spend the whole budget."""
    for name in range(20):
        driver.settle(driver.send(str(name)), UNAVAILABLE)
    driver.clock.now += 1
    for job in driver.scheduler.sends():
        driver.settle(job, UNAVAILABLE)
    assert len(driver.outcomes) == 20


# Stopped


def stop(driver: Driver) -> list[object]:
    driver.scheduler.is_stopped = True
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


def test_when_stopped_who_waits_ends_with_what_the_last_try_met() -> None:
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


# Not carried


def test_what_an_executor_does_not_take_was_not_sent() -> None:
    driver = Driver()
    error = RuntimeError("cannot schedule new futures after shutdown")
    driver.scheduler.give_up_carrier(driver.send("a"), error, sent=False)
    (outcome,) = driver.outcomes
    assert isinstance(outcome, UnreachableError)
    assert isinstance(outcome.__cause__, ConnectFailedError)
    assert outcome.__cause__.__cause__ is error
    assert (outcome.session_fate, outcome.transient) == (SessionFate.UNTOUCHED, False)


@pytest.mark.parametrize("error", [OSError("pipe"), MemoryError()], ids=repr)
def test_what_an_executor_loses_may_have_been_sent(error: Exception) -> None:
    driver = Driver()
    driver.settle(driver.send("a"), error)
    (outcome,) = driver.outcomes
    assert isinstance(outcome, UnreachableError)
    assert isinstance(outcome.__cause__, ConnectionLostError)
    assert outcome.__cause__.__cause__ is error
    assert (outcome.session_fate, outcome.transient) == (SessionFate.UNKNOWN, False)


@pytest.mark.parametrize("sent", [True, False])
def test_after_what_was_not_carried_no_id_is_taken_and_the_run_fails(sent: bool) -> None:
    driver = Driver()
    error = OSError("pipe")
    job, other = driver.send("a"), driver.send("b")
    driver.scheduler.give_up_carrier(job, error, sent=sent)
    assert not driver.scheduler.has_room()
    driver.settle(other, DESTROYED)
    assert len(driver.outcomes) == 2
    assert driver.scheduler.is_finished
    assert isinstance(driver.scheduler.failure, RuntimeError)
    assert "(OSError): the executor or the transport cannot be used" in str(
        driver.scheduler.failure
    )
    assert driver.scheduler.failure.__cause__ is error


def test_what_was_not_carried_is_no_longer_in_flight() -> None:
    driver = Driver()
    for _ in range(2):
        driver.settle(driver.send("limited"), limited(1))
        driver.clock.now += 1.5
        (job,) = driver.sends("limited")
        driver.scheduler.give_up_carrier(job, OSError("pipe"), sent=False)
    assert len(driver.outcomes) == 2
    driver.no_more()
    assert driver.scheduler.is_finished


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), SystemExit()], ids=repr)
def test_an_interruption_of_the_carrier_passes(interruption: BaseException) -> None:
    driver = Driver()
    job = driver.send("a")
    with pytest.raises(type(interruption)):
        driver.settle(job, interruption)


# How to call the gate is a matter of order, too
