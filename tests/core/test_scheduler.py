"""The bookkeeping of many sessions: who may send now, who waits until when, what came of whom."""

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


def refused(seconds: int = 60) -> Response:
    return response(429, {"success": False}, {"retry-after": str(seconds)})


class Clock:
    """All of a transport that the bookkeeping looks at."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now

    def send(self, request: Request, timeout: float) -> NoReturn:
        raise AssertionError("the bookkeeping sends nothing")

    def sleep(self, seconds: float) -> NoReturn:
        raise AssertionError("the bookkeeping waits for nothing")


class Bookkeeping:
    """A batch, and its clock."""

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
    book = Bookkeeping(concurrency=3)
    for session_id in ("a", "b", "c"):
        assert book.scheduler.has_room()
        book.send(session_id)
    assert not book.scheduler.has_room()


def test_a_response_makes_room() -> None:
    book = Bookkeeping(concurrency=1)
    job = book.send("a")
    assert not book.scheduler.has_room()
    book.settle(job, DESTROYED)
    assert book.scheduler.has_room()


def test_there_is_no_room_while_somebody_queues() -> None:
    book = Bookkeeping(concurrency=8)
    book.take("a")
    assert not book.scheduler.has_room()
    book.sends("a")
    assert book.scheduler.has_room()


def test_there_is_no_room_while_a_refused_one_queues() -> None:
    book = Bookkeeping(concurrency=8)
    book.settle(book.send("a"), refused())
    assert not book.scheduler.has_room()


def test_an_id_that_waits_for_its_retry_takes_up_room() -> None:
    book = Bookkeeping(concurrency=2)
    book.settle(book.send("a"), UNAVAILABLE)
    assert book.scheduler.has_room()
    book.send("b")
    assert not book.scheduler.has_room()


def test_an_id_that_cannot_be_sent_is_an_outcome_and_takes_up_no_room() -> None:
    book = Bookkeeping(concurrency=1)
    book.take("..")
    (outcome,) = book.outcomes
    assert isinstance(outcome, InvalidSessionIdError)
    assert book.scheduler.has_room()


def test_after_the_last_id_there_is_no_room() -> None:
    book = Bookkeeping()
    book.no_more()
    assert not book.scheduler.has_room()


def test_after_stop_there_is_no_room() -> None:
    book = Bookkeeping()
    book.scheduler.is_stopped = True
    assert not book.scheduler.has_room()


# The end


def test_it_is_finished_when_the_ids_are_and_every_outcome_is_handed_on() -> None:
    book = Bookkeeping()
    job = book.send("a")
    book.no_more()
    assert not book.scheduler.is_finished, "one is in flight"
    book.settle(job, UNAVAILABLE)
    assert not book.scheduler.is_finished, "it waits"
    book.clock.now += 8
    (again,) = book.sends("a")
    book.settle(again, DESTROYED)
    assert not book.scheduler.is_finished, "its outcome is still here"
    assert book.outcomes
    assert book.scheduler.is_finished


def test_it_is_not_finished_while_there_may_be_more_ids() -> None:
    assert not Bookkeeping().scheduler.is_finished


def test_it_is_not_finished_while_somebody_queues() -> None:
    book = Bookkeeping()
    book.take("a")
    book.no_more()
    assert not book.scheduler.is_finished


def test_when_stopped_it_is_finished_though_there_are_more_ids() -> None:
    book = Bookkeeping()
    book.scheduler.is_stopped = True
    assert book.scheduler.is_finished


@pytest.mark.parametrize("end", [StopIteration(), StopAsyncIteration()], ids=repr)
def test_ids_end_as_iterators_do(end: Exception) -> None:
    book = Bookkeeping()

    def next_id() -> NoReturn:
        raise end

    book.scheduler.admit(next_id)
    assert book.scheduler.is_finished
    assert book.scheduler.failure is None


def test_what_the_ids_raise_is_kept_and_ends_them() -> None:
    book = Bookkeeping()
    error = LookupError("no next page")

    def next_id() -> NoReturn:
        raise error

    book.scheduler.admit(next_id)
    assert book.scheduler.is_finished
    assert book.scheduler.failure is error


# One session


def test_what_is_handed_out_is_the_request_and_its_seconds() -> None:
    book = Bookkeeping(retry=RetryPolicy(attempt_timeout=75))
    job = book.send("a.b")
    request, timeout = book.scheduler.arguments(job)
    assert (request.method, request.path) == ("DELETE", "/v2/interact/a.b")
    assert request.headers["Authorization"] == f"Bearer {API_KEY}"
    assert timeout == 75


def test_a_response_becomes_an_outcome() -> None:
    book = Bookkeeping()
    book.settle(book.send("a"), DESTROYED)
    assert book.outcomes == [DeletionReceipt(session_id="a")]


def test_a_failure_becomes_an_outcome_with_its_cause() -> None:
    book = Bookkeeping()
    failure = ConnectFailedError("bad certificate", transient=False)
    book.settle(book.send("a"), failure)
    (outcome,) = book.outcomes
    assert isinstance(outcome, UnreachableError)
    assert outcome.__cause__ is failure


def test_a_retry_is_given_when_its_pause_is_over() -> None:
    book = Bookkeeping()
    book.settle(book.send("a"), UNAVAILABLE)
    assert book.scheduler.due_in() == pytest.approx(0.75)
    book.clock.now += 0.74
    book.sends()
    book.clock.now += 0.02
    assert book.scheduler.due_in() == 0
    book.sends("a")


def test_nothing_is_due_while_only_responses_can_change_anything() -> None:
    book = Bookkeeping()
    assert book.scheduler.due_in() is None
    book.send("a")
    assert book.scheduler.due_in() is None


# The rate limit


def test_the_refused_go_in_the_order_in_which_they_were_refused() -> None:
    book = Bookkeeping()
    jobs = {name: book.send(name) for name in ("a", "b", "c", "d")}
    for name in ("c", "a", "b"):
        book.settle(jobs[name], refused())
    book.settle(jobs["d"], DESTROYED)
    book.clock.now += MINUTE
    book.sends("c")  # one was taken: so many may go at first


def test_a_wait_that_is_as_long_as_the_deadline_is_begun() -> None:
    book = Bookkeeping(retry=RetryPolicy(deadline=60.5))
    book.settle(book.send("a"), refused(60))
    assert not book.outcomes
    book.clock.now += 60.5
    book.sends("a")


# A service that is down


def spend(book: Bookkeeping) -> None:
    """Spend the whole budget."""
    for name in range(20):
        book.settle(book.send(str(name)), UNAVAILABLE)
    book.clock.now += 1
    for job in book.scheduler.sends():
        book.settle(job, UNAVAILABLE)
    assert len(book.outcomes) == 20


# Stopped


def stop(book: Bookkeeping) -> list[object]:
    book.scheduler.is_stopped = True
    book.sends()
    return book.outcomes


def test_when_stopped_who_was_not_tried_is_untouched() -> None:
    book = Bookkeeping()
    book.take("a")
    (outcome,) = stop(book)
    assert isinstance(outcome, UnreachableError)
    assert str(outcome).startswith("Session 'a': the run ended before anything was sent.")
    assert (outcome.session_fate, outcome.attempts) == (SessionFate.UNTOUCHED, 0)
    assert outcome.transient


def test_when_stopped_who_waits_ends_with_what_the_last_try_met() -> None:
    book = Bookkeeping()
    book.settle(book.send("a"), TimedOutError("silence"))
    (outcome,) = stop(book)
    assert isinstance(outcome, UnreachableError)
    assert (outcome.session_fate, outcome.attempts) == (SessionFate.UNKNOWN, 1)


def test_a_stopped_id_that_waits_for_its_retry_ends_with_what_its_last_attempt_met() -> None:
    book = Bookkeeping()
    first, second = book.send("first"), book.send("second")
    book.settle(first, UNAVAILABLE)
    book.settle(second, refused())
    book.clock.now += 1
    book.sends()  # the first queues behind the second now
    limited, unavailable = stop(book)
    assert isinstance(limited, RateLimitError)
    assert isinstance(unavailable, ServiceUnavailableError)


def test_a_stopped_id_that_got_a_429_ends_with_it() -> None:
    book = Bookkeeping()
    book.settle(book.send("a"), refused(34))
    book.clock.now += 10
    (outcome,) = stop(book)
    assert isinstance(outcome, RateLimitError)
    assert (outcome.session_fate, outcome.attempts) == (SessionFate.UNTOUCHED, 1)
    assert outcome.retry_after == 34


def test_a_stopped_id_forgets_a_429_that_it_has_waited_for() -> None:
    book = Bookkeeping()
    book.settle(book.send("a"), refused())
    book.clock.now += MINUTE
    book.settle(book.sends("a")[0], UNAVAILABLE)
    assert [type(outcome) for outcome in stop(book)] == [ServiceUnavailableError]


def test_a_stopped_id_does_not_forget_an_uncertain_attempt_before_the_429() -> None:
    book = Bookkeeping()
    book.settle(book.send("a"), TimedOutError("silence"))
    book.clock.now += 1
    book.settle(book.sends("a")[0], refused())
    (outcome,) = stop(book)
    assert isinstance(outcome, RateLimitError)
    assert (outcome.session_fate, outcome.attempts) == (SessionFate.UNKNOWN, 2)


@pytest.mark.parametrize(
    ("end", "kind"),
    [
        (DESTROYED, DeletionReceipt),
        (UNAVAILABLE, ServiceUnavailableError),
        (refused(), RateLimitError),
        (RATE_LIMITED, RateLimitError),
        (ConnectionLostError("closed", stale=True), UnreachableError),
    ],
    ids=["destroyed", "unavailable", "refused", "refused-without-a-hint", "stale"],
)
def test_when_stopped_what_is_in_flight_ends_with_its_outcome(
    end: Response | TransportError, kind: type
) -> None:
    book = Bookkeeping()
    job = book.send("a")
    assert stop(book) == []
    assert not book.scheduler.is_finished
    book.settle(job, end)
    book.sends()
    assert [type(outcome) for outcome in book.outcomes] == [kind]
    assert book.scheduler.is_finished


# Not carried


def test_what_an_executor_does_not_take_was_not_sent() -> None:
    book = Bookkeeping()
    error = RuntimeError("cannot schedule new futures after shutdown")
    book.scheduler.give_up_carrier(book.send("a"), error, sent=False)
    (outcome,) = book.outcomes
    assert isinstance(outcome, UnreachableError)
    assert isinstance(outcome.__cause__, ConnectFailedError)
    assert outcome.__cause__.__cause__ is error
    assert (outcome.session_fate, outcome.transient) == (SessionFate.UNTOUCHED, False)


@pytest.mark.parametrize("error", [OSError("pipe"), MemoryError()], ids=repr)
def test_what_an_executor_loses_may_have_been_sent(error: Exception) -> None:
    book = Bookkeeping()
    book.settle(book.send("a"), error)
    (outcome,) = book.outcomes
    assert isinstance(outcome, UnreachableError)
    assert isinstance(outcome.__cause__, ConnectionLostError)
    assert outcome.__cause__.__cause__ is error
    assert (outcome.session_fate, outcome.transient) == (SessionFate.UNKNOWN, False)


@pytest.mark.parametrize("sent", [True, False])
def test_after_what_was_not_carried_no_id_is_taken_and_the_run_fails(sent: bool) -> None:
    book = Bookkeeping()
    error = OSError("pipe")
    job, other = book.send("a"), book.send("b")
    book.scheduler.give_up_carrier(job, error, sent=sent)
    assert not book.scheduler.has_room()
    book.settle(other, DESTROYED)
    assert len(book.outcomes) == 2
    assert book.scheduler.is_finished
    assert isinstance(book.scheduler.failure, RuntimeError)
    assert "(OSError): the executor or the transport cannot be used" in str(book.scheduler.failure)
    assert book.scheduler.failure.__cause__ is error


def test_what_was_not_carried_is_no_longer_in_flight() -> None:
    book = Bookkeeping()
    for _ in range(2):
        book.settle(book.send("refused"), refused(1))
        book.clock.now += 1.5
        (job,) = book.sends("refused")
        book.scheduler.give_up_carrier(job, OSError("pipe"), sent=False)
    assert len(book.outcomes) == 2
    book.no_more()
    assert book.scheduler.is_finished


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), SystemExit()], ids=repr)
def test_an_interruption_of_the_carrier_passes(interruption: BaseException) -> None:
    book = Bookkeeping()
    job = book.send("a")
    with pytest.raises(type(interruption)):
        book.settle(job, interruption)


# How to call the gate is a matter of order, too
