"""Whole runs say what is so, whatever happens to them. See `claims_of_runs.CLAIMS`.

`SIMULATED_SEEDS=100000` plays so many seeds; `python -m tests.proof.simulation SEED` one again.
"""

import os

import pytest

from ..simulation.ways import Awaited, Blocking
from .figures import NoteFigure
from .interrupted_lines import interrupt_each_line
from .scenarios import SCENARIOS, check
from .simulation import play_seed
from .small_runs import SMALL_RUNS, play_each

BOUNDED = 10_000
SEEDS = int(os.environ.get("SIMULATED_SEEDS", BOUNDED))
SHARES = 4


pytestmark = pytest.mark.usefixtures("quiet_log")


@pytest.mark.parametrize("share", range(SHARES))
def test_every_claim_holds_in_simulated_runs(share: int, note_figure: NoteFigure) -> None:
    seeds = range(share, SEEDS, SHARES)
    for seed in seeds:
        play_seed(seed)
    if SEEDS == BOUNDED:
        note_figure("simulated runs", SEEDS)


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_claim_holds_in_scenarios(name: str) -> None:
    check(name)


@pytest.mark.parametrize("what", SMALL_RUNS)
def test_every_claim_holds_in_every_schedule_of_small_runs(
    what: str, note_figure: NoteFigure
) -> None:
    count = sum(play_each(SMALL_RUNS[what], way) for way in (Blocking, Awaited))
    note_figure(f"schedules of small runs: {what}", count)


def test_a_ctrl_c_before_any_line_of_a_run_costs_no_outcome() -> None:
    print(f"lines that were interrupted: {interrupt_each_line():,}")
