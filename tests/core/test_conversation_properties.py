"""What must hold for every policy and every sequence of answers, failures and times."""

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from firecrawl_interact.core import (
    BadResponseError,
    ConnectFailedError,
    ConnectionLostError,
    DeleteSessionError,
    DeletionReceipt,
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
    answer,
    delete_awaited,
    delete_blocking,
    page,
)

GONE, UNTOUCHED, UNKNOWN = SessionFate.GONE, SessionFate.UNTOUCHED, SessionFate.UNKNOWN


class Exchange(NamedTuple):
    """How one exchange ends, and what it alone would tell."""

    ends_in: Response | TransportError
    fate: SessionFate
    outcome: type[DeletionReceipt | DeleteSessionError]
    again: bool


def lost(*, stale: bool = False) -> Exchange:
    failure = ConnectionLostError("lost", stale=stale)
    return Exchange(failure, UNKNOWN, UnreachableError, again=True)


def no_connection(*, transient: bool) -> Exchange:
    failure = ConnectFailedError("refused", transient=transient)
    return Exchange(failure, UNTOUCHED, UnreachableError, again=transient)


def no_http(*, transient: bool) -> Exchange:
    failure = BadResponseError("no HTTP", transient=transient)
    return Exchange(failure, UNKNOWN, UnreachableError, again=transient)


def hinted(status: int, wait: int) -> Exchange:
    response = answer(status, None, {"retry-after": str(wait)})
    if status == 429:
        return Exchange(response, UNTOUCHED, RateLimitError, again=True)
    return Exchange(response, UNKNOWN, ServiceUnavailableError, again=True)


NOT_FOUND = answer(404, {"success": False, "error": "Browser session not found."})

final = st.sampled_from(
    [
        Exchange(DESTROYED, GONE, DeletionReceipt, again=False),
        Exchange(NOT_FOUND, GONE, SessionNotFoundError, again=False),
        Exchange(UNAUTHORIZED, UNTOUCHED, UnauthorizedError, again=False),
        Exchange(page(404, b"<html>"), UNKNOWN, UnexpectedResponseError, again=False),
    ]
)
unhinted = st.one_of(
    st.sampled_from(
        [
            Exchange(RATE_LIMITED, UNTOUCHED, RateLimitError, again=True),
            Exchange(UNAVAILABLE, UNKNOWN, ServiceUnavailableError, again=True),
        ]
    ),
    st.builds(lambda: Exchange(TimedOutError("late"), UNKNOWN, UnreachableError, again=True)),
    st.builds(lost, stale=st.booleans()),
    st.builds(no_connection, transient=st.sampled_from([True, True, False])),
    st.builds(no_http, transient=st.sampled_from([True, True, False])),
)
waits = st.builds(hinted, st.sampled_from([429, 503]), st.integers(0, 300))

MOST_TRIES = 6
a_script = st.lists(
    st.one_of(unhinted, unhinted, waits, final), min_size=MOST_TRIES, max_size=MOST_TRIES
)
times = st.floats(0.001, 300) | st.floats(0.001, 86_400)
policies = st.builds(
    RetryPolicy,
    max_attempts=st.integers(1, MOST_TRIES),
    attempt_timeout=times,
    deadline=times,
    first_pause=st.floats(0, 10),
    longest_pause=st.floats(0, 30),
)
fractions = st.lists(st.floats(0, 1) | st.just(1.0), max_size=MOST_TRIES)
a_chance = st.floats(0, 1)

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
    script: list[Exchange], busy: list[float], overslept: list[float] | None = None
) -> ScriptedTransport:
    endings = [exchange.ends_in for exchange in script]
    return ScriptedTransport(*endings, busy=busy, overslept=overslept or [])


@given(policies, a_script, fractions, a_chance)
def test_every_call_ends_within_its_deadline(
    policy: RetryPolicy, script: list[Exchange], busy: list[float], chance: float
) -> None:
    transport = scripted(script, busy)
    call(transport, policy, chance)
    assert transport.now - transport.started <= policy.deadline + A_ROUNDING


@given(policies, a_script, fractions, a_chance, st.lists(st.floats(0, 1_000), max_size=MOST_TRIES))
def test_no_try_outlasts_the_deadline_even_if_waits_take_too_long(
    policy: RetryPolicy,
    script: list[Exchange],
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
    policy: RetryPolicy, script: list[Exchange], busy: list[float], chance: float
) -> None:
    transport = scripted(script, busy)
    outcome = call(transport, policy, chance)
    assert 1 <= len(transport.requests) == outcome.attempts <= policy.max_attempts


@given(policies, a_script, fractions, a_chance)
def test_only_what_can_pass_is_tried_again_and_the_last_try_makes_the_outcome(
    policy: RetryPolicy, script: list[Exchange], busy: list[float], chance: float
) -> None:
    transport = scripted(script, busy)
    outcome = call(transport, policy, chance)
    *earlier, last = script[: len(transport.requests)]
    assert all(exchange.again for exchange in earlier)
    assert type(outcome) is last.outcome
    if isinstance(outcome, DeleteSessionError):
        assert outcome.transient is last.again


@given(policies, a_script, fractions, a_chance)
def test_the_worst_knowledge_of_all_tries_wins_but_gone_stays_gone(
    policy: RetryPolicy, script: list[Exchange], busy: list[float], chance: float
) -> None:
    transport = scripted(script, busy)
    outcome = call(transport, policy, chance)
    fates = [exchange.fate for exchange in script[: len(transport.requests)]]
    if fates[-1] is GONE:
        expected = GONE
    elif UNKNOWN in fates:
        expected = UNKNOWN
    else:
        expected = UNTOUCHED
    assert outcome.session_fate is expected


unhurried = st.builds(
    RetryPolicy,
    max_attempts=st.integers(1, MOST_TRIES),
    deadline=st.just(86_400),
    first_pause=st.floats(0.1, 10),
    longest_pause=st.floats(0.1, 30),
)


@given(unhurried, a_script, a_chance)
def test_with_time_enough_a_call_goes_on_until_an_answer_or_its_last_try(
    policy: RetryPolicy, script: list[Exchange], chance: float
) -> None:
    transport = scripted(script, [])
    call(transport, policy, chance)
    tries = 1
    while script[tries - 1].again and tries < policy.max_attempts:
        tries += 1
    assert len(transport.requests) == tries


@given(unhurried, st.lists(unhinted, min_size=MOST_TRIES, max_size=MOST_TRIES), a_chance)
def test_a_stale_connection_is_tried_again_at_once_but_only_once(
    policy: RetryPolicy, script: list[Exchange], chance: float
) -> None:
    transport = scripted(script, [])
    call(transport, policy, chance)
    pauses = []
    at_once = False
    for repeat, exchange in enumerate(script[: len(transport.requests) - 1], start=1):
        if getattr(exchange.ends_in, "stale", False) and not at_once:
            at_once = True
        else:
            pauses.append(policy.pause(repeat, lambda: chance))
    assert transport.sleeps == pauses


@given(policies, a_script, fractions, a_chance)
def test_both_ways_of_calling_behave_alike(
    policy: RetryPolicy, script: list[Exchange], busy: list[float], chance: float
) -> None:
    seen = []
    for delete in (delete_blocking, delete_awaited):
        transport = scripted(script, busy)
        outcome = call(transport, policy, chance, delete)
        steps = (transport.requests, transport.timeouts, transport.began, transport.sleeps)
        seen.append((type(outcome), str(outcome), outcome.session_fate, steps))
    assert seen[0] == seen[1]
