"""Every schedule of what may happen to one call, played to the real conversation.

What is claimed is in `claims`.

A schedule says, for each attempt, what becomes of the request, what its sender sees of that and
when, and what happens to the session until the next attempt. Some schedules show the sender the
same at the same times. It cannot distinguish them: the core has no clock, no randomness and no
other source of knowledge. So the conversation is played once for all of them, and each claim is
held against every world of the model in which one of them may end. Nothing that can be seen is
merged: each status, body and kind of fault is played at each attempt.

The schedules are counted as the paths through the model's worlds. Two ways from one world to the
same other one, with the same to be seen, count once.
"""

import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from typing import NamedTuple, TypeAlias

from firecrawl_interact.core import transport
from firecrawl_interact.core.conversation import Failed, Wait, converse
from firecrawl_interact.core.headers import request_headers
from firecrawl_interact.core.retry import RetryPolicy

from .claims import (
    SESSION_ID,
    TIMED_OUT,
    Attempt,
    Call,
    ClaimBrokenError,
    Knowledge,
    Moment,
    broken_claims,
    count_attempts,
)
from .model import AT_FIRST, NAMED, Fault, Response, Seen, Session, World, meanwhile, send

HEADERS = request_headers(None)
_FAULTS = {kind.__name__: kind for kind in transport.TransportError.__subclasses__()}

Sees: TypeAlias = Callable[[World], Iterable[tuple[Seen, set[World]]]]


class Alphabet:
    """What may happen to an attempt: what can be seen, and the worlds in which it is seen.

    Args:
        send: the model's, with its statuses.
        seconds: after how many seconds it is seen.
        in_a_run: whether a run may hold the call back after it.
        is_one_of_each: whether one is played of those that differ in status and words alone:
            they have the same row, the same wait and the same meaning.
        wanted: which of what can be seen is played.
    """

    def __init__(
        self,
        send: Sees,
        *,
        seconds: Sequence[float] = (1.0,),
        in_a_run: bool = False,
        is_one_of_each: bool = False,
        wanted: Callable[[Seen], bool] = lambda seen: True,
    ) -> None:
        after: dict[Seen, dict[World, frozenset[World]]] = {}
        for world in _all_worlds():
            for seen, worlds in send(world):
                if wanted(seen):
                    ways = after.setdefault(seen, {})
                    ways[world] = ways.get(world, frozenset()) | worlds
        if is_one_of_each:
            of_a_kind = {(_kind(seen), frozenset(w.items())): seen for seen, w in after.items()}
            after = {seen: after[seen] for seen in of_a_kind.values()}
        self.moments = [
            (Moment(seen, time, is_held_back), _meaning(frozenset(ways.items())))
            for seen, ways in after.items()
            for is_held_back in ([False, True] if in_a_run and seen.may_pass else [False])
            for time in (seconds if seen != TIMED_OUT else seconds[:1])
        ]


def _kind(seen: Seen) -> Seen:
    return seen._replace(status=0, body=b"", headers=()) if isinstance(seen, Response) else seen


Meaning: TypeAlias = frozenset[tuple[World, frozenset[World]]]
"""What something that is seen says: the worlds before it, and those after it for each."""


@cache
def _meaning(ways: Meaning) -> Meaning:
    """The same object for equal ones, so that they are compared quickly."""
    return ways


@cache
def _all_worlds() -> frozenset[World]:
    return frozenset(
        World(session, is_changed, bills, under_way)
        for session in Session
        for is_changed in (False, True)
        for bills in (0, 1)
        for under_way in range(9)
    )


_meanwhile = cache(meanwhile)


@cache
def _paths(meanings: tuple[Meaning, ...]) -> dict[World, int]:
    """In how many ways each world is reached by attempts of these meanings."""
    if not meanings:
        return dict.fromkeys(AT_FIRST, 1)
    *earlier, meaning = meanings
    ways = dict(meaning)
    reached: dict[World, int] = {}
    for before, count in _paths(tuple(earlier)).items():
        for world in _meanwhile(before) if earlier else (before,):
            for after in ways.get(world, ()):
                reached[after] = reached.get(after, 0) + count
    return reached


@cache
def _knowledge(meanings: tuple[Meaning, ...]) -> Knowledge:
    paths = _paths(meanings)
    ends = frozenset[World]().union(*map(_meanwhile, paths))
    assert all(world.bills <= 1 for world in ends)
    return Knowledge(
        is_gone=all(world.session is not Session.LIVE for world in ends),
        is_untouched=not any(world.is_changed for world in ends),
        schedules=sum(paths.values()),
    )


def play(policy: RetryPolicy, schedule: Sequence[Moment], chance: float) -> Call:
    """Play a schedule to a conversation, on a clock that only the schedule moves."""
    now = 0.0
    attempts: list[Attempt] = []
    waits: list[float] = []
    conversation = converse(
        SESSION_ID,
        headers=HEADERS,
        retry=policy,
        monotonic=lambda: now,
        random=lambda: chance,
    )
    try:
        step = next(conversation)
        while True:
            if isinstance(step, Wait):
                waits[-1] += step.seconds
                now += step.seconds
                step = next(conversation)
                continue
            if isinstance(step, Failed):
                step = conversation.send(schedule[len(attempts) - 1].is_held_back)
                continue
            if len(attempts) == len(schedule):
                conversation.close()
                return Call(attempts, waits, None, now)
            request, timeout = step.request, step.timeout
            attempts.append(Attempt((request.method, request.path), now, timeout))
            waits.append(0.0)
            seen, seconds, _ = schedule[len(attempts) - 1]
            if isinstance(seen, Response):
                now += min(seconds, timeout)
                response = transport.Response(seen.status, dict(seen.headers), seen.body)
                step = conversation.send(response)
            else:
                now += timeout if seen == TIMED_OUT else min(seconds, timeout)
                step = conversation.throw(_fault(seen))
    except StopIteration as end:
        return Call(attempts, waits[:-1], end.value, now)
    except Exception as error:  # The claims say which may come.
        error.__traceback__ = None
        return Call(attempts, waits[:-1], error, now)


def _fault(seen: Fault) -> transport.TransportError:
    marks = {"stale": True} if seen.is_stale else {}
    return _FAULTS[seen.kind]("", transient=seen.is_transient, **marks)


class Count(NamedTuple):
    """How much was checked."""

    played: int
    """Conversations: schedules that the sender can distinguish."""
    schedules: int
    """What they stand for."""

    def plus(self, other: "Count") -> "Count":
        return Count(self.played + other.played, self.schedules + other.schedules)


def check_every_schedule(
    alphabets: Sequence[Alphabet],
    *,
    policy: RetryPolicy = RetryPolicy(),  # noqa: B008 - immutable
    chance: float = 0.5,
    note: Callable[[str, Sequence[Moment], Call], None] | None = None,
) -> Count:
    """Play each schedule, the short ones first, and hold each claim against it.

    Args:
        alphabets: what may happen to each attempt; as many as the policy has attempts. What a
            run holds back is cut off behind the last one.
        policy: how many attempts, and when.
        chance: what is drawn wherever the core asks for a random number.
        note: called with each claim that is broken. None: the first one is raised.
    """
    played = schedules = 0
    going_on: list[tuple[tuple[Moment, ...], tuple[Meaning, ...]]] = [((), ())]
    for alphabet in alphabets:
        starts, going_on = going_on, []
        for start, start_meanings in starts:
            for moment, meaning in alphabet.moments:
                schedule, meanings = (*start, moment), (*start_meanings, meaning)
                knowledge = _knowledge(meanings)
                if not knowledge.schedules:  # It cannot be seen after this start.
                    continue
                call = play(policy, schedule, chance)
                if call.outcome is None and (
                    len(schedule) < len(alphabets) or count_attempts(schedule) < policy.max_attempts
                ):
                    going_on.append((schedule, meanings))
                    continue
                played += 1
                schedules += knowledge.schedules
                for claim in broken_claims(call, schedule, policy, knowledge, chance):
                    if note is None:
                        raise ClaimBrokenError(claim, schedule, call)
                    note(claim, schedule, call)
    return Count(played, schedules)


if __name__ == "__main__":
    logging.getLogger("firecrawl_interact").setLevel(logging.CRITICAL)
    try:
        check_every_schedule(
            [Alphabet(partial(send, statuses=NAMED))] * 3, policy=RetryPolicy(max_attempts=3)
        )
    except ClaimBrokenError as error:
        sys.exit(f"{error}\nbroken: {error.claim}")
