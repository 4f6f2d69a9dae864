"""What must hold for every policy and every sequence of responses, failures and times."""

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from firecrawl_interact.core import (
    BadResponseError,
    ConnectFailedError,
    ConnectionLostError,
    DeleteSessionError,
    DeletionReceipt,
    ForbiddenError,
    RateLimitError,
    Response,
    RetryPolicy,
    ServiceUnavailableError,
    SessionFate,
    SessionNotFoundError,
    TimedOutError,
    TransportError,
    UnauthorizedError,
    UnexpectedResponseError,
    UnreachableError,
)

from .scripted_transport import (
    DESTROYED,
    RATE_LIMITED,
    UNAUTHORIZED,
    UNAVAILABLE,
    Delete,
    ScriptedTransport,
    delete_awaited,
    delete_blocking,
    page,
    response,
)

GONE, UNTOUCHED, UNKNOWN = SessionFate.GONE, SessionFate.UNTOUCHED, SessionFate.UNKNOWN


class Attempt(NamedTuple):
    """How one attempt ends, and what it alone would mean."""

    ends_in: Response | TransportError
    fate: SessionFate
    outcome: type[DeletionReceipt | DeleteSessionError]
    again: bool


def lost(*, stale: bool = False) -> Attempt:
    failure = ConnectionLostError("lost", stale=stale)
    return Attempt(failure, UNKNOWN, UnreachableError, again=True)


def no_connection(*, transient: bool) -> Attempt:
    failure = ConnectFailedError("refused", transient=transient)
    return Attempt(failure, UNTOUCHED, UnreachableError, again=transient)


def no_http(*, transient: bool) -> Attempt:
    failure = BadResponseError("no HTTP", transient=transient)
    return Attempt(failure, UNKNOWN, UnreachableError, again=True)


def asking_to_wait(status: int, wait: int) -> Attempt:
    asking = response(status, None, {"retry-after": str(wait)})
    if status == 429:
        return Attempt(asking, UNTOUCHED, RateLimitError, again=True)
    return Attempt(asking, UNKNOWN, ServiceUnavailableError, again=True)


NOT_FOUND = response(404, {"success": False, "error": "Browser session not found."})

final = st.sampled_from(
    [
        Attempt(DESTROYED, GONE, DeletionReceipt, again=False),
        Attempt(NOT_FOUND, GONE, SessionNotFoundError, again=False),
        Attempt(UNAUTHORIZED, UNTOUCHED, UnauthorizedError, again=False),
    ]
)
without_wait = st.one_of(
    st.sampled_from(
        [
            Attempt(RATE_LIMITED, UNTOUCHED, RateLimitError, again=True),
            Attempt(UNAVAILABLE, UNKNOWN, ServiceUnavailableError, again=True),
            Attempt(page(404, b"<html>"), UNKNOWN, UnexpectedResponseError, again=True),
            Attempt(page(200, b"{}"), UNKNOWN, UnexpectedResponseError, again=True),
            Attempt(page(403, b"<html>"), UNTOUCHED, ForbiddenError, again=True),
        ]
    ),
    st.builds(lambda: Attempt(TimedOutError("late"), UNKNOWN, UnreachableError, again=True)),
    st.builds(lost, stale=st.booleans()),
    st.builds(no_connection, transient=st.sampled_from([True, True, False])),
    st.builds(no_http, transient=st.sampled_from([True, True, False])),
)
waits = st.builds(asking_to_wait, st.sampled_from([429, 503]), st.integers(0, 300))

MOST_ATTEMPTS = 6
a_script = st.lists(
    st.one_of(without_wait, without_wait, waits, final),
    min_size=MOST_ATTEMPTS,
    max_size=MOST_ATTEMPTS,
)
times = st.floats(0.001, 300) | st.floats(0.001, 86_400)
policies = st.builds(
    RetryPolicy,
    max_attempts=st.integers(1, MOST_ATTEMPTS),
    attempt_timeout=times,
    deadline=times,
    first_pause=st.floats(0, 10),
    longest_pause=st.floats(0, 30),
)
fractions = st.lists(st.floats(0, 1) | st.just(1.0), max_size=MOST_ATTEMPTS)
a_chance = st.floats(0, 1)
delays = st.lists(st.floats(0, 1_000), max_size=MOST_ATTEMPTS)

A_ROUNDING = 1e-6  # The clock starts at a million seconds, where a float knows 1e-10.


def call(
    transport: ScriptedTransport,
    policy: RetryPolicy,
    chance: float,
    delete: Delete = delete_blocking,
) -> DeletionReceipt | DeleteSessionError:
    try:
        return delete(transport, retry=policy, random=lambda: chance)
    except DeleteSessionError as error:
        return error


def scripted(
    script: list[Attempt], busy: list[float], overslept: list[float] | None = None
) -> ScriptedTransport:
    endings = [attempt.ends_in for attempt in script]
    return ScriptedTransport(*endings, busy=busy, overslept=overslept or [])


@given(policies, a_script, fractions, a_chance)
def test_every_call_ends_within_its_deadline(
    policy: RetryPolicy, script: list[Attempt], busy: list[float], chance: float
) -> None:
    transport = scripted(script, busy)
    call(transport, policy, chance)
    assert transport.now - transport.started <= policy.deadline + A_ROUNDING


@given(policies, a_script, fractions, a_chance, delays)
def test_no_attempt_outlasts_the_deadline_even_if_waits_take_too_long(
    policy: RetryPolicy,
    script: list[Attempt],
    busy: list[float],
    chance: float,
    overslept: list[float],
) -> None:
    transport = scripted(script, busy, overslept)
    call(transport, policy, chance)
    deadline = transport.started + policy.deadline
    for began, timeout in zip(transport.began, transport.timeouts, strict=True):
        assert 0 < timeout <= policy.attempt_timeout
        assert began + timeout <= deadline + A_ROUNDING


@given(policies, a_script, fractions, a_chance)
def test_no_call_makes_more_requests_than_its_policy_allows(
    policy: RetryPolicy, script: list[Attempt], busy: list[float], chance: float
) -> None:
    transport = scripted(script, busy)
    outcome = call(transport, policy, chance)
    assert 1 <= len(transport.requests) == outcome.attempts <= policy.max_attempts


@given(policies, a_script, fractions, a_chance)
def test_only_what_can_pass_is_retried_and_the_last_attempt_makes_the_outcome(
    policy: RetryPolicy, script: list[Attempt], busy: list[float], chance: float
) -> None:
    transport = scripted(script, busy)
    outcome = call(transport, policy, chance)
    *earlier, last = script[: len(transport.requests)]
    assert all(attempt.again for attempt in earlier)
    assert type(outcome) is last.outcome
    if isinstance(outcome, DeleteSessionError):
        assert outcome.transient is last.again


@given(policies, a_script, fractions, a_chance)
def test_the_worst_knowledge_of_all_attempts_wins_but_gone_stays_gone(
    policy: RetryPolicy, script: list[Attempt], busy: list[float], chance: float
) -> None:
    transport = scripted(script, busy)
    outcome = call(transport, policy, chance)
    fates = [attempt.fate for attempt in script[: len(transport.requests)]]
    if fates[-1] is GONE:
        expected = GONE
    elif UNKNOWN in fates:
        expected = UNKNOWN
    else:
        expected = UNTOUCHED
    assert outcome.session_fate is expected


unhurried = st.builds(
    RetryPolicy,
    max_attempts=st.integers(1, MOST_ATTEMPTS),
    deadline=st.just(86_400),
    first_pause=st.floats(0.1, 10),
    longest_pause=st.floats(0.1, 30),
)


@given(unhurried, a_script, a_chance)
def test_with_time_enough_a_call_goes_on_until_a_final_response_or_its_last_attempt(
    policy: RetryPolicy, script: list[Attempt], chance: float
) -> None:
    transport = scripted(script, [])
    call(transport, policy, chance)
    attempts = 1
    while script[attempts - 1].again and attempts < policy.max_attempts:
        attempts += 1
    assert len(transport.requests) == attempts


@given(unhurried, st.lists(without_wait, min_size=MOST_ATTEMPTS, max_size=MOST_ATTEMPTS), a_chance)
def test_a_stale_connection_is_retried_at_once_but_only_once(
    policy: RetryPolicy, script: list[Attempt], chance: float
) -> None:
    transport = scripted(script, [])
    call(transport, policy, chance)
    pauses = []
    at_once = False
    for retry, attempt in enumerate(script[: len(transport.requests) - 1], start=1):
        if getattr(attempt.ends_in, "stale", False) and not at_once:
            at_once = True
        else:
            pauses.append(policy.pause(retry, lambda: chance))
    assert transport.sleeps == pauses


@given(policies, a_script, fractions, a_chance)
def test_both_ways_of_calling_behave_alike(
    policy: RetryPolicy, script: list[Attempt], busy: list[float], chance: float
) -> None:
    seen = []
    for delete in (delete_blocking, delete_awaited):
        transport = scripted(script, busy)
        outcome = call(transport, policy, chance, delete)
        steps = (transport.requests, transport.timeouts, transport.began, transport.sleeps)
        seen.append((type(outcome), str(outcome), outcome.session_fate, steps))
    assert seen[0] == seen[1]
