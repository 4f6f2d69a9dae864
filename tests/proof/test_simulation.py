"""Whole runs say what is so, whatever happens to them. See `simulation.CLAIMS`."""

import pytest

from .simulation import play_seed

SEEDS, SHARES = 1_000, 4


@pytest.mark.parametrize("share", range(SHARES))
def test_every_claim_holds_in_simulated_runs(share: int) -> None:
    for seed in range(share, SEEDS, SHARES):
        play_seed(seed)
