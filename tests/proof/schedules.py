"""Every schedule of what may happen to one call, played to the real conversation.

The claims are `CLAIMS` below, each in one sentence.

A schedule says, for each attempt, what becomes of the request, what its sender sees of that and
when, and what happens to the session until the next attempt. Two schedules that show the sender
the same at the same times cannot be told apart by it: the core has no clock, no randomness and no
other source of knowledge. So the conversation is played once for all of them, and each claim is
held against every world of the model in which one of them may end. Nothing that can be seen is
merged: each status, body and kind of fault is played at each attempt.

The schedules are counted as the paths through the model's worlds. Two ways from one world to the
same other one, with the same to be seen, count once.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple, TypeAlias

from firecrawl_interact.core import transport
from firecrawl_interact.core.conversation import Conversation, Wait, converse
from firecrawl_interact.core.retry import RetryPolicy

from .model import AT_FIRST, Fault, Response, Seen, Session, World, meanwhile

CLAIMS = {
    "gone": "`GONE` is said only if the session is gone for certain.",
    "untouched": "`UNTOUCHED` is said only if no request of this call changed the session, or "
    "ever will.",
    "no vaguer": "`UNKNOWN` is said only if neither of these is certain.",
    "receipt": "A receipt is given only for a delete that the service confirmed, and it repeats "
    "the bill of that response.",
    "one session": "Each request is the one DELETE of this session, which the service bills once.",
    "outcome": "What is raised is what the last attempt met, and it counts all attempts.",
    "attempts": "A call makes no more attempts than its policy allows.",
    "deadline": "A call ends within its deadline, and each attempt within its timeout.",
    "retries": "A call tries again if and only if that can help, and attempts and time are left.",
    "pauses": "Before a retry it waits as long as the service asked, else as the policy says.",
}

SESSION_ID = "0199a7c4-5d1e-7b60-9f3a-2c8e4d6b1a57"
_REQUEST = ("DELETE", f"/v2/interact/{SESSION_ID}")
_A_ROUNDING = 1e-9
_TIMED_OUT = Fault("TimedOutError")  # It has no time of its own: it takes the whole timeout.


_Fault: TypeAlias = Callable[..., transport.TransportError]
_FAULTS: Mapping[str, _Fault] = {
    kind.__name__: kind for kind in transport.TransportError.__subclasses__()
}


class Core(NamedTuple):
    """What is played to: the real core, or a copy with a planted fault."""

    converse: Callable[..., Conversation] = converse
    wait: type[Wait] = Wait
    response: type[transport.Response] = transport.Response
    faults: Mapping[str, _Fault] = _FAULTS
    policy: type[RetryPolicy] = RetryPolicy


class ClaimBrokenError(AssertionError):
    """A claim does not hold, and what shows it."""

    def __init__(self, claim: str, schedule: "Sequence[Moment]", call: "Call") -> None:
        steps = "\n".join(f"    after {moment.seconds} s: {moment.seen}" for moment in schedule)
        super().__init__(f"{CLAIMS[claim]}\n{steps}\n    {call.outcome!r}\n    {call}")
        self.claim = claim


class Moment(NamedTuple):
    """What the sender of a request sees, and how many seconds after it was sent."""

    seen: Seen
    seconds: float
    is_held_back: bool = False
    """Whether the run that the call is part of has its own reasons to wait before a retry."""


class Attempt(NamedTuple):
    request: tuple[str, str]
    began: float
    timeout: float


class Call(NamedTuple):
    """One call as it went. No outcome: it wants another attempt than the schedule has."""

    attempts: list[Attempt]
    waits: list[float]  # one before each retry
    outcome: object
    ended: float


Sees: TypeAlias = Callable[[World], Iterable[tuple[Seen, set[World]]]]


class Alphabet:
    """What may happen to an attempt: what can be seen, and the worlds in which it is seen.

    Args:
        send: the model's, with its statuses.
        seconds: after how many seconds it is seen.
        in_a_run: whether a run may hold the call back after it.
        wanted: which of what can be seen is played.
    """

    def __init__(
        self,
        send: Sees,
        *,
        seconds: Sequence[float] = (1.0,),
        in_a_run: bool = False,
        wanted: Callable[[Seen], bool] = lambda seen: True,
    ) -> None:
        after: dict[Seen, dict[World, frozenset[World]]] = {}
        for world in _all_worlds():
            for seen, worlds in send(world):
                if wanted(seen):
                    ways = after.setdefault(seen, {})
                    ways[world] = ways.get(world, frozenset()) | worlds
        self.moments = [
            (Moment(seen, time, is_held_back), _meaning(frozenset(ways.items())))
            for seen, ways in after.items()
            for is_held_back in ([False, True] if in_a_run and seen.may_pass else [False])
            for time in (seconds if seen != _TIMED_OUT else seconds[:1])
        ]


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


class Knowledge(NamedTuple):
    """What somebody who knows the model can know after these attempts."""

    is_gone: bool
    is_untouched: bool
    schedules: int


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


def play(core: Core, policy: RetryPolicy, schedule: Sequence[Moment], chance: float) -> Call:
    """Play a schedule to a conversation, on a clock that only the schedule moves."""
    now = 0.0
    attempts: list[Attempt] = []
    waits: list[float] = []
    conversation = core.converse(
        SESSION_ID,
        headers={},
        retry=policy,
        monotonic=lambda: now,
        random=lambda: chance,
        hold_back=lambda error, is_last: schedule[len(attempts) - 1].is_held_back,
    )
    try:
        step = next(conversation)
        while True:
            if type(step) is core.wait:
                waits[-1] += step.seconds
                now += step.seconds
                step = next(conversation)
                continue
            if len(attempts) == len(schedule):
                conversation.close()
                return Call(attempts, waits, None, now)
            request, timeout = step.request, step.timeout  # type: ignore[union-attr]  # a Send
            attempts.append(Attempt((request.method, request.path), now, timeout))
            waits.append(0.0)
            seen, seconds, _ = schedule[len(attempts) - 1]
            if isinstance(seen, Response):
                now += min(seconds, timeout)
                response = core.response(seen.status, dict(seen.headers), seen.body)
                step = conversation.send(response)
            else:
                now += timeout if seen == _TIMED_OUT else min(seconds, timeout)
                step = conversation.throw(_fault(core, seen))
    except StopIteration as end:
        return Call(attempts, waits[:-1], end.value, now)
    except Exception as error:  # The claims say which may come.
        error.__traceback__ = None
        return Call(attempts, waits[:-1], error, now)


def _fault(core: Core, seen: Fault) -> transport.TransportError:
    if seen.is_stale:
        return core.faults[seen.kind]("", transient=seen.may_pass, stale=True)
    return core.faults[seen.kind]("", transient=seen.may_pass)


class Count(NamedTuple):
    """How much was checked."""

    played: int
    """Conversations: schedules that can be told apart."""
    schedules: int
    """What they stand for."""

    def plus(self, other: "Count") -> "Count":
        return Count(self.played + other.played, self.schedules + other.schedules)


def check_every_schedule(
    alphabets: Sequence[Alphabet],
    *,
    core: Core = Core(),  # noqa: B008 - immutable
    policy: RetryPolicy | None = None,
    chance: float = 0.5,
    note: Callable[[str, Sequence[Moment], Call], None] | None = None,
) -> Count:
    """Play each schedule, the short ones first, and hold each claim against it.

    Args:
        alphabets: what may happen to each attempt; as many as the policy has attempts. What a
            run holds back is cut off behind the last one.
        core: what is played to.
        policy: the policy's defaults if None is given.
        chance: what is drawn wherever the core asks for a random number.
        note: told of each claim that is broken; else that is raised.
    """
    policy = policy or core.policy()
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
                call = play(core, policy, schedule, chance)
                if call.outcome is None and (
                    len(schedule) < len(alphabets) or _count(schedule) < policy.max_attempts
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


def _count(schedule: Sequence[Moment]) -> int:
    """How many of its attempts the policy counts."""
    return sum(not moment.is_held_back for moment in schedule)


def broken_claims(
    call: Call,
    schedule: Sequence[Moment],
    policy: RetryPolicy,
    knowledge: Knowledge,
    chance: float,
) -> Iterator[str]:
    """Name the claims that a call breaks."""
    outcome, (*earlier, last) = call.outcome, schedule
    if outcome is None or _count(schedule) > policy.max_attempts:
        yield "attempts"
        return
    if any(attempt.request != _REQUEST for attempt in call.attempts):
        yield "one session"
    is_receipt = type(outcome).__name__ == "DeletionReceipt"
    if is_receipt and (
        last.seen.row != "DeletionReceipt"
        or getattr(outcome, "credits_billed", None) != getattr(last.seen, "credits", None)
    ):
        yield "receipt"
    yield from _broken_fate(getattr(outcome, "session_fate", None), knowledge)
    if (
        type(outcome).__name__ != last.seen.row
        or getattr(outcome, "attempts", None) != len(schedule)
        or getattr(outcome, "session_id", None) != SESSION_ID
    ):
        yield "outcome"
    if call.ended > policy.deadline + _A_ROUNDING or any(
        not 0 < attempt.timeout <= policy.attempt_timeout
        or attempt.began + attempt.timeout > policy.deadline + _A_ROUNDING
        for attempt in call.attempts
    ):
        yield "deadline"
    pauses = list(_pauses(schedule, policy, chance))
    if call.waits != pauses[:-1]:
        yield "pauses"
    may_go_on = _count(schedule) < policy.max_attempts and call.ended + pauses[-1] < policy.deadline
    if not all(moment.seen.may_pass for moment in earlier) or (last.seen.may_pass and may_go_on):
        yield "retries"


def _broken_fate(session_fate: object, knowledge: Knowledge) -> Iterator[str]:
    fate = getattr(session_fate, "name", None)
    if fate == "GONE" and not knowledge.is_gone:
        yield "gone"
    if fate == "UNTOUCHED" and not knowledge.is_untouched:
        yield "untouched"
    if fate == "UNKNOWN" and (knowledge.is_gone or knowledge.is_untouched):
        yield "no vaguer"


def _pauses(schedule: Sequence[Moment], policy: RetryPolicy, chance: float) -> Iterator[float]:
    """The pause that belongs behind each attempt."""
    was_stale = False
    for number, moment in enumerate(schedule, start=1):
        if moment.is_held_back:
            yield 0.0
        elif isinstance(moment.seen, Fault) and moment.seen.is_stale and not was_stale:
            was_stale = True
            yield 0.0
        elif moment.seen.told_wait is not None:
            yield moment.seen.told_wait
        else:
            retry = _count(schedule[:number])
            longest = min(policy.longest_pause, policy.first_pause * 2**retry)
            yield longest / 2 + longest / 2 * chance
