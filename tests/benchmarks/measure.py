"""Figures, and what two pieces of work take in turn: a machine that changes speed changes both."""

import resource
import time
from collections.abc import Callable
from typing import NamedTuple


class Figure(NamedTuple):
    """One line of the table."""

    what: str
    measured: float
    limit: float
    unit: str = "x"

    def __str__(self) -> str:
        verdict = "met" if self.measured <= self.limit else "MISSED"
        return f"| {self.what} | {self.measured:.3g} {self.unit} | {self.limit:g} | {verdict} |"


class Spent(NamedTuple):
    """Seconds: the CPU time of this process, with all its threads, and the wall time."""

    cpu: float
    wall: float


def spent(work: Callable[[], object]) -> Spent:
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return Spent(time.process_time() - cpu, time.perf_counter() - wall)


def peak_memory() -> float:
    """Return the most memory that this process has had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def in_turns(
    ours: Callable[[], object], bare: Callable[[], object], *, rounds: int = 15
) -> tuple[list[Spent], list[Spent]]:
    """Return what each round of both has taken. The next round begins with the other one."""
    own: list[Spent] = []
    others: list[Spent] = []
    turn = [(ours, own), (bare, others)]
    for _ in range(rounds):
        for work, taken in turn:
            taken.append(spent(work))
        turn.reverse()
    return own, others
