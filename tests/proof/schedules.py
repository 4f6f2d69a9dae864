"""Every schedule of what may happen to one call, played to the real one.

What is claimed is in `claims`.

A schedule says, for each attempt, what becomes of the request, what its sender sees of that and
when, and what happens to the session until the next attempt. Some schedules show the sender the
same at the same times. It cannot distinguish them: the core has no clock, no randomness and no
other source of knowledge. So the call is played once for all of them, and each claim is
held against every world of the model in which one of them may end. Nothing that can be seen is
merged: each status, body and kind of fault is played at each attempt.
"""

import math
from collections.abc import Callable, Iterator, Sequence, Set
from functools import cache
from itertools import product
from typing import TypeAlias

from firecrawl_interact.core import transport
from firecrawl_interact.core.call import Call as RealCall
from firecrawl_interact.core.headers import request_headers
from firecrawl_interact.core.retry import RetryPolicy

from .claims import (
    CLAIMS,
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
from .model import AT_FIRST, Response, Seen, Session, Statuses, World, pass_time, send

HEADERS = request_headers(None)
_FAULTS = {kind.__name__: kind for kind in transport.TransportError.__subclasses__()}

Meaning: TypeAlias = frozenset[tuple[World, frozenset[World]]]
"""What something that is seen says: the worlds before it, and those after it for each."""
Alphabet: TypeAlias = Sequence[tuple[Moment, Meaning]]
"""What may happen to an attempt: what can be seen, and the worlds in which it is seen."""


WORLDS = [World(*so) for so in product(Session, (False, True), (0, 1), range(9))]


def alphabet(
    statuses: Statuses,
    *,
    seconds: Sequence[float] = (1.0,),
    in_a_run: bool = False,
    is_uuid: bool = True,
    wanted: Callable[[Seen], bool] = lambda seen: True,
) -> Alphabet:
    """Return what may happen to an attempt.

    Args:
        statuses: those that there are.
        seconds: after how many seconds it is seen.
        in_a_run: whether a run may hold the call back after it.
        is_uuid: whether the id of the session is one.
        wanted: which of what can be seen is played.
    """
    after: dict[Seen, dict[World, frozenset[World]]] = {}
    for world in WORLDS:
        for seen, worlds in send(world, statuses, is_uuid=is_uuid):
            if wanted(seen):
                ways = after.setdefault(seen, {})
                ways[world] = ways.get(world, frozenset()) | worlds
    return [
        (Moment(seen, time, is_held_back), _meaning(frozenset(ways.items())))
        for seen, ways in after.items()
        for is_held_back in ([False, True] if in_a_run and seen.may_pass else [False])
        for time in (seconds if seen != TIMED_OUT else seconds[:1])
    ]


def one_of_each_kind(whole: Alphabet) -> Alphabet:
    """Return one of those with the same row, wait and meaning: status and words alone differ."""
    kinds: dict[tuple[Seen, Meaning], tuple[Moment, Meaning]] = {}
    for moment, meaning in whole:
        kind = seen = moment.seen
        if isinstance(seen, Response):
            kind = seen._replace(status=0, body=b"", headers=())
        kinds[kind, meaning] = moment, meaning
    return list(kinds.values())


@cache
def _meaning(ways: Meaning) -> Meaning:
    """The same object for equal ones, so that they are compared quickly."""
    return ways


@cache
def _meanwhile(world: World) -> Set[World]:
    """All that time may bring between two attempts, or after the last one."""
    reached, new = set[World](), {world}
    while new:
        reached |= new
        new = {after for before in new for after in pass_time(before)} - reached
    return reached


@cache
def _worlds_after(meanings: tuple[Meaning, ...]) -> Set[World]:
    """The worlds that are reached by attempts of these meanings. None: they cannot all be seen."""
    if not meanings:
        return {*AT_FIRST}
    *earlier, meaning = meanings
    ways, before = dict(meaning), _worlds_after(tuple(earlier))
    if earlier:
        before = {world for each in before for world in _meanwhile(each)}
    return {after for world in before for after in ways.get(world, ())}


@cache
def _knowledge(meanings: tuple[Meaning, ...]) -> Knowledge:
    worlds = _worlds_after(meanings)
    ends = {world for each in worlds for world in _meanwhile(each)}
    return Knowledge(
        is_gone=all(world.session is not Session.LIVE for world in worlds),
        is_untouched=not any(world.is_changed for world in ends),
    )


Meets: TypeAlias = tuple[transport.Response | transport.TransportError, float, bool]
"""What a request meets, after how many seconds, and whether a run holds the call back then."""


def play(session_id: str, policy: RetryPolicy, meets: Iterator[Meets], chance: float) -> Call:
    """Play a call, on a clock that moves by what its requests meet, and by its waits."""
    now = 0.0
    attempts: list[Attempt] = []
    waits: list[float] = []
    call = RealCall(session_id, headers=HEADERS, retry=policy, random=lambda: chance)
    try:
        while timeout := call.begin_attempt(policy.deadline - now):
            attempts.append(Attempt((call.request.method, call.request.path), now, timeout))
            if (met := next(meets, None)) is None:  # The schedule is over.
                return Call(session_id, attempts, waits, None, now)
            comes, seconds, is_held_back = met
            now += min(seconds, timeout)
            error = call.read(comes)
            wait = 0.0
            if error is not None and (call.is_first_stale(error) or not is_held_back):
                wait = call.back_off(error, policy.deadline - now)
            waits.append(wait)
            now += wait
    except Exception as broken:  # The claims say which may come.
        return Call(session_id, attempts, waits, broken.with_traceback(None), now)
    return Call(session_id, attempts, waits[:-1], call.outcome, now)


def _comes(seen: Seen) -> transport.Response | transport.TransportError:
    if isinstance(seen, Response):
        return transport.Response(seen.status, dict(seen.headers), seen.body)
    marks = {"stale": True} if seen.is_stale else {}
    return _FAULTS[seen.kind]("", transient=seen.is_transient, **marks)


def meets_of(schedule: Sequence[Moment]) -> Iterator[Meets]:
    """Give what each attempt of a schedule meets."""
    for seen, seconds, is_held_back in schedule:
        yield _comes(seen), math.inf if seen == TIMED_OUT else seconds, is_held_back


def check_every_schedule(
    alphabets: Sequence[Alphabet],
    policy: RetryPolicy = RetryPolicy(),  # noqa: B008 - immutable
    chance: float = 0.5,
    session_id: str = SESSION_ID,
) -> int:
    """Play each schedule, the short ones first, and hold each claim against it.

    Args:
        alphabets: what may happen to each attempt; as many as the policy has attempts. What a
            run holds back is cut off behind the last one.
        policy: how many attempts, and when.
        chance: what is drawn wherever the core asks for a random number.
        session_id: the session that the calls delete.

    Returns:
        How many calls were played, which the sender can distinguish.
    """
    played = 0
    going_on: list[tuple[tuple[Moment, ...], tuple[Meaning, ...]]] = [((), ())]
    for moments in alphabets:
        starts, going_on = going_on, []
        for (start, start_meanings), (moment, meaning) in product(starts, moments):
            schedule, meanings = (*start, moment), (*start_meanings, meaning)
            if not _worlds_after(meanings):  # It cannot be seen after this start.
                continue
            call = play(session_id, policy, meets_of(schedule), chance)
            if call.outcome is None and (
                len(schedule) < len(alphabets) or count_attempts(schedule) < policy.max_attempts
            ):
                going_on.append((schedule, meanings))
                continue
            played += 1
            knowledge = _knowledge(meanings)
            if broken := set(broken_claims(call, schedule, policy, knowledge, chance)):
                raise ClaimBrokenError(broken, CLAIMS, *map(str, schedule), str(call))
    return played
