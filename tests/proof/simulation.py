"""Simulated runs, each drawn from a number.

What is claimed of each is in `CLAIMS`, each in one sentence.
`python -m tests.proof.simulation 4711` plays the run of one seed again, and
`python -m tests.proof.simulation 0 100000` so many, up to the first that breaks a claim.
"""

import math
import random
import sys
from collections.abc import Callable, Sequence
from functools import partial

from firecrawl_interact import RetryPolicy

from ..simulation import kinds as k
from ..simulation.kinds import SERVED, Kind
from ..simulation.limiters import LIMITERS, Bucket
from ..simulation.play import play
from ..simulation.watch import Scenario, Step, ids
from ..simulation.ways import Awaited, Blocking, Way
from ..simulation.world import (
    Flaw,
    Limiter,
    MemoryJournal,
    Outage,
    Session,
    Weather,
    World,
    full_journal,
)
from .claims import ClaimBrokenError

CLAIMS = {
    "one outcome": "Each id that a run takes gets one outcome, and `on_outcome` gets it once.",
    "gone": "A run reports GONE only of a session that is gone.",
    "untouched": "It reports UNTOUCHED only if no request of it changed the session, or ever will.",
    "receipt": "It returns a receipt only for a delete that the service confirmed, with its bill.",
    "one session": "Each request is the one DELETE of its session.",
    "attempts": "`attempts` counts each request for the session.",
    "requests": "A session has one request at a time, none after its outcome or in a pause.",
    "the end": "A run that is stopped, left or ended sends nothing, and leaves no task behind.",
    "leaving": "Leaving takes no longer than the attempts in flight, or `shutdown_timeout`.",
    "memory": "A thousand ids at most, or four times the concurrency, have no outcome yet.",
    "raised": "A run raises only what ended it early.",
    "held back": "No session fails because of a rate limit or an outage shorter than the deadline.",
    "journal": "A journal forgets no id while its session lives.",
}


class Draw(random.Random):
    """What a seed draws."""

    def once_in(self, times: int) -> bool:
        return self.random() * times < 1

    def within(self, seconds: float) -> float:
        """A time, as often soon as late."""
        return round(math.pow(seconds, self.random()) - 1, 3)


POLICIES = (
    RetryPolicy(),
    RetryPolicy(deadline=100),
    RetryPolicy(max_attempts=2, attempt_timeout=5, deadline=30, first_pause=1),
    RetryPolicy(max_attempts=1, attempt_timeout=10, deadline=20),
    RetryPolicy(max_attempts=6, attempt_timeout=10, deadline=60, first_pause=0.1),
)
LIMITS: Sequence[Callable[[int], Limiter]] = (*LIMITERS.values(), partial(Bucket, burst=1))
ROUNDED: Sequence[Callable[[float], int]] = (math.ceil, math.ceil, math.floor, round)
NAMED_WAITS: Sequence[Callable[[float], int | None]] = (*ROUNDED, lambda wait: None)


def _limiter(draw: Draw) -> Callable[[], Limiter]:
    return partial(draw.choice(LIMITS), draw.choice((3, 10, 60)))


def _outages(draw: Draw, longest: float, kinds: Sequence[Kind]) -> list[Outage]:
    outages, begins = [], draw.within(40)
    for _ in range(draw.choice((1, 1, 2))):
        kind = draw.choice(kinds)
        if kind.is_a_page:  # The service has responded before, or its address looks wrong.
            begins = max(begins, 3.0)
        ends = begins + draw.within(longest)
        outages.append(Outage(begins, ends, kind))
        begins = ends + 100 + draw.within(300)
    return outages


def held_back(draw: Draw) -> Scenario:
    """A run that nobody disturbs, in a world with rate limits and short outages alone."""
    weather = Weather(seconds=draw.choice(((0.1,), (1.0,))))
    if draw.once_in(2):
        weather.limiter = _limiter(draw)
        weather.named_wait = draw.choice(NAMED_WAITS)
        weather.is_named_in_header = draw.once_in(2)
    if weather.limiter is None or draw.once_in(2):
        kinds = (k.NO_CONNECTION, k.BROKEN_GATEWAY, k.BUSY, k.LOST, *k.PAGES)
        weather.outages = _outages(draw, 100, kinds)
    return Scenario(
        ids=ids(draw.choice((2, 3, 10, 25, 50))),
        weather=weather,
        concurrency=draw.choice((1, 2, 8, 32)),
        ids_are_awaited=draw.once_in(2),
        is_only_held_back=True,
    )


def disturbed(draw: Draw) -> Scenario:
    """A run to which anything may happen."""
    trouble = draw.choice((0, 1, 4, 12))
    kinds = [SERVED] * (12 - trouble) + [draw.choice(k.TROUBLES) for _ in range(trouble)]
    if draw.once_in(12):
        kinds.append(k.FAULTY)
    weather = Weather(
        kinds=kinds,
        seconds=draw.choice(((0.1,), (1.0,), (0.1, 1.0, 5.0), (0.1, 5.0, 70.0, 200.0))),
        later=(0.5, 30.0, 150.0),
        is_named_in_header=draw.once_in(2),
        named_wait=draw.choice(NAMED_WAITS),
    )
    if draw.once_in(3):
        weather.limiter = _limiter(draw)
    if draw.once_in(3):
        weather.outages = _outages(draw, 500, (*k.OUTAGES, *k.PAGES))
    steps = [
        Step(
            draw.choice((0.0, 0.0, 0.1, 5.0)),
            draw.choice(("", "..")) if draw.once_in(15) else f"{number}",
        )
        for number in range(draw.choice((0, 1, 2, 3, 5, 8, 15, 40)))
    ]
    return Scenario(
        ids=steps,
        weather=weather,
        retry=draw.choice(POLICIES),
        concurrency=draw.choice((1, 2, 3, 8, 32)),
        shutdown_timeout=draw.choice((None, None, 0.0, 0.5, 20.0)),
        ids_fail=draw.once_in(5),
        ids_are_awaited=draw.once_in(2),
        busy=draw.choice(((0.0,), (0.0, 1.0, 20.0))),
        stop_at=[draw.within(300)] * draw.once_in(6),
        leave_at_outcome=draw.choice((*range(1, 10), *[None] * 45)),
        interrupt_at=[draw.within(300)] * draw.once_in(2),
        ends_when_cancelled_after=draw.choice((0.0, 0.0, 0.3)),
        journal_seconds=draw.choice(((0.0,), (0.0, 0.1, 3.0))),
    )


class Simulation:
    """One run, and what is looked at from its seed."""

    def __init__(self, seed: int) -> None:
        self.draw = Draw(seed)
        self.new_way: type[Way] = Awaited if self.draw.once_in(2) else Blocking
        self.left: list[tuple[dict[str, Session], list[str]]] = []
        """What outlives a process that is killed: the service's sessions, and the journal."""

    def play(self) -> list[Flaw]:
        """Play it, and return what is not as it is claimed to be, in words."""
        kinds_of_runs = (held_back, disturbed, disturbed)
        scenario = self.draw.choice(kinds_of_runs)(self.draw)
        flaws = play(scenario, self.new_way, self.draw.choice, self._set_up).world.flaws
        for sessions, held in self.left:
            flaws += self._sweep(sessions, held)
        return flaws

    def _set_up(self, world: World) -> MemoryJournal | None:
        self._age(world)
        if self.draw.once_in(2):
            return None
        journal = full_journal(world)
        if self.draw.once_in(5):
            journal.fails = lambda: self.draw.once_in(3)

        def look() -> None:
            sessions = {name: session.copy() for name, session in world.sessions.items()}
            self.left.append((sessions, list(journal.held)))

        for _ in range(self.draw.choice((0, 0, 1, 3))):
            world.clock.call_later(self.draw.within(300), look)
        return journal

    def _age(self, world: World) -> None:
        """Let sessions expire, or be deleted by others, and be forgotten by the service."""
        for session in world.sessions.values():
            if self.draw.once_in(8):
                world.clock.call_later(self.draw.within(400), session.end)
            if self.draw.once_in(12):
                session.end()
                session.is_known = False

    def _sweep(self, sessions: dict[str, Session], held: list[str]) -> list[Flaw]:
        """Let a process that comes later delete what the journal held at a moment."""

        def set_up(world: World) -> MemoryJournal:
            world.sessions = sessions
            return MemoryJournal(world, dict.fromkeys(held))

        scenario = Scenario(ids=held, is_only_held_back=True)
        watch = play(scenario, self.new_way, self.draw.choice, set_up)
        live = [name for name, session in sessions.items() if session.is_live]
        assert watch.journal is not None
        is_done = not live and not watch.journal.held
        watch.world.claim("journal", is_done, f"the sweep leaves {live}, and {watch.journal.held}")
        return watch.world.flaws


def play_seed(seed: int) -> None:
    """Play the run of a seed, and raise a `ClaimBrokenError` if it breaks a claim."""
    if flaws := Simulation(seed).play():
        shown_by = [f"to replay it: python -m tests.proof.simulation {seed}"]
        shown_by += [flaw.what for flaw in flaws[:8]]
        raise ClaimBrokenError({flaw.claim for flaw in flaws}, CLAIMS, *shown_by)


if __name__ == "__main__":
    first, count, *_ = [*map(int, sys.argv[1:]), 1]
    for seed in range(first, first + count):
        play_seed(seed)
    print(f"{count:,} runs: every claim holds")
