"""Whole runs say what is so, whatever happens to them. See `claims_of_runs.CLAIMS`."""

import pytest

from firecrawl_interact.core import RunEndedError

from ..simulation.play import play
from ..simulation.ways import Way, both_ways
from .claims_of_runs import refuse
from .simulation import SCENARIOS, TOO_LONG, check, play_seed

SEEDS, SHARES = 2_000, 4


@pytest.mark.parametrize("share", range(SHARES))
def test_every_claim_holds_in_simulated_runs(share: int) -> None:
    for seed in range(share, SEEDS, SHARES):
        play_seed(seed)


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_claim_holds_in_scenarios(name: str) -> None:
    check(name)


@both_ways
def test_an_outage_of_more_than_the_deadline_ends_the_run(way: type[Way]) -> None:
    watch = play(TOO_LONG, way)
    refuse(watch.world.flaws, "an outage that is too long")
    assert [type(error) for error in watch.raised] == [RunEndedError]
    assert watch.over_at <= 1.5 + 1.05 * 240
